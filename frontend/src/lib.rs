//! The browser's entry point: panic hook, then mount `app` over what the server rendered. Nothing else, ever.

/// Called by the page's module script once the WASM is instantiated.
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_body(app::App);
}
