//! The palette of Ctrl-K: a text, and the pages and services it may mean.

use leptos::{html, prelude::*};

use crate::ui::{act, dialog::follow, effect, text};

/// A place to go to.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    pub name: String,
    /// What it is: `page`, `service`.
    pub kind: &'static str,
    pub href: String,
}

const SHOWN_MAX: usize = 12;

/// `go` gets the address of the chosen place; the palette has closed by then.
#[component]
pub fn CommandPalette(open: RwSignal<bool>, #[prop(into)] places: Signal<Vec<Place>>, go: Callback<String>) -> impl IntoView {
    let node = NodeRef::<html::Dialog>::new();
    let input = NodeRef::<html::Input>::new();
    let typed = RwSignal::new(String::new());
    let at = RwSignal::new(0usize);
    let found = Memo::new(move |_| matches(&typed.read(), &places.read()));
    follow(node, open);
    effect(move || {
        if open.get() {
            typed.set(String::new());
            at.set(0);
            if let Some(input) = input.get_untracked() {
                input.set_value("");
                let _ = input.focus();
            }
        }
    });
    let choose = move |index: usize| {
        if let Some(place) = found.with_untracked(|found| found.get(index).cloned()) {
            open.set(false);
            go.run(place.href);
        }
    };
    let on_key = move |event: web_sys::KeyboardEvent| {
        let last = found.with_untracked(|found| found.len().saturating_sub(1));
        match &*event.key() {
            "ArrowDown" => at.update(|at| *at = if *at >= last { 0 } else { *at + 1 }),
            "ArrowUp" => at.update(|at| *at = if *at == 0 { last } else { (*at - 1).min(last) }),
            "Enter" => choose(at.get_untracked()),
            _ => return,
        }
        event.prevent_default();
    };
    let option = move |(index, place): (usize, Place)| {
        view! {
            <li
                id=option_id(index)
                class="palette-place"
                role="option"
                aria-selected=move || (at.get() == index).to_string()
                on:click=act(move |_| choose(index))
                on:pointermove=move |_| at.set(index)
            >
                <span>{place.name}</span>
                <span class="palette-kind">{place.kind}</span>
            </li>
        }
    };
    view! {
        <dialog
            class="dialog command-palette"
            node_ref=node
            aria-label="Command palette"
            on:close=move |_| open.set(false)
            on:click=act(move |event| {
                if node.get_untracked().is_some_and(|dialog| event.target().as_ref() == Some(dialog.as_ref())) {
                    open.set(false);
                }
            })
        >
            <div class="palette-body">
                <input
                    class="palette-input"
                    type="text"
                    role="combobox"
                    aria-label="Go to a page or service"
                    placeholder="Go to a page or service"
                    aria-expanded="true"
                    aria-autocomplete="list"
                    aria-controls="palette-places"
                    aria-activedescendant=move || (!found.read().is_empty()).then(|| option_id(at.get()))
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                    node_ref=input
                    on:input=move |event| {
                        typed.set(event_target_value(&event));
                        at.set(0);
                    }
                    on:keydown=on_key
                />
                <ul id="palette-places" class="palette-places" role="listbox" aria-label="Pages and services">
                    {move || found.get().into_iter().enumerate().map(option).collect_view()}
                </ul>
                <p class="palette-nothing" role="status">{move || found.read().is_empty().then_some("Nothing by that name")}</p>
            </div>
        </dialog>
    }
    .into_any()
}

fn option_id(index: usize) -> String {
    "palette-place-".to_owned() + &index.to_string()
}

fn matches(typed: &str, places: &[Place]) -> Vec<Place> {
    let mut found: Vec<(usize, &Place)> = places.iter().filter_map(|place| Some((text::fuzzy(typed, &place.name)?, place))).collect();
    if !typed.is_empty() {
        found.sort_by_key(|(cost, _)| *cost);
    }
    found.into_iter().take(SHOWN_MAX).map(|(_, place)| place.clone()).collect()
}
