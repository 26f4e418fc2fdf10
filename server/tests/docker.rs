//! Collecting and searching against the real Docker Engine of this machine: what a container writes arrives once, with the
//! right labels and ids, whatever happens to it or to the connection.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod engine;

use std::{sync::Arc, time::Duration};

use engine::{Console, Running, image, proxy::Proxy, services_named};
use model::{Direction, EntryId, ServiceStatus, StreamState, TimeRange};
use ops::{
    logs::{Filter, TextMatch},
    source::{Frontier, Line, LogPlan, LogSource},
};

const LOCAL: &str = "unix:///var/run/docker.sock";

fn texts(lines: &[Arc<Line>], output: &str) -> Vec<String> {
    lines.iter().filter(|line| line.stream.labels.get("stream") == Some(output)).map(|line| line.text.to_string()).collect()
}

#[tokio::test]
async fn lines_of_a_container_started_later_arrive_live_with_their_labels() {
    let console = Console::start(LOCAL);
    let mut view = console.watch("live-labels");
    let _container = Running::start(
        "live-labels",
        &["-l", "com.docker.compose.project=shop", "-l", "docaiche.service=live-labels"],
        "echo out; echo err >&2; sleep 60",
    );
    let lines = view.until(2).await;
    for line in &lines {
        let labels = &line.stream.labels;
        let get = |name| labels.get(name).unwrap_or_default();
        assert_eq!(
            ["service", "service_name", "container_name", "compose_project", "job", "host"].map(get),
            ["live-labels", "live-labels", "docaiche-test-live-labels", "shop", "dockerlogs", "local"]
        );
        assert!(get("stream").ends_with(&*line.text), "{}", line.text);
    }
    assert_eq!((texts(&lines, "stdout"), texts(&lines, "stderr")), (vec!["out".to_owned()], vec!["err".to_owned()]));
    let service = services_named(&*console.logs, "live-labels").remove(0);
    assert_eq!((service.status(), service.key.project.as_deref()), (ServiceStatus::Running, Some("shop")));
}

#[tokio::test]
async fn odd_lines_arrive_whole_with_and_without_a_terminal() {
    let script = r#"stty -opost 2>/dev/null; printf '\001\002NUL\000end\n'; printf 'bad \377\376 bytes\n'; echo; printf '\033[31m\033[0m\n'; head -c 1000000 /dev/zero | tr '\0' x; echo; printf 'é€😀\n'; echo last; sleep 60"#;
    for (name, flags) in [("odd-plain", &[][..]), ("odd-tty", &["-t"][..])] {
        let console = Console::start(LOCAL);
        let mut view = console.watch(name);
        let _container = Running::start(name, flags, script);
        let lines = view.until(7).await;
        let expect =
            ["\u{1}\u{2}NUL\0end", "bad \u{fffd}\u{fffd} bytes", "", "\u{1b}[31m\u{1b}[0m", &"x".repeat(1_000_000), "é€😀", "last"];
        let got = texts(&lines, "stdout");
        for (got, expect) in got.iter().zip(expect) {
            assert_eq!(got.len(), expect.len(), "{name}: {:?}", &got[..got.len().min(80)]);
            assert!(got == expect, "{name}: {:?}", &got[..got.len().min(80)]);
        }
        // A search reads the same lines under the same ids.
        let (page, _) = console.search(name, Direction::Forward, 100, None, Filter::default()).await;
        assert_eq!(page.iter().map(|line| line.id).collect::<Vec<_>>(), lines.iter().map(|line| line.id).collect::<Vec<_>>(), "{name}");
        // And so does the log engine, to the byte.
        let held = console.held(&console.plan(name, Direction::Forward, 100, None, Filter::default())).await;
        let both = |lines: &[Line]| lines.iter().map(|line| (line.id, line.text.to_string())).collect::<Vec<_>>();
        assert!(both(&held) == both(&page), "{name}");
    }
}

#[tokio::test]
async fn pages_in_both_directions_are_the_whole_and_have_the_ids_of_the_live_lines() {
    let console = Console::start(LOCAL);
    let mut view = console.watch("pages");
    // Slow enough for one live view, and not before the test watches again: starting a container blocks it.
    let script =
        "sleep 2; i=0; while [ $i -lt 25 ]; do seq $((i*200+1)) $((i*200+199)); echo e$i >&2; usleep 100000; i=$((i+1)); done; sleep 60";
    let _container = Running::start("pages", &[], script);
    let mut live: Vec<(EntryId, String)> = view.until(5_000).await.iter().map(|line| (line.id, line.text.to_string())).collect();
    live.sort();
    for direction in [Direction::Forward, Direction::Backward] {
        for limit in [700, 2_500] {
            let mut whole = Vec::new();
            let mut cursor = None;
            loop {
                let (page, frontier) = console.search("pages", direction, limit, cursor, Filter::default()).await;
                assert!(page.len() <= limit);
                whole.extend(page.into_iter().map(|line| (line.id, line.text.to_string())));
                match frontier {
                    Frontier::Exhausted => break,
                    Frontier::Upto(id) => cursor = Some(id),
                }
            }
            if direction == Direction::Backward {
                whole.reverse();
            }
            assert_eq!(whole.len(), live.len(), "{direction:?} by {limit}");
            assert!(whole == live, "{direction:?} by {limit}");
        }
    }
    let held = console.held(&console.plan("pages", Direction::Forward, 5_000, None, Filter::default())).await;
    assert!(held.iter().map(|line| (line.id, line.text.to_string())).eq(live.iter().cloned()), "the log engine holds the same lines");
    let ends_in_77 = Filter { text: Some(TextMatch::new("77$", true, true).unwrap()), ..Filter::default() };
    for direction in [Direction::Forward, Direction::Backward] {
        let (page, _) = console.search("pages", direction, 1_000, None, ends_in_77.clone()).await;
        assert_eq!(page.len(), 50, "{direction:?}");
    }
    // A range in the middle, from both ends.
    let (from, to) = (live[1_000].0.at, live[2_000].0.at);
    for direction in [Direction::Forward, Direction::Backward] {
        let plan =
            LogPlan { range: TimeRange { start: from, end: to }, ..console.plan("pages", direction, 5_000, None, Filter::default()) };
        let mut page = console.logs.search(&plan).await.unwrap().lines;
        if direction == Direction::Backward {
            page.reverse();
        }
        let expect: Vec<EntryId> = live.iter().map(|(id, _)| *id).filter(|id| from <= id.at && id.at < to).collect();
        assert_eq!(page.iter().map(|line| line.id).collect::<Vec<_>>(), expect, "{direction:?}");
    }
}

#[tokio::test]
async fn a_restarted_container_goes_on_where_it_was() {
    for (name, flags) in [("restart", &[][..]), ("restart-tty", &["-t"][..])] {
        let console = Console::start(LOCAL);
        let mut view = console.watch(name);
        let container = Running::start(name, flags, "trap 'exit 0' TERM; echo begin; printf 'no newline'; sleep 60 & wait");
        view.until(1).await;
        container.docker(&["restart", "-t", "5"]);
        container.docker(&["restart", "-t", "5"]);
        let lines = view.until(4).await;
        let got = texts(&lines, "stdout");
        assert_eq!(got.iter().filter(|text| *text == "begin").count(), 3, "{name}: {got:?}");
        container.docker(&["kill"]);
        let lines = view.more(2, Duration::from_secs(5)).await;
        let got = texts(&lines, "stdout");
        let (page, _) = console.search(name, Direction::Forward, 100, None, Filter::default()).await;
        assert_eq!(page.iter().map(|line| line.text.to_string()).collect::<Vec<_>>(), got, "{name}");
    }
}

#[tokio::test]
async fn a_container_removed_while_watched_ends_its_view() {
    let console = Console::start(LOCAL);
    let mut view = console.watch("removed");
    let container = Running::start("removed", &[], "echo here; sleep 60");
    view.until(1).await;
    assert_eq!(services_named(&*console.logs, "removed")[0].status(), ServiceStatus::Running);
    drop(container);
    view.until_state(StreamState::Ended).await;
    assert_eq!(services_named(&*console.logs, "removed")[0].status(), ServiceStatus::Removed);
}

#[tokio::test]
async fn cut_connections_neither_lose_nor_double_a_line() {
    let proxy = Proxy::start("/var/run/docker.sock");
    let console = Console::start(&proxy.address());
    let mut view = console.watch("cut");
    let script = "i=0; while [ $i -lt 100 ]; do seq $((i*20+1)) $((i*20+20)); usleep 50000; i=$((i+1)); done; echo done; sleep 60";
    let _container = Running::start("cut", &[], script);
    for lines in [100, 400, 900] {
        view.until(lines).await;
        proxy.cut();
    }
    view.until(1_200).await;
    proxy.refuse(true);
    view.until_state(StreamState::Reconnecting).await;
    proxy.refuse(false);
    let lines = view.until(2_001).await;
    let expect: Vec<String> = (1..=2_000).map(|n| n.to_string()).chain(["done".to_owned()]).collect();
    assert!(texts(&lines, "stdout") == expect, "{:?}", texts(&lines, "stdout"));
    assert!(console.stats.reconnects.load(std::sync::atomic::Ordering::Relaxed) >= 1);
}

#[tokio::test]
async fn a_second_console_finds_the_same_ids_for_what_came_before_it() {
    let _container = Running::start("again", &[], "seq 1 300; seq 1 100 >&2; sleep 60");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let console = Console::start(LOCAL);
        // They were there before it: counted, not shown as live, and found by a search.
        let counted = || {
            console
                .logs
                .services()
                .iter()
                .find(|one| one.key.name == "again")
                .map(|one| console.hub.tally(&one.key, model::Timestamp(0)).lines)
        };
        engine::eventually("all lines are counted", || counted() == Some(400)).await;
        let plan = console.plan("again", Direction::Forward, 1_000, None, Filter::default());
        let batch = console.logs.search(&plan).await.expect("the engine answers");
        seen.push(batch.lines.iter().map(|line| line.id).collect::<Vec<EntryId>>());
    }
    assert_eq!(seen[0].len(), 400);
    assert!(seen[0] == seen[1]);
}

#[tokio::test]
async fn what_cannot_be_followed_is_listed_and_explained() {
    let console = Console::start(LOCAL);
    let _container = Running::start("mute", &["--log-driver", "none"], "echo unheard; sleep 60");
    engine::eventually("the service is listed", || !services_named(&*console.logs, "mute").is_empty()).await;
    let error = console.logs.search(&console.plan("mute", Direction::Backward, 10, None, Filter::default())).await.unwrap_err();
    assert!(error.to_string().contains("its log driver is `none`"), "{error}");
    assert!(console.logs.part().detail.contains("docaiche-test-mute (none)"), "{}", console.logs.part().detail);
}

#[tokio::test]
async fn an_engine_that_comes_later_is_picked_up() {
    image();
    let proxy = Proxy::start("/var/run/docker.sock");
    proxy.refuse(true);
    let console = Console::start(&proxy.address());
    engine::eventually("the part tells why", || console.logs.part().detail.contains("does not answer")).await;
    let _container = Running::start("later", &[], "echo hello; sleep 60");
    proxy.refuse(false);
    assert_eq!(&*console.watch("later").until(1).await[0].text, "hello");
    assert_eq!(console.logs.part().detail, "");
}
