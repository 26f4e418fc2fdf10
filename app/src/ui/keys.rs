//! The sheet of keys that `?` opens. Whoever listens to keys adds a group while it is on the page.

use leptos::prelude::*;

use super::Dialog;

/// Keys that belong together, each with what it does: `("n / N", "Next or previous match")`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyGroup {
    pub title: &'static str,
    pub keys: &'static [(&'static str, &'static str)],
}

/// In context for every page.
#[derive(Clone, Copy)]
pub struct KeyHelp {
    groups: RwSignal<Vec<KeyGroup>>,
    pub open: RwSignal<bool>,
}

impl KeyHelp {
    pub fn provide() -> Self {
        let help = Self { groups: RwSignal::new(Vec::new()), open: RwSignal::new(false) };
        provide_context(help);
        help
    }

    /// Shows `group` for as long as the calling component lives. Call it in an `Effect`, so that server and browser render alike.
    pub fn add(self, group: KeyGroup) {
        self.groups.update(|groups| groups.push(group));
        on_cleanup(move || {
            self.groups.try_update(|groups| groups.retain(|one| *one != group));
        });
    }
}

#[component]
pub fn KeySheet(help: KeyHelp) -> impl IntoView {
    let group = |group: KeyGroup| {
        let row = |(keys, does): &(&'static str, &'static str)| view! { <div><dt><kbd>{*keys}</kbd></dt><dd>{*does}</dd></div> };
        view! {
            <section class="keys">
                <h3>{group.title}</h3>
                <dl>{group.keys.iter().map(row).collect_view()}</dl>
            </section>
        }
    };
    view! {
        <Dialog open=help.open id="keys" title=Signal::stored("Keyboard".to_owned())>
            {move || help.groups.get().into_iter().map(group).collect_view()}
        </Dialog>
    }
    .into_any()
}

/// Whether a key goes into a text or a control, so that no shortcut may take it.
pub fn is_typing(event: &web_sys::KeyboardEvent) -> bool {
    use wasm_bindgen::JsCast;
    let Some(element) = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok()) else { return false };
    matches!(&*element.tag_name(), "INPUT" | "TEXTAREA" | "SELECT") || element.has_attribute("contenteditable")
}
