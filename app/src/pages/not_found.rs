//! An address that leads nowhere. The server gives it its status.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::paths;

#[component]
pub fn NotFound() -> impl IntoView {
    view! {
        <Title text="Not found"/>
        <div class="page-head">
            <h1>"Not found"</h1>
        </div>
        <p>"There is no page at this address. " <a href=paths::OVERVIEW>"Go to the overview"</a></p>
    }
    .into_any()
}
