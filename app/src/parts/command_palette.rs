//! The palette of Ctrl-K: a text, and the pages and services it may mean.

use leptos::{html, prelude::*};

use crate::ui::{act, dialog::follow, effect, text};

/// A place to go to.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    pub name: String,
    /// What it is: `page`, `service`, `search`.
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
    // All that match: the first of them are shown.
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
        let last = found.with_untracked(|found| found.len().min(SHOWN_MAX).saturating_sub(1));
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
                    {move || found.get().into_iter().take(SHOWN_MAX).enumerate().map(option).collect_view()}
                </ul>
                <p class="palette-note" role="status">{move || note(found.read().len())}</p>
            </div>
        </dialog>
    }
    .into_any()
}

/// What is to be said of so many matches, where the list does not say it.
fn note(found: usize) -> Option<String> {
    let more = found.saturating_sub(SHOWN_MAX);
    if found == 0 {
        Some("Nothing by that name".to_owned())
    } else {
        (more > 0).then(|| text::grouped(more as u64) + " more: type on to find them")
    }
}

fn option_id(index: usize) -> String {
    "palette-place-".to_owned() + &index.to_string()
}

fn matches(typed: &str, places: &[Place]) -> Vec<Place> {
    let mut found: Vec<(usize, &Place)> = places.iter().filter_map(|place| Some((text::fuzzy(typed, &place.name)?, place))).collect();
    if !typed.is_empty() {
        found.sort_by_key(|(cost, _)| *cost);
    }
    found.into_iter().map(|(_, place)| place.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_list_leaves_out_is_told() {
        for (found, expect) in [(0, Some("Nothing by that name")), (1, None), (12, None), (13, Some("1 more: type on to find them"))] {
            assert_eq!(note(found).as_deref(), expect);
        }
    }

    #[test]
    fn the_best_match_is_first_and_none_is_dropped() {
        let place = |name: String| Place { href: name.clone(), name, kind: "service" };
        let places: Vec<Place> = (0..30).map(|number| place(format!("shop/web-{number}"))).chain([place("web".to_owned())]).collect();
        let found = matches("web", &places);
        assert_eq!((found.len(), &*found[0].name), (31, "web"));
        assert!(matches("", &places) == places);
    }
}
