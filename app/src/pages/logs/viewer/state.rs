//! What the viewer knows of itself between two frames: the place it keeps, what is to be drawn anew, what is selected.

use std::{ops::Range, rc::Rc};

use loglines::ansi;
use model::Entry;

use super::{
    super::buffer::{Anchor, Key},
    HELD_ROWS, State,
};

impl State {
    /// Whether nothing new comes in: a range that has ended, or the surroundings of a line.
    pub(in super::super) fn is_still(&self) -> bool {
        self.view.at.is_some() || self.view.is_past()
    }

    /// The place to keep; none while following, which keeps the end.
    pub(in super::super) fn hold(&mut self) -> Option<Anchor> {
        if self.follow { None } else { self.buffer.anchor(self.scroll) }
    }

    /// What the browser says of itself: nothing is to be done to get there.
    pub(in super::super) fn set_real_scroll(&mut self, scroll: u32) {
        self.real_scroll = scroll;
    }

    pub(in super::super) fn restore(&mut self, anchor: Option<Anchor>) {
        if let Some(anchor) = anchor {
            self.scroll = self.buffer.scroll_to(anchor);
        }
    }

    /// The row of that key is drawn anew.
    pub(in super::super) fn spoil(&mut self, key: Key) {
        if let Some(drawn) = self.drawn.iter_mut().find(|drawn| drawn.key == key) {
            drawn.stale = true;
        }
    }

    pub(in super::super) fn spoil_all(&mut self) {
        for drawn in &mut self.drawn {
            drawn.stale = true;
        }
    }

    /// Whether a line is one that the search marks.
    pub(in super::super) fn hit(&self) -> Rc<dyn Fn(&Entry) -> bool> {
        let marker = self.marker.clone();
        let filtered = !self.view.highlight;
        if marker.is_nothing() {
            return Rc::new(|_| false);
        }
        // The server sends matching lines only.
        Rc::new(move |entry| filtered || marker.hits(&ansi::strip(&entry.message)))
    }

    pub(super) fn keep_selection(&self, window: &mut Range<usize>) {
        let Some((one, other)) = self.held else { return };
        if let (Ok(one), Ok(other)) = (self.buffer.find(one), self.buffer.find(other)) {
            let wide = window.start.min(one).min(other)..window.end.max(one + 1).max(other + 1);
            if wide.len() <= HELD_ROWS {
                *window = wide;
            }
        }
    }
}
