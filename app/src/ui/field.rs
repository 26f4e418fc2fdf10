//! A labelled input with its hint and its error. Uncontrolled: what was typed before the page came alive stays.

use leptos::{html, prelude::*};

use super::{act, effect};

/// `id` is unique on the page; `kind` is the input's type. A password gets a button that shows it, once the page is alive.
#[component]
pub fn Field(
    id: &'static str,
    name: &'static str,
    label: &'static str,
    #[prop(default = "text")] kind: &'static str,
    #[prop(default = "off")] autocomplete: &'static str,
    #[prop(optional)] hint: &'static str,
    #[prop(default = String::new())] value: String,
    #[prop(optional)] autofocus: bool,
    #[prop(optional)] may_be_empty: bool,
    #[prop(optional)] minlength: Option<u8>,
    #[prop(into, optional)] error: Signal<Option<String>>,
    #[prop(optional)] node_ref: NodeRef<html::Input>,
) -> impl IntoView {
    let is_secret = kind == "password";
    let alive = RwSignal::new(false);
    let shown = RwSignal::new(false);
    effect(move || alive.set(true));
    let hint_id = [id, "-hint"].concat();
    let error_id = [id, "-error"].concat();
    // A hint that is not there is an id that names nothing, which is allowed and read as nothing.
    let described = [&*hint_id, " ", &*error_id].concat();
    let toggle = is_secret.then(|| {
        view! {
            <button
                type="button"
                class="field-toggle"
                data-alive=move || alive.get().to_string()
                aria-pressed=move || shown.get().to_string()
                aria-controls=id
                on:click=act(move |_| shown.update(|shown| *shown = !*shown))
            >
                {move || if shown.get() { "Hide" } else { "Show" }}
            </button>
        }
    });
    view! {
        <div class="field" data-invalid=move || error.get().is_some().to_string()>
            <label for=id>{label}</label>
            <div class="field-box">
                <input
                    id=id
                    name=name
                    type=move || if shown.get() { "text" } else { kind }
                    autocomplete=autocomplete
                    autocapitalize="none"
                    spellcheck="false"
                    required=!may_be_empty
                    autofocus=autofocus
                    minlength=minlength.map(|length| length.to_string())
                    value=value
                    aria-describedby=described
                    aria-invalid=move || error.get().is_some().then_some("true")
                    node_ref=node_ref
                />
                {toggle}
            </div>
            {(!hint.is_empty()).then(|| view! { <p class="field-hint" id=hint_id>{hint}</p> })}
            <p class="field-error" id=error_id aria-live="polite">{move || error.get()}</p>
        </div>
    }
}
