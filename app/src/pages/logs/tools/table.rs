//! The lines of the present search as a table, with the fields a person chooses as columns. Only the rows in view are in the document.

use std::{collections::HashMap, sync::Arc};

use leptos::{html, prelude::*, task::spawn_local};
use model::{Entry, LogAsk, LogPage};

use super::{LogTools, Pane};
use crate::{
    parts::{LevelBadge, Trouble, log_time::LogClock, log_view::LogStyle},
    paths,
    rpc::{Failure, logs::log_search},
    ui::{act, effect, text},
};

/// Lines asked for at once; more come when the end is near.
const PAGE: usize = 500;
/// Lines held.
const HELD: usize = 50_000;
/// A row, in pixels; the style says the same.
const ROW: usize = 32;
/// Rows drawn beyond each edge.
const SPARE: usize = 10;
/// Fields that can be chosen: the most frequent.
const FIELDS: usize = 60;
/// Where the chosen columns are kept in the browser, a field a line.
const COLUMNS_KEY: &str = "docaiche_log_columns";

/// What was loaded.
#[derive(Clone, Copy)]
struct Loaded {
    rows: RwSignal<Arc<Vec<Entry>>>,
    cursor: RwSignal<Option<String>>,
    is_busy: RwSignal<bool>,
    problem: RwSignal<Option<Failure>>,
    /// Which search it is of: answers to earlier ones are dropped.
    turn: StoredValue<u32>,
}

impl Loaded {
    fn more(self, ask: LogAsk) {
        if self.is_busy.get_untracked() {
            return;
        }
        self.is_busy.set(true);
        let mine = self.turn.get_value();
        let asked = LogAsk { limit: Some(PAGE), cursor: self.cursor.get_untracked(), ..ask };
        spawn_local(async move {
            let answer = log_search(asked).await;
            if self.turn.try_get_value() != Some(mine) {
                return;
            }
            self.is_busy.set(false);
            match answer {
                Ok(LogPage { logs, next_cursor, .. }) => {
                    self.problem.set(None);
                    self.rows.update(|rows| Arc::make_mut(rows).extend(logs));
                    let is_full = self.rows.with_untracked(|rows| rows.len() >= HELD);
                    self.cursor.set(next_cursor.filter(|_| !is_full));
                }
                Err(failure) => self.problem.set(Some(failure)),
            }
        });
    }

    fn anew(self, ask: LogAsk) {
        self.turn.update_value(|turn| *turn += 1);
        self.rows.set(Arc::default());
        self.cursor.set(None);
        self.is_busy.set(false);
        self.more(ask);
    }
}

#[component]
pub fn TablePane(tools: LogTools) -> impl IntoView {
    let loaded = Loaded {
        rows: RwSignal::new(Arc::default()),
        cursor: RwSignal::new(None),
        is_busy: RwSignal::new(false),
        problem: RwSignal::new(None),
        turn: StoredValue::new(0),
    };
    let refresh = Callback::new(move |()| loaded.anew(tools.ask.get_untracked()));
    effect(move || {
        tools.ask.track();
        refresh.run(());
    });
    let columns = RwSignal::new(kept_columns());
    // Their order does not depend on what is chosen: a box stays where it was when it is ticked.
    let names = Memo::new(move |_| {
        let mut names = fields_of(&loaded.rows.read());
        columns.with_untracked(|columns| names.extend(columns.iter().filter(|one| !names.contains(one)).cloned().collect::<Vec<_>>()));
        names
    });
    let says = move || {
        let count = text::counted(loaded.rows.with(|rows| rows.len()) as u64, "line", "lines");
        let more = if loaded.is_busy.get() {
            ", loading…"
        } else if loaded.cursor.with(Option::is_some) {
            ", more below"
        } else {
            ""
        };
        count + more
    };
    view! {
        <section class="log-pane" aria-labelledby="table-title">
            <header class="pane-head">
                <h2 id="table-title">"Table"</h2>
                <p class="summary" role="status">{move || says()}</p>
                <button type="button" class="button" popovertarget="table-columns">"Columns"</button>
                <div id="table-columns" class="column-list" popover="auto">{move || column_list(names.get(), columns)}</div>
                <button type="button" class="button" on:click=act(move |_| refresh.run(()))>"Refresh"</button>
            </header>
            {move || loaded.problem.get().map(|Failure(problem)| view! { <Trouble problem=problem retry=refresh/> })}
            <Rows tools=tools loaded=loaded columns=columns/>
        </section>
    }
    .into_any()
}

/// Names of fields, the most frequent first.
fn fields_of(rows: &[Entry]) -> Vec<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for (name, _) in rows.iter().flat_map(|entry| &entry.fields.0) {
        *counts.entry(name).or_default() += 1;
    }
    let mut fields: Vec<(&str, usize)> = counts.into_iter().collect();
    fields.sort_by(|(a, many), (b, more)| more.cmp(many).then_with(|| a.cmp(b)));
    fields.into_iter().take(FIELDS).map(|(name, _)| name.to_owned()).collect()
}

fn kept_columns() -> Vec<String> {
    let storage = window().local_storage().ok().flatten();
    let kept = storage.and_then(|storage| storage.get_item(COLUMNS_KEY).ok().flatten()).unwrap_or_default();
    kept.lines().take(FIELDS).map(str::to_owned).collect()
}

fn column_list(names: Vec<String>, columns: RwSignal<Vec<String>>) -> AnyView {
    if names.is_empty() {
        return view! { <p class="picker-note">"These lines have no fields: JSON and logfmt lines have."</p> }.into_any();
    }
    let choice = move |name: String| {
        let (shown, known) = (name.clone(), name.clone());
        let is_on = move || columns.with(|columns| columns.contains(&known));
        let flip = move |_| {
            columns.update(|columns| match columns.iter().position(|one| *one == name) {
                Some(place) => drop(columns.remove(place)),
                None => columns.push(name.clone()),
            });
            // A full or forbidden storage keeps nothing: the choice then lasts as long as the page.
            let storage = window().local_storage().ok().flatten();
            let _ = storage.map(|storage| storage.set_item(COLUMNS_KEY, &columns.with_untracked(|columns| columns.join("\n"))));
        };
        view! {
            <label class="check">
                <input type="checkbox" prop:checked=is_on on:change=flip/>
                {shown}
            </label>
        }
        .into_any()
    };
    names.into_iter().map(choice).collect_view().into_any()
}

#[component]
fn Rows(tools: LogTools, loaded: Loaded, columns: RwSignal<Vec<String>>) -> impl IntoView {
    let list = NodeRef::<html::Div>::new();
    // The first row in view and how many there is room for.
    let window = RwSignal::new((0_usize, 40_usize));
    let measure = move || {
        if let Some(list) = list.get_untracked() {
            let first = usize::try_from(list.scroll_top()).unwrap_or(0) / ROW;
            let room = usize::try_from(list.client_height()).unwrap_or(0) / ROW + 2;
            if window.get_untracked() != (first, room) {
                window.set((first, room));
            }
            if loaded.cursor.with_untracked(Option::is_some) && first + room + PAGE / 4 > loaded.rows.with_untracked(|rows| rows.len()) {
                loaded.more(tools.ask.get_untracked());
            }
        }
    };
    effect(move || {
        loaded.rows.track();
        list.track();
        measure();
    });
    let clock = StoredValue::new_local(LogClock::new(&LogStyle::default()));
    let open = move |id: String| {
        tools.pane.set(Pane::Lines);
        let query = tools.query.get_untracked();
        let sign = if query.is_empty() { "" } else { "&" };
        tools.go.run([paths::LOGS, "?", &query, sign, "at=", &id].concat());
    };
    let cells = move |entry: &Entry, columns: &[String]| {
        let shown = clock.with_value(|clock| clock.show(entry.timestamp));
        let time = [&*shown.date, " ", &*shown.time, &*shown.fraction].concat();
        let id = entry.id.to_string();
        let field = |name: &String| {
            let value = entry.fields.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone()).unwrap_or_default();
            let title = value.clone();
            view! { <td title=title>{value}</td> }.into_any()
        };
        let message = plain(message(entry));
        let title = message.clone();
        view! {
            <tr>
                <td><button type="button" class="table-time" title="Show it among its lines" on:click=act(move |_| open(id.clone()))>{time}</button></td>
                <td>{entry.service.clone()}</td>
                <td><LevelBadge level=entry.level/></td>
                {columns.iter().map(field).collect_view()}
                <td data-col="message" title=title>{message}</td>
            </tr>
        }
        .into_any()
    };
    let drawn = Memo::new(move |_| {
        let (first, room) = window.get();
        let count = loaded.rows.with(|rows| rows.len());
        (first.saturating_sub(SPARE).min(count), (first + room + SPARE).min(count))
    });
    let body = move || {
        let (first, last) = drawn.get();
        let columns = columns.read();
        loaded.rows.with(|rows| rows[first.min(rows.len())..last.min(rows.len())].iter().map(|entry| cells(entry, &columns)).collect_view())
    };
    let space = move |rows: usize| (rows * ROW).to_string() + "px";
    let below = move || loaded.rows.with(|rows| rows.len()).saturating_sub(drawn.get().1);
    let is_empty = move || loaded.rows.with(|rows| rows.is_empty()) && !loaded.is_busy.get() && loaded.problem.with(Option::is_none);
    view! {
        <div class="table-box pane-body rows-box" tabindex="0" aria-label="Lines as a table" role="region" node_ref=list on:scroll=move |_| measure()>
            <table class="table lines-table">
                <thead>
                    <tr>
                        <th scope="col">"Time"</th>
                        <th scope="col">"Service"</th>
                        <th scope="col">"Level"</th>
                        {move || columns.get().into_iter().map(|name| view! { <th scope="col">{name}</th> }).collect_view()}
                        <th scope="col">"Message"</th>
                    </tr>
                </thead>
                <tbody aria-hidden="true">
                    <tr class="rows-space" style:height=move || space(drawn.get().0)></tr>
                </tbody>
                <tbody>{move || body()}</tbody>
                <tbody aria-hidden="true">
                    <tr class="rows-space" style:height=move || space(below())></tr>
                </tbody>
            </table>
            <p class="loading" hidden=move || !is_empty()>"Nothing matches."</p>
        </div>
    }
    .into_any()
}

/// What a structured line says; other lines whole.
fn message(entry: &Entry) -> &str {
    let said = entry.fields.0.iter().find(|(name, _)| matches!(&**name, "message" | "msg"));
    said.map_or(&*entry.message, |(_, said)| said)
}

/// Without terminal colours, and on one line.
fn plain(message: &str) -> String {
    let text = loglines::ansi::strip(message);
    if text.contains(['\n', '\t']) { text.replace(['\n', '\t'], " ") } else { text.into_owned() }
}
