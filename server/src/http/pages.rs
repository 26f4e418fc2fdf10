//! Pages and server functions of `app`, static assets, and the headers every answer carries.

use std::sync::{Arc, LazyLock};

use app::{
    App, AssetNames, Gate,
    shell::{Insecure, Theme},
};
use axum::{
    Extension, Router,
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use leptos::prelude::*;
use leptos_axum::{AxumRouteListing, LeptosRoutes, ResponseOptions, generate_route_list_with_exclusions, handle_server_fns_with_context};
use model::Code;

use super::{AppState, identity::Arrival, problem::Refusal};

fn names(state: &AppState) -> AssetNames {
    let names = state.assets.names();
    let or = |name: Option<String>, fallback: &str| name.unwrap_or_else(|| fallback.to_owned());
    AssetNames {
        js: or(names.as_ref().map(|names| names.js.to_string()), "/pkg/docaiche.js"),
        wasm: or(names.as_ref().map(|names| names.wasm.to_string()), "/pkg/docaiche.wasm"),
        css: or(names.as_ref().map(|names| names.css.to_string()), "/pkg/docaiche.css"),
        late: Arc::new(names.map(|names| names.late).unwrap_or_default()),
    }
}

/// What views and server functions find in their context, and the page's policy with its nonce.
fn context(state: &AppState) -> impl Fn() + Clone + Send + Sync + 'static {
    let ops = state.ops.clone();
    move || {
        provide_context::<Arc<ops::Ops>>(ops.clone());
        if let Some(parts) = use_context::<http::request::Parts>() {
            let arrival = parts.extensions.get::<Arrival>();
            let cookies = parts.headers.get(header::COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            provide_context(Theme::from_cookies(cookies));
            provide_context(Insecure(arrival.is_some_and(|arrival| !arrival.https && !arrival.address.is_loopback())));
            if parts.uri.path() == app::paths::SETUP {
                let query = parts.uri.query().unwrap_or_default();
                let token = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "token").map(|(_, token)| token.into_owned());
                app::ssr::leave_dead_setup(&token.unwrap_or_default());
            }
        }
        if let (Some(options), Some(nonce)) = (use_context::<ResponseOptions>(), leptos::nonce::use_nonce())
            && let Ok(value) = HeaderValue::from_str(&policy(&format!("'nonce-{nonce}' 'wasm-unsafe-eval'")))
        {
            options.insert_header(header::CONTENT_SECURITY_POLICY, value);
        }
    }
}

/// The content security policy. Sockets are named by scheme-less `'self'`, which covers ws and wss of this origin.
fn policy(scripts: &str) -> String {
    format!(
        "default-src 'none'; script-src {scripts}; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
         manifest-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
    )
}

pub fn routes(router: Router<AppState>, state: &AppState) -> Router<AppState> {
    let names = names(state);
    let (gate, pages) = LISTED.clone();
    let router = router.leptos_routes_with_context(state, gate, context(state), {
        let names = names.clone();
        move || app::gate_shell(names.clone())
    });
    router.leptos_routes_with_context(state, pages, context(state), move || app::shell(names.clone()))
}

/// The paths of the gate and of the pages, listed once a process: while Leptos lists, no resource anywhere in the process
/// loads, and one that is first asked just then never does (<https://github.com/leptos-rs/leptos/issues/4773>). One console
/// lists before it listens; a second one in the same process, as in tests, would leave pages of the first waiting for ever.
static LISTED: LazyLock<(Vec<AxumRouteListing>, Vec<AxumRouteListing>)> = LazyLock::new(|| {
    // Server functions have one door of ours, `/rpc/{*name}`: as routes of their own they would not be in the list of doors.
    let functions = || Some(leptos::server_fn::axum::server_fn_paths().map(|(path, _)| path.to_owned()).collect());
    (generate_route_list_with_exclusions(Gate, functions()), generate_route_list_with_exclusions(App, functions()))
});

pub async fn rpc(State(state): State<AppState>, request: Request) -> Response {
    let known =
        leptos::server_fn::axum::server_fn_paths().any(|(path, method)| path == request.uri().path() && method == *request.method());
    if !known {
        return Refusal::new(Code::NotFound, "there is no such server function").into_response();
    }
    handle_server_fns_with_context(context(&state), request).await.into_response()
}

/// Assets; a problem for programs; the "not found" page for people.
pub async fn fallback(
    State(state): State<AppState>,
    method: Method,
    uri: http::Uri,
    headers: HeaderMap,
    Extension(cx): Extension<ops::OpCtx>,
    request: Request,
) -> Response {
    if let Some(asset) = state.assets.get(&method, uri.path(), &headers) {
        return asset;
    }
    let accepts_html = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains("text/html"));
    let is_program = ["/api/", "/ws/", "/rpc/"].iter().any(|prefix| uri.path().starts_with(prefix));
    if is_program || !accepts_html || !matches!(method, Method::GET | Method::HEAD) || matches!(cx.actor, ops::Actor::Anonymous) {
        return Refusal::new(Code::NotFound, "there is nothing at this path").into_response();
    }
    let names = names(&state);
    let handler = leptos_axum::render_app_async_with_context(context(&state), move || app::shell(names.clone()));
    let mut response = handler(request).await.into_response();
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// What every answer carries, whoever made it.
pub async fn headers(request: Request<Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (http::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (http::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (http::HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY)
        && let Ok(value) = HeaderValue::from_str(&policy("'none'"))
    {
        headers.insert(header::CONTENT_SECURITY_POLICY, value);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
