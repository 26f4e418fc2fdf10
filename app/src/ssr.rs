//! The one place where a server function or a page touches the server: the service and the caller's context.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header, request::Parts};
use leptos::prelude::*;
use leptos_axum::ResponseOptions;
use model::Problem;
use ops::{OpCtx, Ops};

use crate::rpc::Failure;

/// The service and who asks.
///
/// # Panics
/// Where the server's wiring gave no service, or the identity middleware did not run: a defect that every test meets.
pub fn ops() -> (Arc<Ops>, OpCtx) {
    let ops = use_context::<Arc<Ops>>().expect("wiring provides the service");
    let parts = use_context::<Parts>().expect("leptos_axum provides the request");
    let cx = parts.extensions.get::<OpCtx>().expect("the identity middleware ran").clone();
    (ops, cx)
}

/// What the caller is told, with its status on the answer of a server function. A page keeps 200: it shows the problem.
pub fn fail(error: &ops::Error) -> Failure {
    let problem = error.problem();
    set_status(&problem);
    Failure(problem)
}

fn set_status(problem: &Problem) {
    let is_rpc = use_context::<Parts>().is_some_and(|parts| parts.uri.path().starts_with("/rpc/"));
    if let (true, Some(options)) = (is_rpc, use_context::<ResponseOptions>()) {
        options.set_status(StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        if let Some(seconds) = problem.retry_after {
            options.insert_header(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
    }
}

/// Leads away from a set-up link that does not work any more, before anybody fills in its form.
pub fn leave_dead_setup(token: &str) {
    let (ops, cx) = ops();
    if !token.is_empty() && !ops.accounts.setup_valid(token, cx.now) {
        leptos_axum::redirect("/setup?error=dead");
    }
}

/// Sets a page's own status, for "not found".
pub fn page_status(status: u16) {
    if let (Some(options), Ok(status)) = (use_context::<ResponseOptions>(), StatusCode::from_u16(status)) {
        options.set_status(status);
    }
}
