use std::sync::Arc;

use model::{Labels, Level, StreamState, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::source::Stream;

fn key(name: &str) -> ServiceKey {
    ServiceKey { host: "local".into(), project: None, name: name.into(), kind_file: false }
}

fn stream(name: &str) -> Arc<Stream> {
    Arc::new(Stream::new(key(name), Labels::from([("service", name)])))
}

fn line(stream: &Arc<Stream>, at: i64) -> Arc<Line> {
    let id = EntryId { at: Timestamp(at), stream: stream.hash, ordinal: 0 };
    Arc::new(Line { id, stream: stream.clone(), text: format!("line {at}").into(), level: Level::Info, group: id })
}

async fn soon(subscription: &mut Subscription) -> Option<LiveItem> {
    tokio::time::timeout(Duration::from_secs(2), subscription.next()).await.ok()
}

/// Reads until nothing comes: ids received, and lines told as dropped.
async fn drain(subscription: &mut Subscription) -> (Vec<EntryId>, u64) {
    let (mut ids, mut dropped) = (Vec::new(), 0);
    while let Some(item) = soon(subscription).await {
        match item {
            LiveItem::Frame(frame) => ids.extend(frame.lines.iter().map(|line| line.id)),
            LiveItem::Gap { dropped: more, from, to } => {
                assert!(from <= to);
                dropped += more;
            }
            LiveItem::State(_) => {}
        }
    }
    (ids, dropped)
}

#[tokio::test(start_paused = true)]
async fn a_viewer_gets_each_line_of_its_service_once_and_in_order() {
    let hub = Arc::new(Hub::default());
    let (web, db) = (stream("web"), stream("db"));
    let mut viewer = hub.subscribe(Selector::parse(["web"]).unwrap(), Arc::default());
    for at in 0..500 {
        hub.publish(&[line(&web, at), line(&db, at)], Timestamp(at));
        if at % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(120)).await;
        }
    }
    let (ids, dropped) = drain(&mut viewer).await;
    assert_eq!(ids.iter().map(|id| id.at.0).collect::<Vec<_>>(), (0..500).collect::<Vec<_>>());
    assert_eq!(dropped, 0);
}

#[tokio::test(start_paused = true)]
async fn viewers_of_one_view_share_one_topic_and_its_frames() {
    let hub = Arc::new(Hub::default());
    let web = stream("web");
    let mut viewers: Vec<_> = (0..200).map(|_| hub.subscribe(Selector::parse(["web"]).unwrap(), Arc::default())).collect();
    assert_eq!((hub.totals().topics, hub.totals().viewers), (1, 200));
    hub.publish(&[line(&web, 1)], Timestamp(1));
    let mut frames = Vec::new();
    for viewer in &mut viewers {
        loop {
            match soon(viewer).await {
                Some(LiveItem::Frame(frame)) => break frames.push(frame),
                Some(_) => {}
                None => panic!("no frame came"),
            }
        }
    }
    assert!(frames.iter().all(|frame| Arc::ptr_eq(frame, &frames[0])));
    drop(viewers);
    assert_eq!((hub.totals().topics, hub.totals().viewers), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn states_reach_viewers_and_the_worst_one_wins() {
    let hub = Arc::new(Hub::default());
    hub.set_state(&key("web"), StreamState::Live);
    hub.set_state(&key("db"), StreamState::Live);
    let mut viewer = hub.subscribe(Selector::parse(["web", "db"]).unwrap(), Arc::default());
    let mut expect = async |state| match soon(&mut viewer).await {
        Some(LiveItem::State(told)) => assert_eq!(told, state),
        _ => panic!("no state came"),
    };
    expect(StreamState::Live).await;
    hub.set_state(&key("web"), StreamState::Reconnecting);
    expect(StreamState::Reconnecting).await;
    hub.set_state(&key("web"), StreamState::Ended);
    expect(StreamState::Live).await;
    hub.set_state(&key("db"), StreamState::Ended);
    expect(StreamState::Ended).await;
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_never_reads_costs_a_bounded_queue_and_learns_what_it_missed() {
    let hub = Arc::new(Hub::default());
    let web = stream("web");
    let mut lazy = hub.subscribe(Selector::parse(["web"]).unwrap(), Arc::default());
    for round in 0..200 {
        hub.publish(&(0..50).map(|n| line(&web, round * 50 + n)).collect::<Vec<_>>(), Timestamp(0));
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert!(lock(&lazy.topic.viewers).values().all(|viewer| viewer.queue.len() <= QUEUE));
    let (ids, dropped) = drain(&mut lazy).await;
    assert_eq!(ids.len() as u64 + dropped, 10_000);
    assert!(dropped > 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// However lines, pauses and reads fall, every published line is either received or told as dropped.
    #[test]
    fn nothing_is_lost_untold(steps in prop::collection::vec((0usize..1_500, 0u64..400, 0usize..4), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let hub = Arc::new(Hub::default());
            let web = stream("web");
            let mut viewer = hub.subscribe(Selector::All, Arc::default());
            let (mut next, mut received, mut dropped) = (0i64, Vec::new(), 0);
            for (lines, wait_ms, reads) in steps {
                let batch: Vec<_> = (0..lines).map(|_| { next += 1; line(&web, next) }).collect();
                hub.publish(&batch, Timestamp(0));
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                for _ in 0..reads {
                    match tokio::time::timeout(Duration::from_millis(1), viewer.next()).await {
                        Ok(LiveItem::Frame(frame)) => received.extend(frame.lines.iter().map(|line| line.id)),
                        Ok(LiveItem::Gap { dropped: more, .. }) => dropped += more,
                        Ok(LiveItem::State(_)) | Err(_) => {}
                    }
                }
            }
            let (rest, more) = drain(&mut viewer).await;
            received.extend(rest);
            dropped += more;
            prop_assert!(received.is_sorted());
            prop_assert_eq!(received.len() as u64 + dropped, next as u64);
            Ok(())
        })?;
    }
}
