//! The route table, read from top to bottom.

use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::{
    SsrMode,
    components::{FlatRoutes, Route, Router},
    path,
};

use crate::{
    pages::{Account, Frame, Login, Logs, NotFound, Overview, Setup, Users},
    ui::Clock,
};

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
                    <Route path=path!("/") view=|| view! { <Overview/> }.into_any() ssr=SsrMode::Async/>
                    <Route path=path!("/logs") view=|| view! { <Logs/> }.into_any() ssr=SsrMode::Async/>
                    <Route path=path!("/account") view=|| view! { <Account/> }.into_any() ssr=SsrMode::Async/>
                    <Route path=path!("/users") view=|| view! { <Users/> }.into_any() ssr=SsrMode::Async/>
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
