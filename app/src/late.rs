//! Code that the browser fetches when it is needed: a view in a WASM module of its own, so that no page carries another's weight.
//! The server has all of it and renders every page whole; a development build is one module.

use std::{future::Future, pin::Pin};

use leptos::{prelude::*, task::spawn_local, wasm_split::SplitLoaderError};
use leptos_router::{ChooseView, hooks::use_url};

use crate::ui::ProblemNote;

/// A view that comes late. Made by [`late!`](crate::late!), as a constant.
#[derive(Clone, Copy)]
pub struct Late {
    /// The name of the module it is in.
    pub module: &'static str,
    pub fetch: fn() -> Coming<()>,
    /// Fetches as well where need be. It is fetched at most once; after a failure the next call tries again.
    pub view: fn() -> Coming<AnyView>,
}

/// What is here as soon as its module is.
pub type Coming<T> = Pin<Box<dyn Future<Output = Result<T, SplitLoaderError>>>>;

/// `late!(people, users, view! { <Users/> })`: a [`Late`] in the module `people`. Views that are used together, or share much, belong into
/// one module. Only what is reachable from late views alone leaves the main module; what several late modules share becomes a module that
/// each of them brings along.
#[macro_export]
macro_rules! late {
    ($module:ident, $name:ident, $view:expr) => {{
        #[cfg(all(target_family = "wasm", not(debug_assertions)))]
        const LATE: $crate::late::Late = {
            #[::leptos::wasm_split::wasm_split($module, wasm_split_path = ::leptos::wasm_split, fallible, preload(fetch))]
            fn $name() -> Result<::leptos::prelude::AnyView, ::leptos::wasm_split::SplitLoaderError> {
                Ok(::leptos::prelude::IntoAny::into_any($view))
            }
            $crate::late::Late { module: stringify!($module), fetch: || Box::pin(fetch()), view: || Box::pin($name()) }
        };
        #[cfg(not(all(target_family = "wasm", not(debug_assertions))))]
        const LATE: $crate::late::Late = $crate::late::Late {
            module: stringify!($module),
            fetch: || Box::pin(::std::future::ready(Ok(()))),
            view: || Box::pin(::std::future::ready(Ok(::leptos::prelude::IntoAny::into_any($view)))),
        };
        LATE
    }};
}

impl Late {
    /// Begins to fetch what will be wanted soon.
    pub fn expect(self) {
        // A failure shows when the view is wanted; that tries again.
        spawn_local(async move { drop((self.fetch)().await) });
    }

    /// Fetches before hydration. Where that fails, says so on the page, which stays as the server rendered it.
    pub async fn fetch_or_say(self) -> bool {
        let is_here = (self.fetch)().await.is_ok();
        if !is_here && let Some(main) = document().get_element_by_id("main") {
            let _ = main.insert_adjacent_html("afterbegin", UNFINISHED);
        }
        is_here
    }
}

const UNFINISHED: &str = "<div class=\"problem\" role=\"alert\"><p class=\"problem-title\">This page did not load completely</p>\
                          <a class=\"button\" href=\"\">Try again</a></div>";

impl ChooseView for Late {
    /// The page before stays until this one is here.
    async fn choose(self) -> AnyView {
        let url = use_url();
        match (self.view)().await {
            Ok(view) => view,
            Err(_) => missing(&url.get_untracked()).await,
        }
    }

    async fn preload(&self) {
        let _ = (self.fetch)().await;
    }
}

/// The module cannot be had. Most likely the server is a newer one and has other files: load the page anew, from the server. Without a
/// network that would leave the app for the browser's own error page; say it instead.
async fn missing(url: &leptos_router::location::Url) -> AnyView {
    let search = if url.search().is_empty() { String::new() } else { ["?", url.search()].concat() };
    let address = [url.path(), &*search].concat();
    let load = move || {
        let _ = window().location().assign(&address);
    };
    if window().navigator().on_line() {
        load();
        // The document is on its way out.
        std::future::pending::<()>().await;
    }
    let retry = Callback::new(move |()| load());
    view! {
        <ProblemNote title="This page did not load".to_owned() detail="There is no network connection.".to_owned() retry=Some(retry)/>
    }
    .into_any()
}
