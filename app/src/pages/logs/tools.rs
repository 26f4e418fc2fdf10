//! What can be done with a search beside reading its lines: keep it, see what repeats, see a table, export. Buttons and a context; what
//! they open comes late.

mod export;
mod patterns;
mod saved;
mod table;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use leptos::{
    html,
    prelude::*,
    reactive::{computed::ScopedFuture, owner::Owner},
    task::spawn_local,
};
use leptos_router::{NavigateOptions, hooks::use_navigate};
use model::LogAsk;

use super::outlets::{Outlets, Status};
use crate::{
    late,
    late::Late,
    parts::log_view::LogView,
    paths,
    ui::{act, effect},
};

const PANES: Late = late!(search, log_panes, view! { <Panes/> });
/// Not a view: it notes the present search as made.
const NOTE: Late = late!(search, log_note, saved::note());

/// A search that was not left for that long counts as made.
const RESTED: Duration = Duration::from_secs(2);

/// What stands in place of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    Lines,
    Patterns,
    Table,
}

/// What lies above the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sheet {
    Saved,
    Export,
}

/// For the views that come late.
#[derive(Clone, Copy)]
pub struct LogTools {
    pub ask: Memo<LogAsk>,
    /// What stands behind `/logs?`, without the line of a permalink; empty where all is shown.
    pub query: Memo<String>,
    pub pane: RwSignal<Pane>,
    pub sheet: RwSignal<Option<Sheet>>,
    /// To an address of ours.
    pub go: Callback<String>,
}

impl LogTools {
    /// Puts the tools into context, and notes searches that were made.
    pub fn provide(view: Memo<LogView>, out: Outlets) -> Self {
        let still = Memo::new(move |_| LogView { at: None, ..view.get() });
        let navigate = use_navigate();
        let tools = Self {
            ask: Memo::new(move |_| still.with(LogView::ask)),
            query: Memo::new(move |_| still.with(|view| view.url().split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default())),
            pane: RwSignal::new(Pane::Lines),
            sheet: RwSignal::new(None),
            go: Callback::new(move |address: String| navigate(&address, NavigateOptions { scroll: false, ..NavigateOptions::default() })),
        };
        provide_context(tools);
        let owner = Owner::current();
        effect(move || {
            let query = tools.query.get();
            if query.is_empty() || !still.with_untracked(LogView::is_filtered) {
                return;
            }
            let owner = owner.clone();
            let rested = move || {
                let was_made = !matches!(
                    out.status.try_get_untracked(),
                    None | Some(Status::Connecting | Status::Searching | Status::BadSearch | Status::Refused | Status::Failed(_))
                );
                if was_made && tools.query.try_get_untracked().as_ref() == Some(&query) {
                    within(owner.as_ref(), NOTE, |_| ());
                }
            };
            set_timeout(rested, RESTED);
        });
        tools
    }

    /// `query` with the range of the present address.
    pub fn address_of(self, query: &str) -> String {
        let range = self.query.with_untracked(|now| {
            let is_range = |pair: &&str| pair.starts_with("from=") || pair.starts_with("to=");
            now.split('&').filter(is_range).map(|pair| ["&", pair].concat()).collect::<String>()
        });
        [paths::LOGS, "?query=", &paths::encode(query), &range].concat()
    }
}

/// Fetches a late view and makes it within the page that asked, so that it goes with it.
fn within(owner: Option<&Owner>, late: Late, put: impl FnOnce(Option<AnyView>) + 'static) {
    let Some(owner) = owner else { return };
    let fetch = async move { put((late.view)().await.ok()) };
    owner.with(|| spawn_local(ScopedFuture::new_untracked(fetch)));
}

/// The buttons; on a narrow screen behind one.
#[component]
pub fn LogToolsBar(tools: LogTools) -> impl IntoView {
    let pane = move |name: &'static str, pane: Pane| {
        view! {
            <button
                type="button"
                class="toggle"
                aria-pressed=move || (tools.pane.get() == pane).to_string()
                on:pointerenter=move |_| PANES.expect()
                on:click=act(move |_| tools.pane.set(pane))
            >
                {name}
            </button>
        }
        .into_any()
    };
    let sheet = move |name: &'static str, sheet: Sheet| {
        view! {
            <button
                type="button"
                class="toggle"
                aria-haspopup="dialog"
                on:pointerenter=move |_| PANES.expect()
                on:click=act(move |_| tools.sheet.set(Some(sheet)))
            >
                {name}
            </button>
        }
        .into_any()
    };
    let folded = NodeRef::<html::Div>::new();
    let fold = move |_| {
        // It fails where it is no popover that is open: on a wide screen.
        if let Some(folded) = folded.get_untracked().filter(|folded| folded.matches(":popover-open").unwrap_or(false)) {
            let _ = folded.hide_popover();
        }
    };
    view! {
        <button type="button" class="button tools-open" popovertarget="log-tools">"More"</button>
        <div id="log-tools" class="log-tools" popover="auto" node_ref=folded on:click=act(fold)>
            <div class="log-panes" role="group" aria-label="Show as">
                {pane("Lines", Pane::Lines)} {pane("Patterns", Pane::Patterns)} {pane("Table", Pane::Table)}
            </div>
            {sheet("Saved", Sheet::Saved)} {sheet("Export", Sheet::Export)}
        </div>
    }
    .into_any()
}

/// Where what they open appears: above the lines.
#[component]
pub fn LogToolsPlace(tools: LogTools) -> impl IntoView {
    let held: Arc<Mutex<Option<AnyView>>> = Arc::default();
    let is_here = RwSignal::new(false);
    let asked = StoredValue::new(false);
    let owner = Owner::current();
    let came = held.clone();
    effect(move || {
        let is_wanted = tools.pane.get() != Pane::Lines || tools.sheet.get().is_some();
        if !is_wanted || asked.get_value() {
            return;
        }
        asked.set_value(true);
        let came = came.clone();
        within(owner.as_ref(), PANES, move |view| {
            if view.is_none() {
                // It is fetched anew at the next click.
                asked.try_set_value(false);
                tools.pane.try_set(Pane::Lines);
                tools.sheet.try_set(None);
                return;
            }
            *came.lock().expect("nobody panics with it") = view;
            is_here.try_set(true);
        });
    });
    let shown = move || is_here.get().then(|| held.lock().expect("nobody panics with it").take());
    view! { {move || shown()} }.into_any()
}

/// All that comes late.
#[component]
fn Panes() -> impl IntoView {
    let tools = expect_context::<LogTools>();
    let pane = move || match tools.pane.get() {
        Pane::Lines => ().into_any(),
        Pane::Patterns => view! { <patterns::PatternsPane tools=tools/> }.into_any(),
        Pane::Table => view! { <table::TablePane tools=tools/> }.into_any(),
    };
    view! {
        {move || pane()}
        <saved::SavedSheet tools=tools/>
        <export::ExportSheet tools=tools/>
    }
    .into_any()
}
