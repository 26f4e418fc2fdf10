//! The console's parts and how each is doing.

use leptos::prelude::*;
use model::status::{Health, Part, PartState};

/// Ok parts as one line each, the others with their sentence.
#[component]
pub fn HealthList(health: Health) -> impl IntoView {
    view! { <ul class="health-list">{health.parts.into_iter().map(part_row).collect_view()}</ul> }
}

fn part_row(part: Part) -> impl IntoView {
    let (state, word) = match part.state {
        PartState::Ok => ("ok", "ok"),
        PartState::Degraded => ("degraded", "degraded"),
        PartState::Down => ("down", "down"),
        PartState::Absent => ("absent", "not set up"),
    };
    view! {
        <li data-state=state>
            <span class="health-name">{part.name}</span>
            <span class="health-state">{word}</span>
            <span class="health-detail">{part.detail}</span>
        </li>
    }
    .into_any()
}
