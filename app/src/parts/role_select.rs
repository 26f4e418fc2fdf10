//! Choosing a role.

use leptos::{html, prelude::*};
use model::Role;

/// The four roles, lowest first.
#[component]
pub fn RoleSelect(
    /// The accessible name, where no `<label>` names `id`.
    #[prop(optional, into)]
    label: Option<String>,
    #[prop(optional)] id: Option<&'static str>,
    role: Role,
    #[prop(optional)] node_ref: NodeRef<html::Select>,
    #[prop(optional)] on_change: Option<Callback<Role>>,
) -> impl IntoView {
    let option = move |one: Role| view! { <option value=one.as_str() selected=one == role>{one.as_str()}</option> };
    view! {
        <select
            class="select"
            id=id
            name="role"
            aria-label=label
            node_ref=node_ref
            prop:value=role.as_str()
            on:change=move |event| {
                if let (Some(on_change), Ok(chosen)) = (on_change, event_target_value(&event).parse()) {
                    // It shows what is so until the change is agreed to; `prop:value` follows then.
                    event_target::<web_sys::HtmlSelectElement>(&event).set_value(role.as_str());
                    on_change.run(chosen);
                }
            }
        >
            {Role::ALL.into_iter().map(option).collect_view()}
        </select>
    }
}
