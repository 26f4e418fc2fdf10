//! What repeats in the present search and range, and what is new in it.

use leptos::{prelude::*, task::spawn_local};
use model::patterns::{LogPattern, LogPatterns};

use super::{LogTools, Pane};
use crate::{
    parts::{LevelBadge, Trouble},
    rpc::{Failure, patterns::log_patterns},
    ui::{act, effect, text},
};

#[component]
pub fn PatternsPane(tools: LogTools) -> impl IntoView {
    let found = RwSignal::new(None::<Result<LogPatterns, Failure>>);
    let new_only = RwSignal::new(false);
    let turn = StoredValue::new(0_u32);
    let ask = Callback::new(move |()| {
        turn.update_value(|turn| *turn += 1);
        let mine = turn.get_value();
        let asked = tools.ask.get_untracked();
        spawn_local(async move {
            let answer = log_patterns(asked).await;
            // Another search may have been asked meanwhile, or the page left.
            if turn.try_get_value() == Some(mine) {
                found.set(Some(answer));
            }
        });
    });
    effect(move || {
        tools.ask.track();
        found.set(None);
        ask.run(());
    });
    let body = move || match found.get() {
        None => view! { <p class="loading">"Looking for what repeats…"</p> }.into_any(),
        Some(Err(Failure(problem))) => view! { <Trouble problem=problem retry=ask/> }.into_any(),
        Some(Ok(found)) if found.patterns.is_empty() => {
            view! { <p class="loading">"There are no lines in the range, the last hour where none is chosen."</p> }.into_any()
        }
        Some(Ok(found)) => table(found, tools, new_only).into_any(),
    };
    view! {
        <section class="log-pane" aria-labelledby="patterns-title">
            <header class="pane-head">
                <h2 id="patterns-title">"Patterns"</h2>
                <p class="summary">{move || found.with(|found| found.as_ref().and_then(|found| found.as_ref().ok()).map(|found| summary(found, tools)))}</p>
                <label class="check">
                    <input type="checkbox" prop:checked=new_only on:change=move |event| new_only.set(event_target_checked(&event))/>
                    "New only"
                </label>
                <button type="button" class="button" on:click=act(move |_| ask.run(()))>"Refresh"</button>
            </header>
            {move || body()}
        </section>
    }
    .into_any()
}

fn summary(found: &LogPatterns, tools: LogTools) -> String {
    let new = found.patterns.iter().filter(|one| one.is_new == Some(true)).count() as u64;
    let hour = if tools.ask.with(|ask| ask.start_time.is_none()) { " of the last hour" } else { "" };
    let lines = text::counted(found.lines, "line", "lines") + hour;
    let of = if found.is_whole { [" in ", &*lines].concat() } else { [" in the newest ", &*lines].concat() };
    let compared = found.patterns.iter().any(|one| one.is_new.is_some());
    let new = if compared { [", ", &*text::grouped(new), " new"].concat() } else { ", too little before to tell what is new".to_owned() };
    [&*text::counted(found.patterns.len() as u64, "pattern", "patterns"), &of, &new].concat()
}

fn table(found: LogPatterns, tools: LogTools, new_only: RwSignal<bool>) -> impl IntoView {
    let all = found.lines.max(1);
    let rows: Vec<_> = found
        .patterns
        .into_iter()
        .map(|pattern| {
            let is_new = pattern.is_new == Some(true);
            (is_new, row(pattern, all, tools, new_only))
        })
        .collect();
    let none_new = !rows.iter().any(|(is_new, _)| *is_new);
    let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
    view! {
        <div class="table-box pane-body">
            <table class="table patterns-table">
                <thead>
                    <tr>
                        <th scope="col" data-col="number">"Lines"</th>
                        <th scope="col" data-col="number">"Share"</th>
                        <th scope="col" data-col="spark">"Over time"</th>
                        <th scope="col">"Level"</th>
                        <th scope="col">"Pattern"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
            <p class="loading" hidden=move || !(none_new && new_only.get())>"Nothing is new in this range."</p>
        </div>
    }
    .into_any()
}

fn row(pattern: LogPattern, all: u64, tools: LogTools, new_only: RwSignal<bool>) -> impl IntoView {
    let LogPattern { pattern, level, lines, steps, is_new, query } = pattern;
    let is_new = is_new == Some(true);
    let shown = pieces(&pattern);
    let name = match query {
        Some(query) => {
            let show = move |_| {
                tools.pane.set(Pane::Lines);
                tools.go.run(tools.address_of(&query));
            };
            view! { <button type="button" class="pattern-open" title="Show its lines" on:click=act(show)>{shown}</button> }.into_any()
        }
        None => view! { <span class="pattern-open">{shown}</span> }.into_any(),
    };
    view! {
        <tr hidden=move || new_only.get() && !is_new data-new=is_new.to_string()>
            <td data-col="number">{text::grouped(lines)}</td>
            <td data-col="number">{share(lines, all)}</td>
            <td data-col="spark">{spark(&steps)}</td>
            <td data-col="level"><LevelBadge level=level/></td>
            <td data-col="pattern">
                {is_new.then(|| view! { <span class="badge" data-kind="new">"new"</span> })}
                {name}
            </td>
        </tr>
    }
    .into_any()
}

/// In whole percent; what would be nothing is `<1 %`.
fn share(lines: u64, all: u64) -> String {
    match lines.saturating_mul(100) / all {
        0 => "<1 %".to_owned(),
        percent => percent.min(100).to_string() + " %",
    }
}

/// The places where lines differ, apart from their text.
fn pieces(pattern: &str) -> Vec<AnyView> {
    let mut shown = Vec::new();
    for (index, piece) in pattern.split("<_>").enumerate() {
        if index > 0 {
            shown.push(view! { <span class="pattern-wild">"…"</span> }.into_any());
        }
        shown.push(piece.to_owned().into_any());
    }
    shown
}

/// Lines over time as bars, the highest of them 20 units high.
fn spark(steps: &[u64]) -> impl IntoView {
    let highest = steps.iter().copied().max().unwrap_or(0).max(1);
    let mut path = String::new();
    for (index, count) in steps.iter().enumerate().filter(|(_, count)| **count > 0) {
        // What is there is seen.
        let height = (count.saturating_mul(20) / highest).max(1);
        for part in ["M", &*(index * 2).to_string(), " 20h1.5v-", &*height.to_string(), "h-1.5z"] {
            path.push_str(part);
        }
    }
    let frame = ["0 0 ", &*(steps.len().max(1) * 2).to_string(), " 20"].concat();
    view! {
        <svg class="spark" viewBox=frame preserveAspectRatio="none" aria-hidden="true">
            <path d=path></path>
        </svg>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_told_as_nothing() {
        for (lines, all, expect) in [(1, 1_000, "<1 %"), (10, 1_000, "1 %"), (999, 1_000, "99 %"), (5, 5, "100 %")] {
            assert_eq!(share(lines, all), expect);
        }
    }
}
