//! The two questions about a user: really disable, and which password.

use leptos::{html, prelude::*};

use crate::{
    pages::{Attempt, account::failure},
    rpc,
    ui::{Dialog, Field, act, effect},
};

/// Whether a dialog about `username` is open; closing it forgets the name and what went wrong.
fn opened(username: RwSignal<Option<String>>, attempt: Attempt) -> RwSignal<bool> {
    let open = RwSignal::new(false);
    effect(move || open.set(username.read().is_some()));
    let mut was_open = false;
    effect(move || {
        let open = open.get();
        if std::mem::replace(&mut was_open, open) && !open {
            username.set(None);
            attempt.problem.set(None);
        }
    });
    open
}

/// `done` gets a sentence about what was done.
#[component]
pub fn DisableDialog(username: RwSignal<Option<String>>, done: Callback<String>) -> impl IntoView {
    let attempt = Attempt::new();
    let open = opened(username, attempt);
    let name = move || username.get().unwrap_or_default();
    let disable = move |_| {
        let Some(name) = username.get_untracked() else { return };
        let said = [&*name, " is disabled; their sessions have ended."].concat();
        attempt.run(rpc::users::user_set_disabled(name, true), move |()| {
            open.set(false);
            done.run(said);
        });
    };
    view! {
        <Dialog open=open id="disable-user" title=Signal::derive(move || ["Disable ", &*name(), "?"].concat())>
            <p>"All of their sessions and live views end at once, and they cannot sign in until you enable them again."</p>
            {failure(attempt.elsewhere(&[]))}
            <div class="dialog-actions">
                <button type="button" class="button" on:click=act(move |_| open.set(false))>"Cancel"</button>
                <button type="button" class="button" data-kind="danger" disabled=move || attempt.is_busy.get() on:click=act(disable)>"Disable"</button>
            </div>
        </Dialog>
    }
    .into_any()
}

/// `done` gets a sentence about what was done.
#[component]
pub fn PasswordDialog(username: RwSignal<Option<String>>, done: Callback<String>) -> impl IntoView {
    let attempt = Attempt::new();
    let open = opened(username, attempt);
    let name = move || username.get().unwrap_or_default();
    let input = NodeRef::<html::Input>::new();
    let on_submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let (Some(name), Some(input)) = (username.get_untracked(), input.get_untracked()) else { return };
        let said = ["The password of ", &*name, " is set; their sessions have ended."].concat();
        attempt.run(rpc::users::user_set_password(name, input.value()), move |()| {
            open.set(false);
            done.run(said);
        });
    };
    // What was typed for one person must not wait there for the next.
    effect(move || {
        if let (true, Some(input)) = (open.get(), input.get_untracked()) {
            input.set_value("");
        }
    });
    view! {
        <Dialog open=open id="set-password" title=Signal::derive(move || ["Set the password of ", &*name()].concat())>
            <form class="form" method="post" on:submit=on_submit>
                <p>"All of their sessions end. Tell them the new password yourself; they can change it under Account."</p>
                <Field
                    id="set-password-new"
                    name="password"
                    label="New password"
                    kind="password"
                    autocomplete="new-password"
                    hint="At least 12 characters."
                    error=attempt.at_field("password")
                    node_ref=input
                />
                {failure(attempt.elsewhere(&["password"]))}
                <div class="dialog-actions">
                    <button type="button" class="button" on:click=act(move |_| open.set(false))>"Cancel"</button>
                    <button type="submit" class="button" data-kind="primary" disabled=move || attempt.is_busy.get()>"Set password"</button>
                </div>
            </form>
        </Dialog>
    }
    .into_any()
}

/// `user`: the name, and what that person sees now. `done` gets a sentence about what was done.
#[component]
pub fn ScopeDialog(user: RwSignal<Option<(String, String)>>, done: Callback<String>) -> impl IntoView {
    let attempt = Attempt::new();
    let username = RwSignal::new(None);
    let open = opened(username, attempt);
    let input = NodeRef::<html::Input>::new();
    effect(move || {
        let Some((name, scope)) = user.get() else { return };
        if let Some(input) = input.get_untracked() {
            input.set_value(&scope);
        }
        username.set(Some(name));
    });
    let on_submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let (Some(name), Some(input)) = (username.get_untracked(), input.get_untracked()) else { return };
        let scope = input.value();
        let sees = if scope.trim().is_empty() { "everything" } else { scope.trim() };
        let said = [&*name, " sees ", sees, " now."].concat();
        attempt.run(rpc::users::user_set_scope(name, scope), move |()| {
            open.set(false);
            done.run(said);
        });
    };
    view! {
        <Dialog open=open id="set-scope" title=Signal::derive(move || ["What ", &*username.get().unwrap_or_default(), " sees"].concat())>
            <form class="form" method="post" on:submit=on_submit>
                <p>"What lies outside does not exist for them: services, lines, live views, exports, their tokens."</p>
                <Field
                    id="set-scope-selector"
                    name="scope"
                    label="Selector"
                    may_be_empty=true
                    hint="Such as {compose_project=\"shop\"}, over service, compose_project, host, container_name and the configured [scope] labels. Empty is everything."
                    error=attempt.at_field("scope")
                    node_ref=input
                />
                {failure(attempt.elsewhere(&["scope"]))}
                <div class="dialog-actions">
                    <button type="button" class="button" on:click=act(move |_| open.set(false))>"Cancel"</button>
                    <button type="submit" class="button" data-kind="primary" disabled=move || attempt.is_busy.get()>"Set scope"</button>
                </div>
            </form>
        </Dialog>
    }
    .into_any()
}
