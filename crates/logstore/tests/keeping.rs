//! Retention, snapshots, many writers at once, limits.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicI64, Ordering},
};

use common::{Put, SECOND, Twin, append, everything, open, read, tiny};
use logql::{
    ast::{MatchOp, Matcher, Span},
    matcher::LabelMatcher,
    read::{Ask, Need, Part, Source},
};
use logstore::{
    Config, Outcome, Refused, Store,
    fs::{RealFs, testing::TestFs},
};

fn put(stream: &'static str, at: i64, line: impl Into<String>) -> Put {
    Put { stream, at, line: line.into(), meta: None }
}

#[test]
fn what_is_older_than_the_retention_goes_and_does_not_come_back() {
    let config = Config { retain_ns: Some(100 * SECOND), ..tiny() };
    let fs = TestFs::default();
    let (store, _) = open(&fs, config.clone());
    for minute in 0..10 {
        let now = minute * 60 * SECOND;
        let batch: Vec<Put> = (0..20).map(|i| put(["web", "db"][i % 2], now + i as i64, format!("{minute} {i}"))).collect();
        append(&store, &batch, now).unwrap();
        // One stream keeps the log from being trimmed.
        append(&store, &[put("job", now, "x")], now).unwrap();
        store.seal_all(now).unwrap();
        store.retain(now).unwrap();
    }
    let now = 9 * 60 * SECOND;
    assert!(store.oldest().unwrap() >= now - 160 * SECOND, "{:?}", store.oldest());
    assert_eq!(append(&store, &[put("web", now - 200 * SECOND, "late")], now), Ok(vec![Outcome::Refused(Refused::TooOld)]));
    assert!(store.status().ingested.removed_lines >= 100);
    let kept = read(&store, &everything());
    assert!(kept.len() <= 63, "{}", kept.len());
    drop(store);
    fs.lose_power(|_| 0);
    let (store, _) = open(&fs, config);
    assert_eq!(read(&store, &everything()), kept);
    store.retain(now + 1000 * SECOND).unwrap();
    assert_eq!(store.status().streams, 0, "streams without lines are forgotten");
    assert!(store.label_names(&[], 0, i64::MAX).is_empty());
}

#[test]
fn the_oldest_go_when_the_files_take_too_much() {
    let config = Config { retain_bytes: Some(30_000), pack_bytes: 4096, ..tiny() };
    let fs = TestFs::default();
    let (store, _) = open(&fs, config);
    for i in 0..400 {
        let batch: Vec<Put> = (0..10)
            .map(|j| put("web", i * 10 + j, format!("{i} {j} {:x}", (i * 10 + j).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64))))
            .collect();
        append(&store, &batch, i).unwrap();
        if i % 10 == 9 {
            store.seal_all(i).unwrap();
            store.maintain(i);
        }
    }
    let status = store.status();
    assert!(status.disk_bytes + status.wal_bytes <= 36_000, "{status:?}");
    let kept = read(&store, &everything());
    assert!(!kept.is_empty() && kept.len() < 4000);
    assert_eq!(kept.last().unwrap().1, 3999, "the newest stay");
    assert_eq!(kept.len() as i64, 4000 - kept[0].1, "without a hole");
}

#[test]
fn a_snapshot_does_not_change_while_everything_under_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { retain_ns: Some(1000 * SECOND), ..tiny() };
    let (store, _) = Store::open(dir.path(), config, std::sync::Arc::new(RealFs)).unwrap();
    for i in 0..20 {
        let batch: Vec<Put> = (0..10).map(|j| put("web", i * 10 + j, format!("{i} {j}"))).collect();
        append(&store, &batch, 0).unwrap();
        if i % 3 == 0 {
            store.seal_all(0).unwrap();
        }
    }
    let ask = everything();
    let parts = store.parts(&ask).unwrap();
    append(&store, &[put("web", 5, "later")], 0).unwrap();
    store.seal_all(0).unwrap();
    while store.compact(0, u64::MAX).unwrap() > 0 {}
    store.retain(5000 * SECOND).unwrap();
    assert_eq!(read(&store, &everything()), vec![]);
    let mut count = 0;
    for part in &parts {
        part.read(&ask, Need { text: true, metadata: false }, &mut |row| {
            assert_ne!(row.line, "later");
            count += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    assert_eq!(count, 200);
}

#[test]
fn many_writers_share_a_disk_and_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Store::open(dir.path(), Config { head_bytes: 64 << 10, ..tiny() }, std::sync::Arc::new(RealFs)).unwrap();
    let (store, _) = open();
    let now = AtomicI64::new(0);
    std::thread::scope(|scope| {
        for writer in 0..4_i64 {
            let (store, now) = (&store, &now);
            scope.spawn(move || {
                for i in 0..100 {
                    let stream = ["web", "db"][(writer % 2) as usize];
                    let batch: Vec<Put> = (0..10).map(|j| put(stream, i, format!("{writer} {i} {j}"))).collect();
                    let outcomes = append(store, &batch, now.fetch_add(1, Ordering::Relaxed)).unwrap();
                    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Stored(_))));
                }
            });
        }
        let (store, now) = (&store, &now);
        scope.spawn(move || {
            for _ in 0..50 {
                store.maintain(now.load(Ordering::Relaxed));
                let found = read(store, &everything());
                let mut ids: Vec<_> = found.iter().map(|line| (&line.0, line.1, line.2)).collect();
                ids.dedup();
                assert_eq!(ids.len(), found.len(), "an id is given once");
            }
        });
    });
    let found = read(&store, &everything());
    assert_eq!(found.len(), 4000);
    drop(store);
    assert_eq!(read(&open().0, &everything()), found);
}

#[test]
fn the_65_537th_line_of_a_nanosecond_is_refused() {
    let fs = TestFs::default();
    let (store, _) =
        open(&fs, Config { block_bytes: 1 << 20, head_bytes: 64 << 20, wal_segment_bytes: 1 << 20, wal_bytes: 1 << 30, ..tiny() });
    let batch: Vec<Put> = (0..65_536 + 2).map(|i| put("web", 7, format!("{i}"))).collect();
    let labels = common::labels("web");
    let entries: Vec<logstore::NewEntry<'_>> =
        batch.iter().map(|put| logstore::NewEntry { at: put.at, ordinal: None, line: &put.line, metadata: &[] }).collect();
    let outcomes = store.append(&[logstore::StreamBatch { labels: &labels, entries: &entries }], 0).unwrap().outcomes;
    assert_eq!(outcomes[65_535], Outcome::Stored(65_535));
    assert_eq!(outcomes[65_536..], [Outcome::Refused(Refused::NanosecondFull); 2]);
    store.seal_all(0).unwrap();
    assert_eq!(append(&store, &batch[..1], 0), Ok(vec![Outcome::Duplicate]));
    assert_eq!(append(&store, &[put("web", 7, "new")], 0), Ok(vec![Outcome::Refused(Refused::NanosecondFull)]));
    assert_eq!(store.status().ingested.refused[&Refused::NanosecondFull], 3);
}

#[test]
fn labels_series_and_volumes_follow_time_and_matchers() {
    let fs = TestFs::default();
    let (store, _) = open(&fs, tiny());
    let mut twin = Twin::default();
    let batch = [put("web", 10, "one"), put("db", 20, "three"), put("web", 30, "fifteen")];
    assert_eq!(append(&store, &batch, 0).unwrap(), twin.append(&batch));
    store.seal_all(0).unwrap();
    append(&store, &[put("job", 40, "x")], 0).unwrap();
    let values = |start, end| store.label_values("app", &[], start, end).into_iter().collect::<Vec<_>>();
    assert_eq!(values(0, 100), ["db", "job", "web"]);
    assert_eq!(values(20, 21), ["db", "web"], "by the bounds of blocks");
    assert_eq!(values(40, 41), ["job"]);
    assert_eq!(store.label_names(&[], 0, 100).into_iter().collect::<Vec<_>>(), ["app", "env"]);
    let matcher =
        |op, value: &str| vec![LabelMatcher::new(&Matcher { span: Span::default(), name: "app".into(), op, value: value.into() }).unwrap()];
    assert_eq!(store.series(&matcher(MatchOp::Regex, "w.*|j.*"), 0, 100).len(), 2);
    assert_eq!(store.series(&matcher(MatchOp::NotEqual, "web"), 0, 100).len(), 2);
    assert_eq!(store.series(&matcher(MatchOp::Equal, "nobody"), 0, 100).len(), 0);
    let volumes = store.volumes(&matcher(MatchOp::Equal, "web"), 11, 100).unwrap();
    assert_eq!(volumes.iter().map(|volume| (volume.lines, volume.bytes)).collect::<Vec<_>>(), [(1, 7)], "counted, not guessed");
    assert_eq!(store.oldest(), Some(10));
    let only = Ask { stream: Some(common::labels("db").hash64()), ..everything() };
    assert_eq!(read(&store, &only).len(), 1);
}

#[test]
fn a_second_process_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let first = Store::open(dir.path(), tiny(), std::sync::Arc::new(RealFs)).unwrap();
    assert!(matches!(Store::open(dir.path(), tiny(), std::sync::Arc::new(RealFs)), Err(logstore::OpenError::InUse { .. })));
    drop(first);
    assert!(Store::open(dir.path(), tiny(), std::sync::Arc::new(RealFs)).is_ok());
}

#[test]
fn mere_duplicates_do_not_hide_the_next_record() {
    let fs = TestFs::default();
    let (store, _) = open(&fs, tiny());
    append(&store, &[put("web", 1, "a")], 0).unwrap();
    assert_eq!(append(&store, &[put("web", 1, "a")], 0), Ok(vec![Outcome::Duplicate]));
    store.seal_all(0).unwrap();
    append(&store, &[put("web", 2, "b")], 0).unwrap();
    drop(store);
    fs.lose_power(|_| 0);
    assert_eq!(read(&open(&fs, tiny()).0, &everything()).len(), 2);
}

#[test]
fn what_would_make_a_block_unreadable_is_refused_or_split() {
    let fs = TestFs::default();
    let config = Config { head_bytes: 256 << 20, wal_bytes: 1 << 30, wal_segment_bytes: 1 << 30, block_bytes: 1 << 20, ..tiny() };
    let (store, _) = open(&fs, config.clone());
    let long = "v".repeat(70_000);
    let labels = common::labels("web");
    let one = |labels: &model::Labels, metadata: &[(&str, &str)], at| {
        let entries = [logstore::NewEntry { at, ordinal: None, line: "x", metadata }];
        store.append(&[logstore::StreamBatch { labels, entries: &entries }], 0).unwrap().outcomes[0]
    };
    assert_eq!(one(&model::Labels::from([("app", long.as_str())]), &[], 1), Outcome::Refused(Refused::LabelsTooLong));
    assert_eq!(one(&labels, &[("m", &long)], 1), Outcome::Refused(Refused::MetadataTooLong));
    for at in 0..700 {
        let value = format!("{at}{}", &long[..60_000]);
        assert_eq!(one(&labels, &[("m", &value)], at), Outcome::Stored(0));
    }
    store.seal_all(0).unwrap();
    assert!(store.status().blocks > 1);
    drop(store);
    let (store, _) = open(&fs, config);
    assert_eq!(read(&store, &everything()).len(), 700);
}

#[test]
fn retention_makes_room_on_a_full_disk() {
    let fs = TestFs::default();
    let (store, _) = open(&fs, Config { retain_ns: Some(100 * SECOND), ..tiny() });
    append(&store, &[put("web", 1, "a".repeat(1000))], 0).unwrap();
    append(&store, &[put("db", 1, "keeps the log")], 0).unwrap();
    store.seal_all(0).unwrap();
    fs.set_capacity(Some(fs.used()));
    assert!(append(&store, &[put("web", 2, "b")], 0).is_err());
    let _ = store.retain(1000 * SECOND);
    append(&store, &[put("web", 1000 * SECOND, "b")], 1000 * SECOND).unwrap();
}

#[test]
fn a_large_batch_takes_less_in_the_log_than_its_lines_and_comes_back() {
    let fs = TestFs::default();
    let (store, _) = open(&fs, Config { wal_segment_bytes: 1 << 20, wal_bytes: 4 << 20, ..tiny() });
    let mut twin = Twin::default();
    let batch: Vec<Put> = (0..300).map(|i| put("web", i, format!("GET /api/orders/{i} 200"))).collect();
    assert_eq!(append(&store, &batch, SECOND).unwrap(), twin.append(&batch));
    let raw: usize = batch.iter().map(|put| put.line.len()).sum();
    assert!(store.status().wal_bytes < raw as u64 / 2, "{} bytes of log for {raw} of lines", store.status().wal_bytes);
    drop(store);
    fs.lose_power(|_| 0);
    let (store, recovery) = open(&fs, tiny());
    assert_eq!((recovery.replayed_lines, recovery.damaged), (300, Vec::<String>::new()));
    assert_eq!(read(&store, &everything()), twin.read(0, i64::MAX, |_| true));
}

#[test]
fn what_a_rush_left_in_memory_goes_into_blocks_when_it_is_quiet() {
    let fs = TestFs::default();
    let (store, _) = open(&fs, Config { wal_bytes: 4 << 20, ..tiny() });
    let mut twin = Twin::default();
    let batch: Vec<Put> = (0..100).map(|i| put("web", i, format!("GET /api/orders/{i} 200"))).collect();
    assert_eq!(append(&store, &batch, SECOND).unwrap(), twin.append(&batch));
    for second in 1..11 {
        assert_eq!(store.maintain(second * SECOND).sealed_bytes, 0, "{second}");
    }
    assert!(store.maintain(11 * SECOND).sealed_bytes > 0);
    assert_eq!((store.status().head_bytes, read(&store, &everything())), (0, twin.read(0, i64::MAX, |_| true)));
    // A few lines stay: a block of them would be none.
    let few = [put("web", 1_000, "one more")];
    assert_eq!(append(&store, &few, 12 * SECOND).unwrap(), twin.append(&few));
    for second in 12..40 {
        assert_eq!(store.maintain(second * SECOND).sealed_bytes, 0, "{second}");
    }
    assert_eq!(read(&store, &everything()), twin.read(0, i64::MAX, |_| true));
}
