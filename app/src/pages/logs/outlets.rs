//! What the viewer tells the page, and what the page tells the viewer: signals, so that neither holds the other.

use leptos::prelude::*;
use model::ScanStats;

use crate::parts::log_view::{LogStyle, LogView};

/// How it stands with the lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Connecting,
    Live,
    /// The Docker Engine does not answer the console.
    DockerAway,
    /// The console does not answer; seconds until the next try.
    Lost(u32),
    /// The container or file is gone.
    Ended,
    /// Around the line of a permalink.
    Still,
    /// A range that has ended: its lines are being looked for, or are there.
    Searching,
    Past,
    /// A metric query: there are numbers in place of lines.
    Numbers,
    /// This person may not read logs.
    Refused,
    /// The console takes the search for none, and there are no lines of an earlier one.
    BadSearch,
    /// It makes no sense to try again by itself.
    Failed(String),
}

/// How it stands with lines older than those held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Older {
    Idle,
    Loading,
    /// There are none.
    Beginning,
    /// No more are held.
    Full,
    Failed(String),
}

/// What a control asks of the viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Pause,
    Resume,
    /// To the next match, or with `false` the one before.
    Match(bool),
    /// Connects anew after a failure.
    Retry,
    /// Names of fields of the lines that are here, into `fields`.
    Fields,
}

#[derive(Clone, Copy)]
pub struct Outlets {
    pub status: RwSignal<Status>,
    pub older: RwSignal<Older>,
    pub paused: RwSignal<bool>,
    /// Lines that came since the reader paused.
    pub unseen: RwSignal<u64>,
    /// Whether there is nothing to show, once that is certain.
    pub empty: RwSignal<bool>,
    /// Lines that match, and which of them is the selected one (0: none).
    pub hits: RwSignal<(usize, usize)>,
    /// What is wrong with the search.
    pub search_error: RwSignal<Option<String>>,
    /// A source that failed while the others answered.
    pub warning: RwSignal<Option<String>>,
    /// For screen readers.
    pub said: RwSignal<String>,
    pub style: RwSignal<LogStyle>,
    /// Where to go: the view, and whether the way back leads to the present one.
    pub go: RwSignal<Option<(LogView, bool)>>,
    pub commands: RwSignal<Vec<Command>>,
    /// That LogQL is wanted in place of words, or words in place of it: the editor translates.
    pub want: RwSignal<Option<bool>>,
    pub fields: RwSignal<Vec<String>>,
    /// Goes up when the same query is asked once more.
    pub turn: RwSignal<u32>,
    /// What the last search looked at.
    pub scanned: RwSignal<Option<ScanStats>>,
    /// What a query looks for in lines, to be marked in them: a text, and whether its case does not matter.
    pub needles: RwSignal<Vec<(String, bool)>>,
}

impl Outlets {
    pub fn new() -> Self {
        Self {
            status: RwSignal::new(Status::Connecting),
            older: RwSignal::new(Older::Idle),
            paused: RwSignal::new(false),
            unseen: RwSignal::new(0),
            empty: RwSignal::new(false),
            hits: RwSignal::new((0, 0)),
            search_error: RwSignal::new(None),
            warning: RwSignal::new(None),
            said: RwSignal::new(String::new()),
            style: RwSignal::new(LogStyle::default()),
            go: RwSignal::new(None),
            commands: RwSignal::new(Vec::new()),
            want: RwSignal::new(None),
            fields: RwSignal::new(Vec::new()),
            turn: RwSignal::new(0),
            scanned: RwSignal::new(None),
            needles: RwSignal::new(Vec::new()),
        }
    }

    /// Whether a search runs.
    pub fn is_busy(self) -> bool {
        matches!(self.status.get(), Status::Connecting | Status::Searching) || self.older.get() == Older::Loading
    }

    pub fn ask(self, command: Command) {
        self.commands.update(|commands| commands.push(command));
    }
}

/// Sets a signal where that changes it: nothing on the page runs for frames that change nothing.
pub fn put<T: PartialEq + Send + Sync + 'static>(signal: RwSignal<T>, value: T) {
    // It fails where the page is gone and a late answer comes in.
    if signal.try_with_untracked(|old| *old != value) == Some(true) {
        signal.try_set(value);
    }
}
