//! Sessions, one's own or everybody's, each with a button that ends it.

use leptos::prelude::*;
use model::SessionSummary;

use crate::ui::{Ago, act};

/// `whose` adds the column of names. `end` gets the id of the session to end.
#[component]
pub fn SessionTable(sessions: Vec<SessionSummary>, whose: bool, end: Callback<String>) -> impl IntoView {
    view! {
        <div class="table-box">
            <table class="table cards">
                <thead>
                    <tr>
                        {whose.then(|| view! { <th scope="col">"User"</th> })}
                        <th scope="col">"Browser"</th>
                        <th scope="col">"Address"</th>
                        <th scope="col">"Signed in"</th>
                        <th scope="col">"Last seen"</th>
                        <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody>{sessions.into_iter().map(|session| row(session, whose, end)).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn row(session: SessionSummary, whose: bool, end: Callback<String>) -> impl IntoView {
    let SessionSummary { id, username, created, last_seen, address, user_agent, current, .. } = session;
    let label = ["End the session of ", &*username, " from ", &*address].concat();
    let action = if current {
        view! { <span class="badge">"this one"</span> }.into_any()
    } else {
        view! {
            <button type="button" class="button" aria-label=label on:click=act(move |_| end.run(id.clone()))>
                "End"
            </button>
        }
        .into_any()
    };
    view! {
        <tr data-current=current.to_string()>
            {whose.then(|| view! { <th scope="row">{username}</th> })}
            <td data-label="Browser" title=user_agent.clone()>{browser(&user_agent)}</td>
            <td data-label="Address">{address}</td>
            <td data-label="Signed in"><Ago at_ms=created.millis() utc=created.to_string()/></td>
            <td data-label="Last seen"><Ago at_ms=last_seen.millis() utc=last_seen.to_string()/></td>
            <td class="table-actions">{action}</td>
        </tr>
    }
    .into_any()
}

/// The browser and the system a `User-Agent` names, as far as it can be told: `Firefox on Linux`. The whole text is in the title.
fn browser(user_agent: &str) -> String {
    const BROWSERS: [(&str, &str); 6] =
        [("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"), ("curl/", "curl")];
    const SYSTEMS: [(&str, &str); 6] =
        [("Android", "Android"), ("iPhone", "iOS"), ("iPad", "iPadOS"), ("Windows", "Windows"), ("Mac OS X", "macOS"), ("Linux", "Linux")];
    let find = |table: &[(&str, &'static str); 6]| table.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name);
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => [browser, " on ", system].concat(),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) if user_agent.is_empty() => "unknown".to_owned(),
        (None, None) => user_agent.chars().take(40).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::browser;

    #[test]
    fn a_browser_is_told_by_its_own_mark() {
        for (user_agent, expect) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
                "Safari on macOS",
            ),
            ("curl/8.5.0", "curl"),
            ("", "unknown"),
            ("something else", "something else"),
        ] {
            assert_eq!(browser(user_agent), expect);
        }
    }
}
