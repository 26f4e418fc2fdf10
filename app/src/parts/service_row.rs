//! A service in the overview's table.

use leptos::prelude::*;
use model::{Level, Service, ServiceKind, ServiceStatus};

use super::LevelBadge;
use crate::{
    paths,
    ui::{Ago, icon, text},
};

/// One row; the cells are state, service, lines a minute, errors, worst level, last line.
#[component]
pub fn ServiceRow(service: Service) -> impl IntoView {
    let (state, word) = status(service.status);
    let (drawing, kind) = kind(service.kind);
    let last = service.last_seen.map(|at| view! { <Ago at_ms=at.millis() utc=at.to_string()/> });
    let nothing = last.is_none().then_some("no line yet");
    let members = service.members.join(", ");
    view! {
        <tr class="service-row" data-status=state data-trouble=(trouble(&service) > 0).to_string()>
            <td data-col="state"><span class="status" data-status=state>{word}</span></td>
            <th scope="row" data-col="name">
                {icon::icon(drawing)}
                <a href=paths::logs_of(&service.id) title=members>{service.id.clone()}</a>
                // For who hears it; the gap that is seen is a margin.
                " "
                <span class="service-kind">{kind}</span>
            </th>
            <td data-col="rate" data-label="lines/min">{text::grouped(service.lines_per_minute)}</td>
            <td data-col="errors" data-label="errors, 5 min" data-any=(service.errors > 0).to_string()>{text::grouped(service.errors)}</td>
            <td data-col="level"><LevelBadge level=service.level/></td>
            <td data-col="seen">{last}{nothing}</td>
        </tr>
    }
    .into_any()
}

/// How much a service wants attention: 0 for none. Errors weigh most, then a state that should not last.
pub fn trouble(service: &Service) -> u64 {
    let state = match service.status {
        ServiceStatus::Restarting => 3,
        ServiceStatus::Unreachable => 2,
        ServiceStatus::Paused | ServiceStatus::Exited => 1,
        ServiceStatus::Running | ServiceStatus::Removed => 0,
    };
    let level = u64::from(service.level >= Level::Error);
    service.errors.min(1_000_000) * 10 + level * 5 + state
}

/// The attribute's value and the word for people.
pub fn status(status: ServiceStatus) -> (&'static str, &'static str) {
    match status {
        ServiceStatus::Running => ("running", "running"),
        ServiceStatus::Paused => ("paused", "paused"),
        ServiceStatus::Restarting => ("restarting", "restarting"),
        ServiceStatus::Exited => ("exited", "exited"),
        ServiceStatus::Removed => ("removed", "removed"),
        ServiceStatus::Unreachable => ("unreachable", "unreachable"),
    }
}

fn kind(kind: ServiceKind) -> (&'static str, &'static str) {
    match kind {
        ServiceKind::Container => (icon::CONTAINER, "container"),
        ServiceKind::File => (icon::FILE, "file"),
        ServiceKind::Console => (icon::CONSOLE, "console"),
        ServiceKind::Pushed => (icon::PUSHED, "pushed"),
    }
}
