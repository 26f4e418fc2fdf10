//! The route table, read from top to bottom.

use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::{
    SsrMode,
    components::{FlatRoutes, Route, Router},
    path,
};

use crate::{
    late,
    late::Late,
    pages::{Account, Frame, Login, Logs, NotFound, Overview, Setup, Storage, Users},
    paths,
    ui::Clock,
};

const OVERVIEW: Late = late!(pages, overview, view! { <Overview/> });
const ACCOUNT: Late = late!(pages, account, view! { <Account/> });
const STORAGE: Late = late!(pages, storage, view! { <Storage/> });
const USERS: Late = late!(pages, users, view! { <Users/> });

/// The pages whose code comes when it is needed, by path; a page with parameters by what stands before them.
const LATE: &[(&str, Late)] = &[(paths::OVERVIEW, OVERVIEW), (paths::STORAGE, STORAGE), (paths::ACCOUNT, ACCOUNT), (paths::USERS, USERS)];

/// What the page at `path` needs beside the main module.
pub fn late(path: &str) -> Option<Late> {
    let is_at = |at: &str| path.strip_prefix(at).is_some_and(|rest| rest.is_empty() || (at != "/" && rest.starts_with('/')));
    LATE.iter().find(|(at, _)| is_at(at)).map(|(_, late)| *late)
}

/// Fetches the code of the page that the browser shows: hydration cannot wait for it half-way. Says so on the page where that fails.
pub async fn fetch_page() -> bool {
    let path = window().location().pathname().unwrap_or_default();
    match late(&path) {
        Some(late) => late.fetch_or_say().await,
        None => true,
    }
}

/// The app, the same in server and browser. Every page is `Async`: a direct load answers with the whole page, its data included, so that
/// it is readable without the app, equals what navigation shows, and needs no inline scripts that move streamed pieces into place.
/// What a page waits for is in memory or the database; nothing slower may become a resource of a page.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    Clock::provide();
    view! {
        <Title formatter=title/>
        <Router>
            <Frame>
                <FlatRoutes fallback=|| view! { <NotFound/> }.into_any()>
                    <Route path=path!("/") view=OVERVIEW ssr=SsrMode::Async/>
                    <Route path=path!("/logs") view=|| view! { <Logs/> }.into_any() ssr=SsrMode::Async/>
                    <Route path=path!("/storage") view=STORAGE ssr=SsrMode::Async/>
                    <Route path=path!("/account") view=ACCOUNT ssr=SsrMode::Async/>
                    <Route path=path!("/users") view=USERS ssr=SsrMode::Async/>
                </FlatRoutes>
            </Frame>
        </Router>
    }
}

/// Sign-in and set-up, rendered by the server only: no script, so that they work before any WASM has loaded, and their views are not in it.
#[component]
pub fn Gate() -> impl IntoView {
    provide_meta_context();
    view! {
        <Title formatter=title/>
        <Router>
            <main id="main" class="page" data-bare="true" data-alive="true">
                <FlatRoutes fallback=|| ()>
                    <Route path=path!("/login") view=Login ssr=SsrMode::Async/>
                    <Route path=path!("/setup") view=Setup ssr=SsrMode::Async/>
                </FlatRoutes>
            </main>
        </Router>
    }
}

fn title(text: String) -> String {
    if text.is_empty() { "DocAIche".to_owned() } else { text + " · DocAIche" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_but_the_viewer_comes_late() {
        for path in paths::all() {
            assert_eq!(late(path).is_none(), path == paths::LOGS, "{path}");
        }
        assert_eq!(late("/users/ann").map(|late| late.module), Some("pages"));
        assert!(late("/nothing").is_none() && late("/usersx").is_none());
    }
}
