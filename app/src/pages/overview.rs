//! The first page: is Docker there, how is the machine, and which service wants attention.

use std::time::Duration;

use leptos::{ev, prelude::*};
use leptos_meta::Title;
use leptos_router::{
    NavigateOptions,
    hooks::{use_navigate, use_query_map},
};
use model::{
    Code, Permission, Service, ServiceStatus,
    status::{Health, PartState, SystemInfo},
};

use super::Who;
use crate::{
    parts::{HealthList, ServiceRow, SystemFacts, Trouble, service_row::trouble},
    paths,
    rpc::{self, Failure},
    ui::{Empty, effect, text},
};

const REFRESH: Duration = Duration::from_secs(5);

/// All that the page shows; `services` is absent where the person may not read logs.
type Snapshot = (Result<Health, Failure>, Result<SystemInfo, Failure>, Option<Result<Vec<Service>, Failure>>);

async fn snapshot(who: Who) -> Snapshot {
    // Nobody is asked for what they may not have: each refusal is an audit event.
    let reads_logs = matches!(who.0.await, Ok(me) if me.permissions.contains(&Permission::LogsRead));
    let services = async { if reads_logs { Some(rpc::logs::services_list().await) } else { None } };
    futures::join!(rpc::system::health(), rpc::system::system_info(), services)
}

/// Reads `q` (a filter) and `sort` (`trouble`) from the address.
#[component]
pub fn Overview() -> impl IntoView {
    let who = expect_context::<Who>();
    let latest = Resource::new(|| (), move |()| snapshot(who));
    refresh(move || latest.refetch());
    let retry = Callback::new(move |()| latest.refetch());
    view! {
        <Title text="Overview"/>
        <div class="page-head">
            <h1>"Overview"</h1>
        </div>
        <Transition fallback=|| view! { <p class="loading">"Loading…"</p> }>
            {move || {
                latest
                    .get()
                    .map(|(health, info, _)| {
                        view! {
                            {docker_note(health.as_ref().ok(), info.as_ref().ok())}
                            <div class="overview-top">
                                <section class="card" aria-labelledby="system-title">
                                    <h2 id="system-title">"System"</h2>
                                    {match info {
                                        Ok(info) => view! { <SystemFacts info=info/> }.into_any(),
                                        Err(Failure(problem)) => view! { <Trouble problem=problem retry=retry/> }.into_any(),
                                    }}
                                </section>
                                <section class="card" aria-labelledby="health-title">
                                    <h2 id="health-title">"Health"</h2>
                                    {match health {
                                        Ok(health) => view! { <HealthList health=health/> }.into_any(),
                                        Err(Failure(problem)) => view! { <Trouble problem=problem retry=retry/> }.into_any(),
                                    }}
                                </section>
                            </div>
                        }
                    })
            }}
        </Transition>
        <Services latest=latest retry=retry/>
    }
    .into_any()
}

/// Asks again every few seconds while somebody can see it.
fn refresh(ask: impl Fn() + Copy + Send + Sync + 'static) {
    effect(move || {
        let ask_if_seen = move || {
            if !document().hidden() {
                ask();
            }
        };
        let timer = set_interval_with_handle(ask_if_seen, REFRESH).ok();
        let seen = window_event_listener(ev::visibilitychange, move |_| ask_if_seen());
        on_cleanup(move || {
            if let Some(timer) = timer {
                timer.clear();
            }
            seen.remove();
        });
    });
}

/// Says so where Docker is away; nothing where it answers.
fn docker_note(health: Option<&Health>, info: Option<&SystemInfo>) -> Option<impl IntoView + use<>> {
    if info.is_none_or(|info| info.docker.is_some()) {
        return None;
    }
    let part = health.and_then(|health| health.parts.iter().find(|part| part.name.to_lowercase().starts_with("docker")));
    let detail = part.filter(|part| part.state != PartState::Ok).map(|part| part.detail.clone()).unwrap_or_default();
    Some(view! {
        <div class="notice" data-kind="warning" role="status">
            <strong>"Docker is not reachable."</strong>
            " Files and the console’s own logs work; containers appear as soon as the Docker Engine answers. "
            {detail}
        </div>
    })
}

#[component]
fn Services(latest: Resource<Snapshot>, retry: Callback<()>) -> impl IntoView {
    let query = use_query_map();
    let filter = Memo::new(move |_| query.read().get("q").unwrap_or_default());
    let is_trouble_first = Memo::new(move |_| query.read().get("sort").as_deref() == Some("trouble"));
    let navigate = use_navigate();
    let show = StoredValue::new(move |filter: &str, is_trouble_first: bool| {
        let options = NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
        navigate(&paths::overview(filter, is_trouble_first), options);
    });
    view! {
        <section class="services" aria-labelledby="services-title">
            <div class="section-head">
                <h2 id="services-title">"Services"</h2>
                // A plain form too: without the app, Enter filters.
                <form class="toolbar" role="search" action=paths::OVERVIEW on:submit=|event| event.prevent_default()>
                    <input
                        class="input"
                        type="search"
                        name="q"
                        aria-label="Filter services"
                        placeholder="Filter services"
                        autocomplete="off"
                        value=filter.get_untracked()
                        on:input=move |event| show.with_value(|show| show(&event_target_value(&event), is_trouble_first.get_untracked()))
                    />
                    <label class="check">
                        <input
                            type="checkbox"
                            name="sort"
                            value="trouble"
                            checked=is_trouble_first.get_untracked()
                            on:change=move |event| show.with_value(|show| show(&filter.get_untracked(), event_target_checked(&event)))
                        />
                        "Trouble first"
                    </label>
                </form>
            </div>
            <Transition fallback=|| view! { <p class="loading">"Loading…"</p> }>
                {move || {
                    latest
                        .get()
                        .map(|(_, _, services)| match services {
                            None => not_for_you().into_any(),
                            Some(Err(Failure(problem))) if problem.code == Code::Forbidden => not_for_you().into_any(),
                            Some(Err(Failure(problem))) => view! { <Trouble problem=problem retry=retry/> }.into_any(),
                            Some(Ok(services)) if services.is_empty() => nothing_logs().into_any(),
                            Some(Ok(services)) => table(services, &filter.read(), is_trouble_first.get()).into_any(),
                        })
                }}
            </Transition>
        </section>
    }
    .into_any()
}

fn not_for_you() -> impl IntoView {
    view! {
        <Empty title="Your role does not include logs">
            <p>"Services and their lines are for developers, operators and administrators. An administrator can change your role."</p>
        </Empty>
    }
    .into_any()
}

fn nothing_logs() -> impl IntoView {
    view! {
        <Empty title="Nothing logs yet">
            <p>
                "Start a container: it appears here by itself. If the machine has containers, check that the console may use the Docker socket ("
                <code>"--docker-host"</code> "). Files ending in " <code>".log"</code> " in the log directory (" <code>"--log-dir"</code> ") appear too."
            </p>
        </Empty>
    }
    .into_any()
}

fn table(services: Vec<Service>, filter: &str, is_trouble_first: bool) -> impl IntoView {
    let total = services.len();
    let running = services.iter().filter(|service| service.status == ServiceStatus::Running).count();
    let failing = services.iter().filter(|service| service.errors > 0).count();
    let groups = groups(services, filter, is_trouble_first);
    let shown: usize = groups.iter().map(|(_, services)| services.len()).sum();
    let number = |count: usize| text::grouped(count as u64);
    let services_word = text::counted(total as u64, "service", "services");
    let mut summary = [&*services_word, ", ", &*number(running), " running, ", &*number(failing), " with errors"].concat();
    if shown < total {
        summary += &[" · ", &*number(shown), " shown"].concat();
    }
    let group = |(project, services): (Option<String>, Vec<Service>)| {
        let head = project.map(|project| view! { <tr class="group-row"><th scope="rowgroup" colspan="6">{project}</th></tr> });
        view! {
            <tbody>
                {head}
                {services.into_iter().map(|service| view! { <ServiceRow service=service/> }).collect_view()}
            </tbody>
        }
    };
    view! {
        <p class="summary">{summary}</p>
        <div class="table-box">
            <table class="table services-table">
                <thead>
                    <tr>
                        <th scope="col">"State"</th>
                        <th scope="col">"Service"</th>
                        <th scope="col" data-col="rate">"Lines/min"</th>
                        <th scope="col" data-col="errors">"Errors, 5 min"</th>
                        <th scope="col">"Worst level"</th>
                        <th scope="col">"Last line"</th>
                    </tr>
                </thead>
                {groups.into_iter().map(group).collect_view()}
            </table>
        </div>
        {(shown == 0).then(|| view! { <p class="loading">"No service matches the filter."</p> })}
    }
    .into_any()
}

/// The services by project, those without one first; with trouble first, one group without a heading. Within a group by id.
fn groups(mut services: Vec<Service>, filter: &str, is_trouble_first: bool) -> Vec<(Option<String>, Vec<Service>)> {
    let filter = filter.trim().to_lowercase();
    services.retain(|service| {
        service.id.to_lowercase().contains(&filter) || service.project.as_deref().unwrap_or_default().to_lowercase().contains(&filter)
    });
    if is_trouble_first {
        services.sort_by(|a, b| trouble(b).cmp(&trouble(a)).then_with(|| a.id.cmp(&b.id)));
        return if services.is_empty() { Vec::new() } else { vec![(None, services)] };
    }
    services.sort_by(|a, b| (&a.project, &a.id).cmp(&(&b.project, &b.id)));
    let mut groups: Vec<(Option<String>, Vec<Service>)> = Vec::new();
    for service in services {
        match groups.last_mut() {
            Some((project, services)) if *project == service.project => services.push(service),
            _ => groups.push((service.project.clone(), vec![service])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use model::{Level, ServiceKind};

    use super::*;

    fn service(id: &str, errors: u64) -> Service {
        let project = id.split_once('/').map(|(project, _)| project.to_owned());
        Service {
            id: id.to_owned(),
            name: id.to_owned(),
            project,
            host: "local".to_owned(),
            kind: ServiceKind::Container,
            status: ServiceStatus::Running,
            level: Level::Info,
            lines: 0,
            lines_per_minute: 0,
            errors,
            last_seen: None,
            members: Vec::new(),
        }
    }

    fn check(filter: &str, is_trouble_first: bool, expect: &str) {
        let services = vec![service("shop/web", 0), service("console", 1), service("shop/db", 7), service("blog/web", 0)];
        let line = |(project, services): (Option<String>, Vec<Service>)| {
            let ids: Vec<String> = services.into_iter().map(|service| service.id).collect();
            format!("{}: {}", project.unwrap_or_default(), ids.join(" "))
        };
        let lines: Vec<String> = groups(services, filter, is_trouble_first).into_iter().map(line).collect();
        assert_eq!(lines.join("; "), expect, "{filter} {is_trouble_first}");
    }

    #[test]
    fn services_are_grouped_by_project_or_by_trouble() {
        check("", false, ": console; blog: blog/web; shop: shop/db shop/web");
        check("", true, ": shop/db console blog/web shop/web");
        check("WEB ", false, "blog: blog/web; shop: shop/web");
        check("shop", true, ": shop/db shop/web");
        check("nothing", true, "");
    }
}
