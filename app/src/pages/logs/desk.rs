//! The parts of the page that come late: the editor, the range, the charts. What they share with the page, and the places they come to.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use leptos::{prelude::*, reactive::computed::ScopedFuture, task::spawn_local};

use super::{editor::QueryEditor, histogram::LevelHistogram, numbers::Numbers, outlets::Outlets, range::RangePanel};
use crate::{
    late,
    late::Late,
    parts::log_view::LogView,
    ui::{act, effect},
};

pub const EDITOR: Late = late!(search, query_editor, view! { <QueryEditor/> });
pub const RANGES: Late = late!(search, range_panel, view! { <RangePanel/> });
pub const HISTOGRAM: Late = late!(histogram, level_histogram, view! { <LevelHistogram/> });
pub const NUMBERS: Late = late!(search, metric_numbers, view! { <Numbers/> });

/// What the page and its late parts see alike.
#[derive(Clone, Copy)]
pub struct Desk {
    pub view: Memo<LogView>,
    pub out: Outlets,
}

impl Desk {
    /// The one around the place that a late view comes to.
    pub fn here() -> Self {
        expect_context()
    }

    /// Goes to what the change makes of the present view; the way back leads here.
    pub fn go(self, change: impl FnOnce(LogView) -> LogView) {
        self.out.go.set(Some((change(self.view.get_untracked()), true)));
    }
}

/// True with the first move of a person, else some time after the page is there: what nobody asked for must not keep the lines waiting.
pub fn settled() -> Signal<bool> {
    let is_settled = RwSignal::new(false);
    effect(move || {
        let settle = move || {
            if is_settled.try_get_untracked() == Some(false) {
                is_settled.set(true);
            }
        };
        for event in ["pointermove", "pointerdown", "keydown", "wheel"] {
            let listener = window_event_listener_untyped(event, move |_| settle());
            on_cleanup(move || listener.remove());
        }
        set_timeout(settle, Duration::from_secs(3));
    });
    is_settled.into()
}

/// The place of a late view: it comes when it is first wanted, and stays. Until then `before` is there, on the server too.
pub fn place(late: Late, wanted: Signal<bool>, before: impl Fn() -> AnyView + Send + 'static) -> AnyView {
    #[derive(Clone, Copy, PartialEq)]
    enum Stage {
        Before,
        Here,
        Failed,
    }
    let stage = RwSignal::new(Stage::Before);
    let tries = RwSignal::new(0_u32);
    let held: Arc<Mutex<Option<AnyView>>> = Arc::default();
    let owner = Owner::current();
    let came = held.clone();
    let mut asked = None;
    effect(move || {
        let turn = tries.get();
        if !wanted.get() || asked.replace(turn) == Some(turn) {
            return;
        }
        let came = came.clone();
        let fetch = async move {
            let now = match (late.view)().await {
                Ok(view) => {
                    *came.lock().expect("nobody panics with it") = Some(view);
                    Stage::Here
                }
                Err(_) => Stage::Failed,
            };
            stage.try_set(now);
        };
        // The view belongs to the page, not to this run.
        if let Some(owner) = &owner {
            owner.with(|| spawn_local(ScopedFuture::new_untracked(fetch)));
        }
    });
    let shown = move || match stage.get() {
        Stage::Before => before(),
        Stage::Here => held.lock().expect("nobody panics with it").take().into_any(),
        Stage::Failed => view! {
            <p class="late-failed" role="alert">
                "This part did not load. "
                <button type="button" class="button" on:click=act(move |_| tries.update(|tries| *tries += 1))>
                    "Try again"
                </button>
            </p>
        }
        .into_any(),
    };
    view! { {shown} }.into_any()
}
