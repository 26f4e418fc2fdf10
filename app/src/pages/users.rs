//! Accounts, for administrators.

mod dialogs;
mod new_user;

use leptos::prelude::*;
use leptos_meta::Title;
use model::{Role, UserSummary};

use self::{
    dialogs::{DisableDialog, PasswordDialog, ScopeDialog},
    new_user::NewUser,
};
use super::{
    Attempt,
    account::{Sessions, failure},
};
use crate::{
    parts::{RoleSelect, Trouble},
    rpc::{self, Failure},
    ui::{Ago, Toasts, act},
};

/// What a row can ask for.
#[derive(Clone, Copy)]
struct Rows {
    role: Callback<(String, Role)>,
    enable: Callback<String>,
    /// The name that the dialog asks about; `None` while it is closed.
    disabling: RwSignal<Option<String>>,
    password: RwSignal<Option<String>>,
    /// The name, and what that person sees now.
    scope: RwSignal<Option<(String, String)>>,
}

#[component]
pub fn Users() -> impl IntoView {
    let toasts = expect_context::<Toasts>();
    let users = Resource::new(|| (), |()| rpc::users::users());
    let sessions = Resource::new(|| (), |()| rpc::me::sessions(true));
    let attempt = Attempt::new();
    let changed = Callback::new(move |text: String| {
        toasts.say(text);
        users.refetch();
        sessions.refetch();
    });
    let rows = Rows {
        role: Callback::new(move |(username, role): (String, Role)| {
            let said = [&*username, " is now ", role.as_str(), "."].concat();
            attempt.run(rpc::users::user_set_role(username, role), move |()| changed.run(said));
        }),
        enable: Callback::new(move |username: String| {
            let said = [&*username, " may sign in again."].concat();
            attempt.run(rpc::users::user_set_disabled(username, false), move |()| changed.run(said));
        }),
        disabling: RwSignal::new(None),
        password: RwSignal::new(None),
        scope: RwSignal::new(None),
    };
    let retry = Callback::new(move |()| users.refetch());
    view! {
        <Title text="Users"/>
        <div class="page-head">
            <h1>"Users"</h1>
        </div>
        {failure(attempt.elsewhere(&[]))}
        <Transition fallback=|| view! { <p class="loading">"Loading…"</p> }>
            {move || {
                users
                    .get()
                    .map(|users| match users {
                        Ok(users) => table(users, rows).into_any(),
                        Err(Failure(problem)) => view! { <Trouble problem=problem retry=retry/> }.into_any(),
                    })
            }}
        </Transition>
        <section class="card" aria-labelledby="new-user-title">
            <h2 id="new-user-title">"New user"</h2>
            <NewUser added=changed/>
        </section>
        <section class="card" aria-labelledby="all-sessions-title">
            <h2 id="all-sessions-title">"All sessions"</h2>
            <Sessions sessions=sessions whose=true/>
        </section>
        <DisableDialog username=rows.disabling done=changed/>
        <PasswordDialog username=rows.password done=changed/>
        <ScopeDialog user=rows.scope done=changed/>
    }
    .into_any()
}

fn table(users: Vec<UserSummary>, rows: Rows) -> impl IntoView {
    view! {
        <div class="table-box">
            <table class="table cards users-table">
                <thead>
                    <tr>
                        <th scope="col">"User name"</th>
                        <th scope="col">"Role"</th>
                        <th scope="col">"Sees"</th>
                        <th scope="col">"State"</th>
                        <th scope="col">"Created"</th>
                        <th scope="col">"Last sign-in"</th>
                        <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody>{users.into_iter().map(|user| row(user, rows)).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn row(user: UserSummary, rows: Rows) -> impl IntoView {
    let UserSummary { username, role, disabled, scope, created, last_sign_in } = user;
    let now = StoredValue::new(scope.clone().unwrap_or_default());
    let sees = match scope {
        Some(scope) => view! { <code>{scope}</code> }.into_any(),
        None => "everything".into_any(),
    };
    let last = last_sign_in.map(|at| view! { <Ago at_ms=at.millis() utc=at.to_string()/> });
    let never = last.is_none().then_some("never");
    let name = StoredValue::new(username.clone());
    let (state, word, action) = if disabled { ("disabled", "disabled", "Enable") } else { ("enabled", "enabled", "Disable") };
    view! {
        <tr data-state=state>
            <th scope="row">{username.clone()}</th>
            <td data-label="Role">
                <RoleSelect label=["Role of ", &*username].concat() role=role on_change=Callback::new(move |role| rows.role.run((name.get_value(), role)))/>
            </td>
            <td data-label="Sees">{sees}</td>
            <td data-label="State"><span class="badge" data-state=state>{word}</span></td>
            <td data-label="Created"><Ago at_ms=created.millis() utc=created.to_string()/></td>
            <td data-label="Last sign-in">{last}{never}</td>
            <td class="table-actions">
                <button
                    type="button"
                    class="button"
                    disabled=role == Role::Admin
                    title=(role == Role::Admin).then_some("An administrator sees everything.")
                    aria-label=["Set what ", &*username, " sees"].concat()
                    on:click=act(move |_| rows.scope.set(Some((name.get_value(), now.get_value()))))
                >
                    "Set scope"
                </button>
                <button
                    type="button"
                    class="button"
                    aria-label=["Set the password of ", &*username].concat()
                    on:click=act(move |_| rows.password.set(Some(name.get_value())))
                >
                    "Set password"
                </button>
                <button
                    type="button"
                    class="button"
                    aria-label=[action, " ", &*username].concat()
                    on:click=act(move |_| if disabled { rows.enable.run(name.get_value()) } else { rows.disabling.set(Some(name.get_value())) })
                >
                    {action}
                </button>
            </td>
        </tr>
    }
    .into_any()
}
