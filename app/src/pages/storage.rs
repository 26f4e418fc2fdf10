//! What the log engine keeps: how full it is, of whom, what comes in, and what was not kept.

use std::time::Duration;

use leptos::prelude::*;
use leptos_meta::Title;
use model::{
    Permission, ServiceKind, Timestamp,
    status::{Part, PartState},
    storage::{DropReason, Dropped, LogStorage, LokiStorage, Retention, ServiceStorage},
};

use super::Who;
use crate::{
    parts::Trouble,
    paths,
    rpc::{Failure, storage::log_storage},
    ui::{Ago, Empty, effect, text},
};

const REFRESH: Duration = Duration::from_secs(5);

#[component]
pub fn Storage() -> impl IntoView {
    let who = expect_context::<Who>();
    let latest = Resource::new(
        || (),
        move |()| async move {
            // Nobody is asked for what they may not have: each refusal is an audit event.
            let may = matches!(who.0.await, Ok(me) if me.permissions.contains(&Permission::LogsRead));
            if may { Some(log_storage().await) } else { None }
        },
    );
    effect(move || {
        let ask_if_seen = move || {
            if !document().hidden() {
                latest.refetch();
            }
        };
        let timer = set_interval_with_handle(ask_if_seen, REFRESH).ok();
        on_cleanup(move || {
            if let Some(timer) = timer {
                timer.clear();
            }
        });
    });
    let retry = Callback::new(move |()| latest.refetch());
    view! {
        <Title text="Storage"/>
        <div class="page-head">
            <h1>"Storage"</h1>
        </div>
        <Transition fallback=|| view! { <p class="loading">"Loading…"</p> }>
            {move || {
                latest
                    .get()
                    .map(|storage| match storage {
                        None => {
                            view! {
                                <Empty title="Your role does not include logs">
                                    <p>"What is kept of them is for developers, operators and administrators."</p>
                                </Empty>
                            }
                                .into_any()
                        }
                        Some(Err(Failure(problem))) => view! { <Trouble problem=problem retry=retry/> }.into_any(),
                        Some(Ok(storage)) => full(storage),
                    })
            }}
        </Transition>
    }
    .into_any()
}

fn full(storage: LogStorage) -> AnyView {
    if let Some(loki) = storage.loki {
        return elsewhere(storage, loki);
    }
    // What is counted of the whole engine is of no use to somebody who sees a part of it.
    let is_whole = !storage.is_part;
    view! {
        {trouble(&storage.engine)}
        <div class="overview-top">
            <section class="card" aria-labelledby="kept-title">
                <h2 id="kept-title">"Kept"</h2>
                {kept(&storage)}
            </section>
            <section class="card" aria-labelledby="retention-title">
                <h2 id="retention-title">"How long it stays"</h2>
                {retention(&storage)}
            </section>
            {is_whole.then(|| view! {
                <section class="card" aria-labelledby="ingest-title">
                    <h2 id="ingest-title">"Coming in"</h2>
                    {ingest(&storage)}
                </section>
            })}
        </div>
        {is_whole.then(|| view! {
            <section class="card" aria-labelledby="dropped-title">
                <h2 id="dropped-title">"Not kept"</h2>
                {dropped(&storage.dropped, storage.since)}
            </section>
        })}
        <section class="services" aria-labelledby="by-service-title">
            <h2 id="by-service-title">"By service"</h2>
            {services(storage.services, false)}
        </section>
    }
    .into_any()
}

/// What is known of a Loki: less than of our own engine.
fn elsewhere(storage: LogStorage, loki: LokiStorage) -> AnyView {
    let Part { state, detail, .. } = &storage.engine;
    let says = match state {
        PartState::Down => Some("Loki does not answer: "),
        PartState::Degraded => Some("Loki is not well: "),
        PartState::Ok | PartState::Absent => None,
    };
    let trouble = says.map(|says| {
        view! { <div class="notice" data-kind="warning" role="status"><strong>{says}</strong>{detail.clone()}</div> }.into_any()
    });
    let over = ["Kept by Loki, of the last ", &*text::span(loki.over_s)].concat();
    // Nothing found and nothing told look alike: numbers only of a Loki that answers.
    let kept = says.is_none() || storage.streams > 0;
    let by_age = match storage.retention.max_age_s {
        Some(max) => [&*text::span(max), ", where its compactor is set up to delete"].concat(),
        None => "Loki does not say".to_owned(),
    };
    let kept = kept.then(|| {
        view! {
            <section class="card" aria-labelledby="kept-title">
                <h2 id="kept-title">{over}</h2>
                <dl class="facts">
                    {fact("Lines", text::grouped(storage.lines))}
                    {fact("Text", text::bytes(storage.raw_bytes))}
                    {fact("Streams", text::grouped(storage.streams))}
                    {fact("Chunks", text::grouped(storage.blocks))}
                </dl>
            </section>
        }
        .into_any()
    });
    let queue = loki.queue.map(|queue| {
        let waiting = [&*text::counted(queue.waiting_lines, "line", "lines"), ", ", &*text::bytes(queue.waiting_bytes)].concat();
        view! {
            <section class="card" aria-labelledby="queue-title">
                <h2 id="queue-title">"Sent to it"</h2>
                <dl class="facts">
                    {fact("Waiting", waiting)}
                    {fact("Sent", text::counted(queue.sent_lines, "line", "lines"))}
                    {fact("Since", when(Some(storage.since)))}
                </dl>
            </section>
        }
        .into_any()
    });
    let lost = (!storage.dropped.is_empty()).then(|| {
        view! {
            <section class="card" aria-labelledby="dropped-title">
                <h2 id="dropped-title">"Not kept"</h2>
                {dropped(&storage.dropped, storage.since)}
            </section>
        }
        .into_any()
    });
    view! {
        {trouble}
        <div class="overview-top">
            {kept}
            <section class="card" aria-labelledby="retention-title">
                <h2 id="retention-title">"How long it stays"</h2>
                <dl class="facts">{fact("By age", by_age)}</dl>
            </section>
            {queue}
        </div>
        {lost}
        <section class="services" aria-labelledby="by-service-title">
            <h2 id="by-service-title">"By service"</h2>
            {services(storage.services, true)}
        </section>
    }
    .into_any()
}

/// Says so where the engine does not work as it should, or had to set something right.
fn trouble(engine: &Part) -> Option<AnyView> {
    let (kind, says) = match engine.state {
        PartState::Ok if engine.detail.is_empty() => return None,
        PartState::Ok => ("info", "The log engine was set right when it opened: "),
        PartState::Absent => ("info", "No log engine runs. "),
        PartState::Degraded => ("warning", "The log engine is not well: "),
        PartState::Down => ("warning", "The log engine does not keep lines: "),
    };
    let detail = engine.detail.clone();
    Some(view! { <div class="notice" data-kind=kind role="status"><strong>{says}</strong>{detail}</div> }.into_any())
}

fn when(at: Option<Timestamp>) -> AnyView {
    match at {
        Some(at) => view! { <Ago at_ms=at.millis() utc=at.to_string()/> }.into_any(),
        None => "none".into_any(),
    }
}

fn fact(name: &'static str, value: impl IntoView + 'static) -> AnyView {
    view! {
        <dt>{name}</dt>
        <dd>{value.into_any()}</dd>
    }
    .into_any()
}

fn kept(storage: &LogStorage) -> AnyView {
    let ratio = match (storage.disk_bytes * 100).checked_div(storage.raw_bytes) {
        Some(percent) if storage.raw_bytes > 1 << 20 => [" (", &*percent.to_string(), " % of the text)"].concat(),
        _ => String::new(),
    };
    let on_disk = text::bytes(storage.disk_bytes) + &ratio;
    let log = [&*text::bytes(storage.wal_bytes), ", ", &*text::bytes(storage.head_bytes), " of it not yet in blocks"].concat();
    let files = [
        &*text::counted(storage.blocks, "block", "blocks"),
        " in ",
        &*text::counted(storage.files, "file", "files"),
        ", ",
        &*text::counted(storage.streams, "stream", "streams"),
    ]
    .concat();
    view! {
        <dl class="facts">
            {fact("Lines", text::grouped(storage.lines))}
            {fact("Text", text::bytes(storage.raw_bytes))}
            {fact("On disk", on_disk)}
            {(!storage.is_part).then(|| view! {
                {fact("Write-ahead log", log)}
                {fact("Blocks", files)}
            })}
            {fact("Oldest line", when(storage.oldest))}
            {fact("Newest line", when(storage.newest))}
        </dl>
    }
    .into_any()
}

fn retention(storage: &LogStorage) -> AnyView {
    let Retention { max_age_s, max_bytes, disk_available_bytes } = storage.retention;
    let age_s = match (storage.oldest, storage.newest) {
        (Some(oldest), Some(newest)) => u64::try_from(newest.secs() - oldest.secs()).unwrap_or(0),
        _ => 0,
    };
    let by_age = match max_age_s {
        Some(max) => level("By age", age_s, max, [&*text::span(age_s), " of ", &*text::span(max)].concat()),
        None => fact("By age", "no bound"),
    };
    let by_size = match max_bytes {
        _ if storage.is_part => ().into_any(),
        Some(max) => {
            let says = [&*text::bytes(storage.disk_bytes), " of ", &*text::bytes(max)].concat();
            level("By size", storage.disk_bytes, max, says)
        }
        None => fact("By size", "no bound"),
    };
    let free = disk_available_bytes.map(|bytes| fact("Free on the disk", text::bytes(bytes)));
    // Where the disk ends before the bound does, the bound does not help.
    let short = max_bytes.zip(disk_available_bytes).filter(|(max, free)| max.saturating_sub(storage.disk_bytes) > *free).map(|_| {
        view! { <p class="field-hint" data-kind="warning">"The disk has less room than the bound by size allows: it may fill up first."</p> }.into_any()
    });
    view! {
        <dl class="facts">{by_age} {by_size} {free}</dl>
        {short}
    }
    .into_any()
}

/// How full, as a bar and in words.
fn level(name: &'static str, value: u64, max: u64, says: String) -> AnyView {
    let percent = value.min(max).saturating_mul(100) / max.max(1);
    let meter = view! {
        {says}
        <meter min="0" max="100" value=percent.to_string() aria-label=name></meter>
    };
    fact(name, meter)
}

fn ingest(storage: &LogStorage) -> AnyView {
    let ingest = storage.ingest;
    let now = match ingest.over_s {
        0 => "not known yet".to_owned(),
        _ => [&*text::counted(ingest.lines_per_minute, "line", "lines"), "/min, ", &*text::bytes(ingest.raw_bytes_per_minute), "/min"]
            .concat(),
    };
    let whole = [&*text::counted(ingest.lines, "line", "lines"), ", ", &*text::bytes(ingest.raw_bytes)].concat();
    // At this rate, by what a byte of text takes on the disk.
    let days = storage.retention.max_bytes.and_then(|max| {
        let on_disk = ingest.raw_bytes_per_minute.saturating_mul(storage.disk_bytes).checked_div(storage.raw_bytes)?;
        max.saturating_sub(storage.disk_bytes).checked_div(on_disk)
    });
    // Where lines become too old before there are too many, the size does not matter.
    let max_age_s = storage.retention.max_age_s.unwrap_or(u64::MAX);
    let days = days.map(|minutes| minutes.saturating_mul(60)).filter(|seconds| *seconds < max_age_s);
    let days = days.map(|seconds| fact("Full at this rate in", text::span(seconds)));
    view! {
        <dl class="facts">
            {fact("Now", now)}
            {fact("Since the start", whole)}
            {fact("Last line", when(ingest.last))}
            {days}
        </dl>
    }
    .into_any()
}

fn dropped(dropped: &[Dropped], since: Timestamp) -> AnyView {
    if dropped.is_empty() {
        return view! { <p class="summary">"Everything that came in is there, since " <Ago at_ms=since.millis() utc=since.to_string()/> "."</p> }.into_any();
    }
    let row = |one: &Dropped| {
        let (one_word, many) = if one.why == DropReason::NotWritten { ("batch", "batches") } else { ("line", "lines") };
        let bytes = if one.raw_bytes > 0 { text::bytes(one.raw_bytes) } else { String::new() };
        view! {
            <tr data-why=why(one.why)>
                <th scope="row">{one.detail.clone()}</th>
                <td data-label="How many" data-col="number">{text::counted(one.count, one_word, many)}</td>
                <td data-label="Text" data-col="number">{bytes}</td>
            </tr>
        }
        .into_any()
    };
    view! {
        <p class="summary">"Since " <Ago at_ms=since.millis() utc=since.to_string()/></p>
        <div class="table-box">
            <table class="table cards">
                <thead>
                    <tr>
                        <th scope="col">"Why"</th>
                        <th scope="col" data-col="number">"How many"</th>
                        <th scope="col" data-col="number">"Text"</th>
                    </tr>
                </thead>
                <tbody>{dropped.iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn why(why: DropReason) -> &'static str {
    match why {
        DropReason::Retention => "retention",
        DropReason::Refused => "refused",
        DropReason::NotWritten => "not_written",
        DropReason::Duplicate => "duplicate",
        DropReason::Damaged => "damaged",
        DropReason::QueueFull => "queue_full",
    }
}

/// With `text_only` the rest is not known.
fn services(services: Vec<ServiceStorage>, text_only: bool) -> AnyView {
    if services.is_empty() {
        return view! {
            <Empty title="Nothing is kept yet">
                <p>"Lines appear here as soon as something logs."</p>
            </Empty>
        }
        .into_any();
    }
    let largest = services.iter().map(|service| service.raw_bytes).max().unwrap_or(0).max(1);
    let row = move |service: ServiceStorage| {
        let share = (service.raw_bytes.saturating_mul(100) / largest).to_string();
        let kind = match service.kind {
            ServiceKind::Container => "container",
            ServiceKind::File => "file",
            ServiceKind::Console => "console",
            ServiceKind::Pushed => "pushed",
        };
        view! {
            <tr>
                <th scope="row">
                    <a href=paths::logs_of(&service.id)>{service.id.clone()}</a>
                    " "
                    <span class="service-kind">{kind}</span>
                </th>
                {(!text_only).then(|| view! { <td data-label="Lines" data-col="number">{text::grouped(service.lines)}</td> })}
                <td data-label="Text" data-col="number">
                    <svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
                        <rect width=share height="8"></rect>
                    </svg>
                    {text::bytes(service.raw_bytes)}
                </td>
                {(!text_only).then(|| view! {
                    <td data-label="In blocks" data-col="number">{text::bytes(service.disk_bytes)}</td>
                    <td data-label="Oldest">{when(service.oldest)}</td>
                    <td data-label="Newest">{when(service.newest)}</td>
                })}
            </tr>
        }
        .into_any()
    };
    view! {
        <div class="table-box">
            <table class="table cards storage-table">
                <thead>
                    <tr>
                        <th scope="col">"Service"</th>
                        {(!text_only).then(|| view! { <th scope="col" data-col="number">"Lines"</th> })}
                        <th scope="col" data-col="number">"Text"</th>
                        {(!text_only).then(|| view! {
                            <th scope="col" data-col="number">"In blocks"</th>
                            <th scope="col">"Oldest line"</th>
                            <th scope="col">"Newest line"</th>
                        })}
                    </tr>
                </thead>
                <tbody>{services.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}
