//! The browser's entry point: panic hook, the page's own code, then mount `app` over what the server rendered. Nothing else, ever.

/// Called by the page's module script once the WASM is instantiated.
#[wasm_bindgen::prelude::wasm_bindgen]
pub async fn hydrate() {
    console_error_panic_hook::set_once();
    if app::fetch_page().await {
        leptos::mount::hydrate_body(app::App);
    }
}
