//! The machine and the console on it, as a list of facts.

use leptos::prelude::*;
use model::status::SystemInfo;

use crate::ui::text;

#[component]
pub fn SystemFacts(info: SystemInfo) -> impl IntoView {
    let containers = info.docker.as_ref().map(|docker| {
        let words = [&*text::grouped(docker.running), " of ", &*text::grouped(docker.containers), " running"].concat();
        fact("Containers", words, None)
    });
    let docker = info.docker.map_or_else(
        || fact("Docker", "not reachable".to_owned(), None),
        |docker| {
            // What a distribution appends to the version is for the title.
            let version = docker.version.split('+').next().unwrap_or_default();
            fact("Docker", "Engine ".to_owned() + version, Some(docker.version.clone()))
        },
    );
    let commit: String = info.commit.chars().take(9).collect();
    let version = if commit.is_empty() { info.version } else { [&*info.version, " (", &*commit, ")"].concat() };
    view! {
        <dl class="system-facts">
            {fact("Host", info.hostname, None)}
            {docker}
            {containers}
            {fact("Cores", info.cores.to_string(), None)}
            {used("Memory", info.memory_bytes, info.memory_available_bytes)}
            {used("Disk", info.disk_bytes, info.disk_available_bytes)}
            {fact("Uptime", text::span(info.uptime_s), Some(info.started.to_string()))}
            {fact("Version", version, None)}
        </dl>
    }
    .into_any()
}

fn fact(name: &'static str, value: String, more: Option<String>) -> impl IntoView {
    view! {
        <div>
            <dt>{name}</dt>
            <dd title=more>{value}</dd>
        </div>
    }
    .into_any()
}

/// A share in use, as a bar and in words.
fn used(name: &'static str, total: u64, available: u64) -> impl IntoView {
    let percent = if total == 0 { 0 } else { u128::from(total.saturating_sub(available)) * 100 / u128::from(total) };
    let words = [&*text::bytes(available), " free of ", &*text::bytes(total)].concat();
    view! {
        <div>
            <dt>{name}</dt>
            <dd>
                <meter min="0" max="100" high="85" optimum="20" value=percent.to_string() aria-label=[name, " in use"].concat()></meter>
                {words}
            </dd>
        </div>
    }
    .into_any()
}
