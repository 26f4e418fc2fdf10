//! A [`Problem`] on the page. A session that ended meanwhile leads to the sign-in and back.

use leptos::prelude::*;
use model::{Code, Problem};

use crate::{
    paths,
    ui::{ProblemNote, effect},
};

/// The problem in place; with `retry`, a button for another try.
#[component]
pub fn Trouble(problem: Problem, #[prop(optional)] retry: Option<Callback<()>>) -> impl IntoView {
    let lost = problem.code == Code::NoSession;
    effect(move || {
        if lost {
            sign_in_again();
        }
    });
    let detail = plain_detail(&problem);
    view! { <ProblemNote title=problem.title detail=detail retry=retry/> }.into_any()
}

/// The detail without the field's name before it: on the page it stands at the field.
pub fn plain_detail(problem: &Problem) -> String {
    let named = problem.field.as_deref().and_then(|field| problem.detail.strip_prefix(field)?.strip_prefix(": "));
    named.unwrap_or(&problem.detail).to_owned()
}

/// Goes to the sign-in, which leads back to this page. A whole load: nothing of the ended session stays in memory. For the browser only.
pub fn sign_in_again() {
    let location = window().location();
    let here = location.pathname().unwrap_or_default() + &location.search().unwrap_or_default();
    // It fails only for an address that cannot be parsed.
    let _ = location.assign(&paths::login(&here));
}
