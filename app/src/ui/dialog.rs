//! A modal `<dialog>`: the browser traps the focus in it, closes it on Esc and gives the focus back.

use leptos::{html, prelude::*};

use super::{act, effect};

/// Shown while `open` is set. `id` is unique on the page and names the heading too.
#[component]
pub fn Dialog(open: RwSignal<bool>, id: &'static str, #[prop(into)] title: Signal<String>, children: Children) -> impl IntoView {
    let node = NodeRef::<html::Dialog>::new();
    follow(node, open);
    let heading = [id, "-title"].concat();
    view! {
        <dialog
            id=id
            class="dialog"
            node_ref=node
            aria-labelledby=heading
            on:close=move |_| open.set(false)
            on:click=act(move |event| {
                // Only the backdrop is the dialog itself: its content fills it to the edge.
                if node.get_untracked().is_some_and(|dialog| event.target().as_ref() == Some(dialog.as_ref())) {
                    open.set(false);
                }
            })
        >
            <div class="dialog-body">
                <header class="dialog-head">
                    <h2 id=heading.clone()>{title}</h2>
                    <button type="button" class="button" data-kind="plain" on:click=act(move |_| open.set(false))>
                        "Close"
                    </button>
                </header>
                {children()}
            </div>
        </dialog>
    }
    .into_any()
}

/// Opens and closes a `<dialog>` as `open` says.
pub fn follow(node: NodeRef<html::Dialog>, open: RwSignal<bool>) {
    effect(move || {
        let open = open.get();
        let Some(dialog) = node.get() else { return };
        if open && !dialog.open() {
            // It fails only for an element that left the document.
            let _ = dialog.show_modal();
        } else if !open && dialog.open() {
            dialog.close();
        }
    });
}
