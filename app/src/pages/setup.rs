//! The first administrator's account, from the link on the console's terminal. A plain form.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use crate::{paths, shell::Insecure, ui::Field};

/// Reads `token`, `error` (`repeat`, `field` with `field=username|password`, `throttled`, `dead`, `done`) and `username` from the address.
/// The texts are ours: what an address says is never shown as the console's word.
#[component]
pub fn Setup() -> impl IntoView {
    let query = use_query_map().read_untracked().clone();
    let is_insecure = SharedValue::new(|| use_context::<Insecure>().is_some_and(|insecure| insecure.0)).into_inner();
    let token = query.get("token").unwrap_or_default();
    let error = query.get("error").unwrap_or_default();
    let field = query.get("field").unwrap_or_default();
    // A field's name is the key of what is wrong with it.
    let key = if error == "field" { field } else { error };
    let at = |name: &str| Signal::stored((key == name).then(|| error_text(&key).to_owned()));
    let is_dead = token.is_empty() || matches!(&*key, "dead" | "token");
    let elsewhere = (!matches!(&*key, "" | "username" | "password" | "repeat"))
        .then(|| view! { <p class="notice" data-kind="error" role="alert">{error_text(&key)}</p> });
    let warning = is_insecure.then(|| {
        view! {
            <p class="notice" data-kind="warning">
                "This page came over plain HTTP: others on the way can read your password. Use HTTPS, or a tunnel to this machine."
            </p>
        }
    });
    let body = if key == "done" {
        view! { <p>"The console has its administrator already. " <a href=paths::LOGIN rel="external">"Sign in"</a></p> }.into_any()
    } else if is_dead {
        view! {
            <p class="notice" data-kind="error" role="alert">
                "This set-up link does not work: it is used once, for one hour. Restart the console; it prints a new one, last of all, on its terminal."
            </p>
            <p>"If the account exists already: " <a href=paths::LOGIN rel="external">"Sign in"</a></p>
        }
        .into_any()
    } else {
        view! {
            {elsewhere}
            <p>"Create the first account. It may do everything, adding others included."</p>
            <form method="post" action=paths::SETUP class="form">
                <input type="hidden" name="token" value=token/>
                <Field
                    id="username"
                    name="username"
                    label="User name"
                    autocomplete="username"
                    autofocus=true
                    value=query.get("username").unwrap_or_default()
                    hint="Letters, digits and . _ - @, beginning with a letter or digit."
                    error=at("username")
                />
                <Field
                    id="password"
                    name="password"
                    label="Password"
                    kind="password"
                    autocomplete="new-password"
                    minlength=12
                    hint="At least 12 characters; a phrase of several words is best."
                    error=at("password")
                />
                <Field
                    id="repeat"
                    name="repeat"
                    label="Repeat password"
                    kind="password"
                    autocomplete="new-password"
                    minlength=12
                    error=at("repeat")
                />
                <button type="submit" class="button" data-kind="primary">"Create account"</button>
            </form>
        }
        .into_any()
    };
    view! {
        <Title text="Set up"/>
        <div class="gate">
            <h1>"Set up"</h1>
            <p class="gate-product">"DocAIche Console"</p>
            {warning}
            {body}
        </div>
    }
    .into_any()
}

fn error_text(error: &str) -> &'static str {
    match error {
        "username" => "Use 1 to 64 letters, digits or . _ - @, beginning with a letter or digit; “system” is reserved.",
        "password" => "Use at least 12 characters that are not easy to guess; a phrase of your own is best.",
        "repeat" => "The two passwords differ.",
        "throttled" => "Too many attempts. Try again in a while.",
        _ => "That did not work. Try again.",
    }
}
