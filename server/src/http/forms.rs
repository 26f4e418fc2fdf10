//! Sign-in, set-up and sign-out as plain HTML forms: they work before any WASM has loaded. Answers are redirects.

use axum::{
    extract::{FromRequest, Request, State},
    response::{IntoResponse, Redirect, Response},
};
use model::Code;

use super::{
    AppState,
    problem::{Refusal, body_bytes},
    visit::Visit,
};
use app::paths;

/// Fields of an `application/x-www-form-urlencoded` body.
pub struct Form(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let kind = request.headers().get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")) {
            return Err(Refusal::new(Code::UnsupportedMediaType, "Content-Type must be application/x-www-form-urlencoded"));
        }
        let bytes = body_bytes(request, state).await?;
        Ok(Self(form_urlencoded::parse(&bytes).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()))
    }
}

impl Form {
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

pub async fn login(State(state): State<AppState>, visit: Visit, form: Form) -> Response {
    let next = form.take("next");
    let error = match visit.sign_in(&state, &form.take("username"), form.take("password")).await {
        Ok(()) => return Redirect::to(local_path(&next)).into_response(),
        Err(ops::Error::WrongCredentials) if state.ops.accounts.setup_pending() => "setup".to_owned(),
        Err(ops::Error::WrongCredentials) => "wrong".to_owned(),
        Err(ops::Error::Throttled { retry_after_s }) => format!("throttled&retry={retry_after_s}"),
        Err(error) => {
            tracing::error!(kind = "security", error = %ops::Chain(&error), "sign-in failed");
            "unavailable".to_owned()
        }
    };
    let next = if local_path(&next) == paths::OVERVIEW { String::new() } else { format!("&next={}", paths::encode(&next)) };
    Redirect::to(&format!("{}?error={error}{next}", paths::LOGIN)).into_response()
}

pub async fn setup(State(state): State<AppState>, visit: Visit, form: Form) -> Result<Response, Refusal> {
    let (token, username) = (form.take("token"), form.take("username"));
    let again = |query: &str| Redirect::to(&format!("{}?token={}&{query}", paths::SETUP, paths::encode(&token))).into_response();
    if form.take("password") != form.take("repeat") {
        return Ok(again("error=repeat"));
    }
    match visit.set_up(&state, &token, &username, form.take("password")).await {
        Ok(()) => Ok(Redirect::to(paths::OVERVIEW).into_response()),
        Err(ops::Error::BadInput { field: "token", .. }) => Ok(Redirect::to(&format!("{}?error=dead", paths::SETUP)).into_response()),
        Err(ops::Error::BadInput { field, detail }) => {
            Ok(again(&format!("error=field&field={field}&detail={}&username={}", paths::encode(&detail), paths::encode(&username))))
        }
        Err(ops::Error::Throttled { retry_after_s }) => Ok(again(&format!("error=throttled&retry={retry_after_s}"))),
        Err(error) => Err(error.into()),
    }
}

pub async fn logout(State(state): State<AppState>, visit: Visit) -> Result<Response, Refusal> {
    visit.sign_out(&state).await?;
    Ok(Redirect::to(paths::LOGIN).into_response())
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
