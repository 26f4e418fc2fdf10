//! What went wrong, in place, with another try where that makes sense.

use leptos::prelude::*;

use super::act;

#[component]
pub fn ProblemNote(title: String, detail: String, #[prop(optional_no_strip)] retry: Option<Callback<()>>) -> impl IntoView {
    let retry = retry.map(|retry| {
        view! {
            <button type="button" class="button" on:click=act(move |_| retry.run(()))>
                "Try again"
            </button>
        }
    });
    let detail = (!detail.is_empty() && detail != title).then(|| view! { <p>{detail}</p> });
    view! {
        <div class="problem" role="alert">
            <p class="problem-title">{title}</p>
            {detail}
            {retry}
        </div>
    }
    .into_any()
}
