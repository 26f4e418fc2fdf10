//! Closures behind one type each: every effect and every click handler of a type of its own would be compiled, and downloaded, anew.

use leptos::prelude::*;
use web_sys::MouseEvent;

/// An [`Effect`] that needs no value of its last run. In the browser only, as all effects.
pub fn effect(run: impl FnMut() + 'static) {
    let mut run: Box<dyn FnMut()> = Box::new(run);
    Effect::new(move |_| run());
}

/// What a click does: `on:click=act(move |_| …)`.
pub fn act(run: impl FnMut(MouseEvent) + 'static) -> Box<dyn FnMut(MouseEvent)> {
    Box::new(run)
}
