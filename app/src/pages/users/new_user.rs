//! The form that adds an account.

use leptos::{html, prelude::*};
use model::Role;

use crate::{
    pages::{Attempt, account::failure},
    parts::RoleSelect,
    rpc,
    ui::Field,
};

const FIELDS: &[&str] = &["username", "password"];

/// `added` gets a sentence about what was done.
#[component]
pub fn NewUser(added: Callback<String>) -> impl IntoView {
    let attempt = Attempt::new();
    let form = NodeRef::<html::Form>::new();
    let [username, password] = [(); 2].map(|()| NodeRef::<html::Input>::new());
    let role = NodeRef::<html::Select>::new();
    let typed = |input: NodeRef<html::Input>| input.get_untracked().map(|input| input.value()).unwrap_or_default();
    let on_submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let chosen = role.get_untracked().and_then(|role| role.value().parse().ok()).unwrap_or(Role::Viewer);
        attempt.run(rpc::users::user_add(typed(username).trim().to_owned(), typed(password), chosen), move |user| {
            if let Some(form) = form.get_untracked() {
                form.reset();
            }
            added.run([&*user.username, " was added as ", user.role.as_str(), "."].concat());
        });
    };
    view! {
        <form class="form" data-wide="true" method="post" node_ref=form on:submit=on_submit>
            <Field
                id="new-user-name"
                name="username"
                label="User name"
                hint="Letters, digits and . _ - @."
                error=attempt.at_field("username")
                node_ref=username
            />
            <div class="field">
                <label for="new-user-role">"Role"</label>
                <RoleSelect id="new-user-role" role=Role::Developer node_ref=role/>
            </div>
            <Field
                id="new-user-password"
                name="password"
                label="Password"
                kind="password"
                autocomplete="new-password"
                hint="At least 12 characters."
                error=attempt.at_field("password")
                node_ref=password
            />
            {failure(attempt.elsewhere(FIELDS))}
            <button type="submit" class="button" data-kind="primary" disabled=move || attempt.is_busy.get()>"Add user"</button>
        </form>
    }
    .into_any()
}
