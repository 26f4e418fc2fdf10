//! Sign-in, set-up and sign-out as plain HTML forms: they work before any WASM has loaded. Answers are redirects.

use std::borrow::Cow;

use axum::{
    Extension,
    extract::{Request, State},
    response::{IntoResponse, Redirect, Response},
};
use model::Code;
use ops::OpCtx;
use tower_sessions::Session;

use super::{
    AppState,
    identity::{Arrival, begin_session},
    problem::{Refusal, body_bytes},
};
use app::paths;

/// Fields of an `application/x-www-form-urlencoded` body.
struct Form(Vec<(String, String)>);

impl Form {
    async fn read(request: Request) -> Result<Self, Refusal> {
        let kind = request.headers().get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")) {
            return Err(Refusal::new(Code::UnsupportedMediaType, "Content-Type must be application/x-www-form-urlencoded"));
        }
        let bytes = body_bytes(request, &()).await?;
        Ok(Self(form_urlencoded::parse(&bytes).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()))
    }

    fn take(&self, name: &str) -> String {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }
}

/// A path on this console, or the overview: never another site.
pub fn local_path(next: &str) -> &str {
    let plain = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n', '\t', '\0']) && next.len() <= 2_048;
    let target = next.split(['?', '#']).next().unwrap_or_default();
    if plain && !matches!(target, paths::LOGIN | paths::SETUP | paths::LOGOUT) { next } else { paths::OVERVIEW }
}

pub async fn login(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    Extension(arrival): Extension<Arrival>,
    session: Session,
    request: Request,
) -> Result<Response, Refusal> {
    let headers = request.headers().clone();
    let form = Form::read(request).await?;
    let next = form.take("next");
    let again = |error: Cow<'static, str>| {
        let next = if local_path(&next) == paths::OVERVIEW { String::new() } else { format!("&next={}", paths::encode(&next)) };
        Redirect::to(&format!("{}?error={error}{next}", paths::LOGIN)).into_response()
    };
    match state.ops.accounts.sign_in(&cx, &form.take("username"), form.take("password")).await {
        Ok(user) => {
            begin_session(&session, &user.id, &arrival, &headers).await?;
            state.metrics.sign_in("success");
            Ok(Redirect::to(local_path(&next)).into_response())
        }
        Err(ops::Error::WrongCredentials) => {
            state.metrics.sign_in("refused");
            Ok(again(if state.ops.accounts.setup_pending() { "setup" } else { "wrong" }.into()))
        }
        Err(ops::Error::Throttled { retry_after_s }) => {
            state.metrics.sign_in("throttled");
            Ok(again(format!("throttled&retry={retry_after_s}").into()))
        }
        Err(error) => {
            tracing::error!(kind = "security", error = %super::problem::Chain(&error), "sign-in failed");
            Ok(again("unavailable".into()))
        }
    }
}

pub async fn setup(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    Extension(arrival): Extension<Arrival>,
    session: Session,
    request: Request,
) -> Result<Response, Refusal> {
    let headers = request.headers().clone();
    let form = Form::read(request).await?;
    let (token, username) = (form.take("token"), form.take("username"));
    let again = |query: &str| Redirect::to(&format!("{}?token={}&{query}", paths::SETUP, paths::encode(&token))).into_response();
    if form.take("password") != form.take("repeat") {
        return Ok(again("error=repeat"));
    }
    match state.ops.accounts.setup_finish(&cx, &token, &username, form.take("password")).await {
        Ok(user) => {
            begin_session(&session, &user.id, &arrival, &headers).await?;
            Ok(Redirect::to(paths::OVERVIEW).into_response())
        }
        Err(ops::Error::BadInput { field: "token", .. }) => Ok(Redirect::to(&format!("{}?error=dead", paths::SETUP)).into_response()),
        Err(ops::Error::BadInput { field, detail }) => {
            Ok(again(&format!("error=field&field={field}&detail={}&username={}", paths::encode(&detail), paths::encode(&username))))
        }
        Err(ops::Error::Throttled { retry_after_s }) => Ok(again(&format!("error=throttled&retry={retry_after_s}"))),
        Err(error) => Err(error.into()),
    }
}

pub async fn logout(State(state): State<AppState>, Extension(cx): Extension<OpCtx>, session: Session) -> Result<Response, Refusal> {
    sign_out(&state, &cx, &session).await?;
    Ok(Redirect::to(paths::LOGIN).into_response())
}

/// Ends the session in the store, its sockets, and the cookie.
pub async fn sign_out(state: &AppState, cx: &OpCtx, session: &Session) -> Result<(), Refusal> {
    state.ops.accounts.sign_out(cx).await?;
    session.flush().await.map_err(|error| Refusal::new(Code::Unavailable, format!("the session store does not answer: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_one_stays_on_this_console() {
        for (next, expect) in [
            ("/logs?service=web", "/logs?service=web"),
            ("/", "/"),
            ("", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/x\r\nSet-Cookie: a=b", "/"),
            ("/login?next=/login", "/"),
            ("javascript:alert(1)", "/"),
        ] {
            assert_eq!(local_path(next), expect, "{next}");
        }
    }
}
