//! Signing in: a plain form, so that it works before and without the app.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use crate::{paths, shell::Insecure, ui::Field};

/// Reads `next`, `error` (`wrong`, `throttled`, `closed`, `setup`, `unavailable`) and `retry` (seconds) from the address.
#[component]
pub fn Login() -> impl IntoView {
    let query = use_query_map().read_untracked().clone();
    let is_insecure = SharedValue::new(|| use_context::<Insecure>().is_some_and(|insecure| insecure.0)).into_inner();
    let next = query.get("next").unwrap_or_else(|| paths::OVERVIEW.to_owned());
    let error = query.get("error").map(|error| {
        let text = error_text(&error, query.get("retry").as_deref());
        view! { <p class="notice" data-kind="error" role="alert">{text}</p> }
    });
    let warning = is_insecure.then(|| {
        view! {
            <p class="notice" data-kind="warning">
                "This page came over plain HTTP: others on the way can read your password. Use HTTPS, or a tunnel to this machine."
            </p>
        }
    });
    view! {
        <Title text="Sign in"/>
        <div class="gate">
            <h1>"Sign in"</h1>
            <p class="gate-product">"DocAIche Console"</p>
            {error}
            {warning}
            <form method="post" action=paths::LOGIN class="form">
                <input type="hidden" name="next" value=next/>
                <Field id="username" name="username" label="User name" autocomplete="username" autofocus=true/>
                <Field id="password" name="password" label="Password" kind="password" autocomplete="current-password"/>
                <button type="submit" class="button" data-kind="primary">"Sign in"</button>
            </form>
        </div>
    }
    .into_any()
}

fn error_text(error: &str, retry: Option<&str>) -> String {
    let seconds = retry.and_then(|seconds| seconds.parse::<u64>().ok());
    match (error, seconds) {
        ("wrong", _) => "Wrong user name or password.".to_owned(),
        ("throttled", Some(seconds)) => ["Too many attempts. Try again in ", &*crate::ui::text::span(seconds), "."].concat(),
        ("throttled", None) => "Too many attempts. Try again in a while.".to_owned(),
        ("closed", _) => "Your session has ended. Sign in again.".to_owned(),
        ("setup", _) => {
            "There is no account yet. Open the set-up link that the console printed on its terminal; a restart prints a new one.".to_owned()
        }
        ("unavailable", _) => "The console cannot sign anybody in now: its database does not answer. Try again in a while.".to_owned(),
        _ => "Signing in did not work. Try again.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::error_text;

    #[test]
    fn each_refusal_says_what_to_do() {
        for (error, retry, expect) in [
            ("wrong", None, "Wrong user name"),
            ("throttled", Some("75"), "in 1 min 15 s."),
            ("throttled", Some("soon"), "in a while"),
            ("setup", None, "set-up link"),
            ("<script>", None, "did not work"),
        ] {
            assert!(error_text(error, retry).contains(expect), "{error}");
        }
    }
}
