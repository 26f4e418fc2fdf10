//! Searches that the person keeps, and the last ones made.

use leptos::{prelude::*, task::spawn_local};
use model::searches::{RecentSearch, SavedSearch, Searches};

use super::{LogTools, Sheet};
use crate::{
    pages::Attempt,
    parts::{Trouble, trouble::plain_detail},
    paths,
    rpc::{self, Failure, searches::searches},
    ui::{Ago, Dialog, act, effect},
};

/// Recent ones shown.
const SHOWN: usize = 30;

/// Notes the present search as made.
pub fn note() {
    let tools = expect_context::<LogTools>();
    let query = tools.query.get_untracked();
    spawn_local(async move {
        // The list of searches lacks one at worst.
        drop(rpc::searches::search_made(query).await);
    });
}

#[component]
pub fn SavedSheet(tools: LogTools) -> impl IntoView {
    let open = RwSignal::new(false);
    let found = RwSignal::new(None::<Result<Searches, Failure>>);
    let refresh = Callback::new(move |()| {
        spawn_local(async move {
            let answer = searches().await;
            found.try_set(Some(answer));
        });
    });
    effect(move || {
        let is_open = tools.sheet.get() == Some(Sheet::Saved);
        open.set(is_open);
        if is_open {
            refresh.run(());
        }
    });
    let mut was_open = false;
    effect(move || {
        let is_open = open.get();
        if std::mem::replace(&mut was_open, is_open) && !is_open && tools.sheet.get_untracked() == Some(Sheet::Saved) {
            tools.sheet.set(None);
        }
    });
    let go = Callback::new(move |query: String| {
        tools.sheet.set(None);
        tools.go.run([paths::LOGS, "?", &query].concat());
    });
    let body = move || match found.get() {
        None => view! { <p class="loading">"Loading…"</p> }.into_any(),
        Some(Err(Failure(problem))) => view! { <Trouble problem=problem retry=refresh/> }.into_any(),
        Some(Ok(Searches { saved, recent })) => view! {
            {saved_list(saved, go, refresh)}
            {recent_list(recent, go)}
        }
        .into_any(),
    };
    view! {
        <Dialog open=open id="saved-searches" title="Saved searches">
            <SaveForm tools=tools saved=refresh/>
            {move || body()}
        </Dialog>
    }
    .into_any()
}

/// Keeps the present search under a name.
#[component]
fn SaveForm(tools: LogTools, saved: Callback<()>) -> impl IntoView {
    let name = RwSignal::new(String::new());
    let attempt = Attempt::new();
    let save = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let save = rpc::searches::search_save(name.get_untracked(), tools.query.get_untracked());
        attempt.run(save, move |_| {
            name.set(String::new());
            saved.run(());
        });
    };
    let failure = move || attempt.problem.get().map(|problem| plain_detail(&problem));
    let form = move || {
        if tools.query.with(String::is_empty) {
            return view! { <p class="picker-note">"All lines are shown. Search or filter, and the search can be kept here under a name."</p> }.into_any();
        }
        view! {
            <form class="save-search" on:submit=save>
                <label for="search-name">"Keep the present search as"</label>
                <div class="save-row">
                    <input
                        id="search-name"
                        class="input"
                        type="text"
                        required=true
                        maxlength="100"
                        autocomplete="off"
                        aria-describedby="search-name-error"
                        prop:value=name
                        on:input=move |event| name.set(event_target_value(&event))
                    />
                    <button type="submit" class="button" data-kind="primary">"Save"</button>
                </div>
                <p id="search-name-error" class="field-error" aria-live="polite">{move || failure()}</p>
            </form>
        }
        .into_any()
    };
    view! { {move || form()} }.into_any()
}

fn saved_list(saved: Vec<SavedSearch>, go: Callback<String>, refresh: Callback<()>) -> impl IntoView {
    let row = move |search: SavedSearch| {
        let SavedSearch { id, name, query, .. } = search;
        let (opened, deleted) = (id.clone(), id);
        let label = ["Delete ", &*name].concat();
        let said = in_words(&query);
        let open = move |_| {
            let id = opened.clone();
            // The order of the list is by name: when it was used last is told elsewhere, and may be missed.
            spawn_local(async move { drop(rpc::searches::search_used(id).await) });
            go.run(query.clone());
        };
        let delete = move |_| {
            let id = deleted.clone();
            spawn_local(async move {
                // What is gone already is gone.
                drop(rpc::searches::search_delete(id).await);
                refresh.run(());
            });
        };
        view! {
            <li class="search-row">
                <button type="button" class="search-open" on:click=act(open)>
                    <strong>{name}</strong>
                    <span class="search-words">{said}</span>
                </button>
                <button type="button" class="button" data-kind="plain" aria-label=label on:click=act(delete)>"×"</button>
            </li>
        }
        .into_any()
    };
    let empty = saved.is_empty().then(|| view! { <p class="picker-note">"None yet."</p> }.into_any());
    view! {
        <section class="search-list" aria-labelledby="saved-title">
            <h3 id="saved-title">"Saved"</h3>
            {empty}
            <ul>{saved.into_iter().map(row).collect_view()}</ul>
        </section>
    }
    .into_any()
}

fn recent_list(recent: Vec<RecentSearch>, go: Callback<String>) -> impl IntoView {
    if recent.is_empty() {
        return ().into_any();
    }
    let row = move |RecentSearch { query, at }: RecentSearch| {
        let said = in_words(&query);
        view! {
            <li class="search-row">
                <button type="button" class="search-open" on:click=act(move |_| go.run(query.clone()))>
                    <span class="search-words">{said}</span>
                    <Ago at_ms=at.millis() utc=at.to_string()/>
                </button>
            </li>
        }
        .into_any()
    };
    view! {
        <section class="search-list" aria-labelledby="recent-title">
            <h3 id="recent-title">"Recent"</h3>
            <ul>{recent.into_iter().take(SHOWN).map(row).collect_view()}</ul>
        </section>
    }
    .into_any()
}

/// An address's query as a person reads it: `web · error · "timeout"`.
fn in_words(query: &str) -> String {
    let mut words = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value);
        words.push(match name {
            "query" | "service" | "level" | "field" => value,
            "search" => ["\"", &*value, "\""].concat(),
            "regex" => "as a regular expression".to_owned(),
            "invert" => "not".to_owned(),
            "highlight" => "marked".to_owned(),
            "from" => ["from ", &*value].concat(),
            "to" => ["to ", &*value].concat(),
            _ => [name, " ", &*value].concat(),
        });
    }
    words.join(" · ")
}

/// Percent-decoded; what is no UTF-8 is replaced.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let coded = match tail {
            [high, low, ..] if *first == b'%' => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                digit(high).zip(digit(low)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok())
            }
            _ => None,
        };
        bytes.push(coded.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if coded.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_in_words() {
        for (query, expect) in [
            ("service=shop%2Fweb&level=error&search=two%20words", "shop/web · error · \"two words\""),
            ("query=%7Ba%3D%22b%22%7D&from=-1h", "{a=\"b\"} · from -1h"),
            ("search=%zz%C3", "\"%zz\u{fffd}\""),
        ] {
            assert_eq!(in_words(query), expect);
        }
    }
}
