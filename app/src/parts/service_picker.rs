//! Which services' lines are shown together.

use leptos::{html, prelude::*};
use model::Service;

use super::{log_view::LogView, service_row::status};
use crate::ui::act;

/// `ask` fetches the services into `services` whenever the list is opened.
#[component]
pub fn ServicePicker(
    services: RwSignal<Option<Result<Vec<Service>, String>>>,
    /// Names or ids; none means all.
    chosen: Signal<Vec<String>>,
    ask: Callback<()>,
    choose: Callback<Vec<String>>,
) -> impl IntoView {
    let wanted = RwSignal::new(String::new());
    let panel = NodeRef::<html::Div>::new();
    let label = move || {
        let chosen = chosen.get();
        match chosen.as_slice() {
            [] => "All services".to_owned(),
            [one] => one.clone(),
            more => more.len().to_string() + " services",
        }
    };
    let list = move || match services.get() {
        None => view! { <p class="picker-note">"Loading…"</p> }.into_any(),
        Some(Err(why)) => view! { <p class="picker-note" role="alert">{why}</p> }.into_any(),
        Some(Ok(services)) => groups(services, &wanted.get(), chosen, choose).into_any(),
    };
    // A popover: the browser closes it on Esc and on a click elsewhere.
    view! {
        <div class="service-picker">
            <button type="button" class="button picker-open" popovertarget="picker" aria-label="Services" title=label>
                {move || label()}
                " ▾"
            </button>
            <div
                id="picker"
                class="picker-panel"
                popover="auto"
                role="group"
                aria-label="Choose services"
                node_ref=panel
                on:toggle=move |_| {
                    if panel.get_untracked().is_some_and(|panel| panel.matches(":popover-open").unwrap_or(false)) {
                        ask.run(());
                    }
                }
            >
                <input
                    class="input"
                    type="search"
                    aria-label="Find service"
                    placeholder="Find service"
                    autocomplete="off"
                    on:input=move |event| wanted.set(event_target_value(&event))
                />
                <button type="button" class="button" data-kind="plain" on:click=act(move |_| choose.run(Vec::new()))>
                    "All services"
                </button>
                <div class="picker-list">{move || list()}</div>
            </div>
        </div>
    }
    .into_any()
}

fn groups(mut services: Vec<Service>, wanted: &str, chosen: Signal<Vec<String>>, choose: Callback<Vec<String>>) -> impl IntoView {
    let wanted = wanted.trim().to_lowercase();
    services.retain(|service| service.id.to_lowercase().contains(&wanted));
    services.sort_by(|a, b| (&a.project, &a.id).cmp(&(&b.project, &b.id)));
    let none = services.is_empty().then(|| view! { <p class="picker-note">"No such service."</p> });
    let mut last = None;
    let row = |service: Service| {
        let head = (last.as_ref() != Some(&service.project)).then(|| service.project.clone()).flatten();
        let head = head.map(|project| view! { <p class="picker-group">{project}</p> });
        last = Some(service.project.clone());
        let (state, word) = status(service.status);
        let (id, name) = (service.id.clone(), service.name.clone());
        let (shown, toggled) = (id.clone(), id.clone());
        // A link may name a service by its bare name.
        let on = Memo::new(move |_| chosen.with(|chosen| chosen.iter().any(|one| *one == id || *one == name)));
        let bare = service.name;
        let change = move |_| {
            let now = chosen.get_untracked();
            let present = if now.contains(&bare) { &bare } else { &toggled };
            choose.run(LogView::toggled(&now, present));
        };
        view! {
            {head}
            <label class="picker-row">
                <input type="checkbox" prop:checked=on on:change=change/>
                <span class="status" data-status=state title=word></span>
                {shown}
            </label>
        }
    };
    let rows: Vec<_> = services.into_iter().map(row).collect();
    view! { {none} {rows} }
}
