//! One's own account: who one is, the password, the sessions.

use leptos::{html, prelude::*};
use leptos_meta::Title;

use super::{Attempt, Who};
use crate::{
    parts::{SessionTable, Trouble},
    rpc::{self, Failure},
    ui::{Field, Toasts},
};

#[component]
pub fn Account() -> impl IntoView {
    let who = expect_context::<Who>();
    let sessions = Resource::new(|| (), |()| rpc::me::sessions(false));
    let person = move || {
        who.0.get().map(|me| match me {
            Ok(me) => view! {
                <p>"Signed in as " <strong>{me.username}</strong> ", role " <span class="badge">{me.role.as_str()}</span></p>
            }
            .into_any(),
            Err(Failure(problem)) => view! { <Trouble problem=problem/> }.into_any(),
        })
    };
    view! {
        <Title text="Account"/>
        <div class="page-head">
            <h1>"Account"</h1>
        </div>
        <section class="card account-person" aria-label="Who you are">
            <Transition fallback=|| view! { <p class="loading">"Loading…"</p> }>{move || person()}</Transition>
        </section>
        <section class="card" aria-labelledby="password-title">
            <h2 id="password-title">"Password"</h2>
            <PasswordForm changed=Callback::new(move |()| sessions.refetch())/>
        </section>
        <section class="card" aria-labelledby="sessions-title">
            <h2 id="sessions-title">"My sessions"</h2>
            <Sessions sessions=sessions whose=false/>
        </section>
    }
    .into_any()
}

const FIELDS: &[&str] = &["current", "password", "repeat"];

#[component]
fn PasswordForm(changed: Callback<()>) -> impl IntoView {
    let toasts = expect_context::<Toasts>();
    let attempt = Attempt::new();
    let differ = RwSignal::new(None::<String>);
    let form = NodeRef::<html::Form>::new();
    let [current, password, repeat] = [(); 3].map(|()| NodeRef::<html::Input>::new());
    let typed = |input: NodeRef<html::Input>| input.get_untracked().map(|input| input.value()).unwrap_or_default();
    let on_submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let same = typed(password) == typed(repeat);
        differ.set((!same).then(|| "The two passwords differ.".to_owned()));
        if !same {
            return;
        }
        attempt.run(rpc::me::password_change(typed(current), typed(password)), move |()| {
            if let Some(form) = form.get_untracked() {
                form.reset();
            }
            toasts.say("Password changed. Your other sessions have ended.");
            changed.run(());
        });
    };
    view! {
        <form class="form" method="post" node_ref=form on:submit=on_submit>
            <Field
                id="current-password"
                name="current"
                label="Current password"
                kind="password"
                autocomplete="current-password"
                error=attempt.at_field("current")
                node_ref=current
            />
            <Field
                id="new-password"
                name="password"
                label="New password"
                kind="password"
                autocomplete="new-password"
                hint="At least 12 characters; a phrase of several words is best."
                error=attempt.at_field("password")
                node_ref=password
            />
            <Field id="repeat-password" name="repeat" label="Repeat password" kind="password" autocomplete="new-password" error=differ node_ref=repeat/>
            {failure(attempt.elsewhere(FIELDS))}
            <button type="submit" class="button" data-kind="primary" disabled=move || attempt.is_busy.get()>"Change password"</button>
        </form>
    }
    .into_any()
}

/// A problem that belongs to no field.
pub(super) fn failure(problem: Signal<Option<model::Problem>>) -> impl IntoView {
    view! { {move || problem.get().map(|problem| view! { <Trouble problem=problem/> }.into_any())} }.into_any()
}

/// Sessions with their buttons, on this page and the one of users.
#[component]
pub(super) fn Sessions(sessions: Resource<Result<Vec<model::SessionSummary>, Failure>>, whose: bool) -> impl IntoView {
    let toasts = expect_context::<Toasts>();
    let attempt = Attempt::new();
    let end = Callback::new(move |id: String| {
        attempt.run(rpc::me::session_end(id), move |()| {
            toasts.say("Session ended.");
            sessions.refetch();
        });
    });
    let retry = Callback::new(move |()| sessions.refetch());
    view! {
        {failure(attempt.elsewhere(&[]))}
        <Transition fallback=|| view! { <p class="loading">"Loading…"</p> }>
            {move || {
                sessions
                    .get()
                    .map(|sessions| match sessions {
                        Ok(sessions) => view! { <SessionTable sessions=sessions whose=whose end=end/> }.into_any(),
                        Err(Failure(problem)) => view! { <Trouble problem=problem retry=retry/> }.into_any(),
                    })
            }}
        </Transition>
    }
    .into_any()
}
