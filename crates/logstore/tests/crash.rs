//! The power goes at every operation in turn; disks run full, turn read-only, fail. What was acknowledged is there once.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io;

use common::{Put, SECOND, Twin, append, everything, open, read, tiny};
use logstore::{AppendError, Config, Outcome, Sync, fs::testing::TestFs};

fn puts(from: i64, count: i64) -> Vec<Put> {
    let put = |i: i64| Put {
        stream: ["web", "db"][(i % 2) as usize],
        // Some late, some in the same nanosecond.
        at: 100 + if i % 5 == 0 { i - 4 } else { i / 2 * 2 },
        line: format!("line {i} user={} {}", i % 7, "x".repeat((i % 40) as usize)),
        meta: (i % 3 == 0).then_some("m"),
    };
    (from..from + count).map(put).collect()
}

/// Appends, seals, merges. Gives what was acknowledged and the batch that may or may not be there.
fn work(fs: &TestFs, config: &Config) -> (Twin, Option<Vec<Put>>) {
    let mut twin = Twin::default();
    let Ok((store, _)) = logstore::Store::open(std::path::Path::new(common::DIR), config.clone(), std::sync::Arc::new(fs.clone())) else {
        return (twin, None);
    };
    let mut now = 0;
    for round in 0..14 {
        now += 30 * SECOND;
        let batch = puts(round * 20, 20);
        match append(&store, &batch, now) {
            Ok(outcomes) => assert_eq!(outcomes, twin.append(&batch)),
            Err(_) => return (twin, Some(batch)),
        }
        store.maintain(now);
        if round % 3 == 2 {
            let _ = store.seal_all(now);
        }
        let _ = store.compact(now, u64::MAX);
    }
    (twin, None)
}

fn check(fs: &TestFs, config: &Config, twin: &Twin, open_batch: Option<&[Put]>, context: &str) {
    let (store, recovery) = open(fs, config.clone());
    assert_eq!(recovery.damaged, Vec::<String>::new(), "{context}");
    let found = read(&store, &everything());
    let mut with = twin.clone();
    if let Some(batch) = open_batch {
        with.append(batch);
    }
    let (least, most) = (twin.read(0, i64::MAX, |_| true), with.read(0, i64::MAX, |_| true));
    assert!(
        found == least || found == most,
        "{context}: {} lines, acknowledged {}, with the open batch {}",
        found.len(),
        least.len(),
        most.len()
    );
    // Whoever got no answer sends again.
    let mut now = 10_000 * SECOND;
    if let Some(batch) = open_batch {
        append(&store, batch, now).unwrap();
        assert_eq!(read(&store, &everything()), most, "{context}: sent again");
    }
    let more = puts(1000, 5);
    assert_eq!(append(&store, &more, now).unwrap(), with.append(&more));
    now += SECOND;
    store.seal_all(now).unwrap();
    drop(store);
    let (store, _) = open(fs, config.clone());
    assert_eq!(read(&store, &everything()), with.read(0, i64::MAX, |_| true), "{context}: and once more");
}

#[test]
fn every_acknowledged_line_is_there_exactly_once_wherever_the_power_goes() {
    let fs = TestFs::default();
    let (twin, open_batch) = work(&fs, &tiny());
    assert!(open_batch.is_none());
    let ops = fs.ops();
    assert!(fs.files().iter().any(|path| path.extension().is_some_and(|kind| kind == "pack")), "{:?}", fs.files());
    check(&fs, &tiny(), &twin, None, "without a crash");
    for op in 1..=ops {
        {
            // Un-synced bytes that reached the disk all the same: none, a few, all.
            let keep = [0, 7, usize::MAX][op as usize % 3];
            let fs = TestFs::default();
            fs.die_at(op);
            let (twin, open_batch) = work(&fs, &tiny());
            fs.lose_power(|_| keep);
            check(&fs, &tiny(), &twin, open_batch.as_deref(), &format!("operation {op} of {ops}, {keep} bytes kept"));
        }
    }
}

#[test]
fn a_failing_operation_costs_no_acknowledged_line() {
    let clean = TestFs::default();
    work(&clean, &tiny());
    for op in 1..=clean.ops() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::Other] {
            let fs = TestFs::default();
            let (store, _) = open(&fs, tiny());
            fs.fail_at(op, kind);
            let mut twin = Twin::default();
            let mut now = 0;
            for round in 0..10 {
                now += 30 * SECOND;
                let batch = puts(round * 20, 20);
                // Resumes by itself: the second try succeeds.
                let outcomes = append(&store, &batch, now).or_else(|_| append(&store, &batch, now)).unwrap();
                assert_eq!(outcomes, twin.append(&batch), "operation {op}");
                store.maintain(now);
                let _ = store.seal_all(now);
                let _ = store.compact(now, u64::MAX);
                assert_eq!(read(&store, &everything()), twin.read(0, i64::MAX, |_| true), "operation {op}, live");
            }
            drop(store);
            fs.lose_power(|_| usize::MAX);
            check(&fs, &tiny(), &twin, None, &format!("operation {op} failed with {kind:?}"));
        }
    }
}

#[test]
fn a_full_disk_refuses_and_resumes_when_space_returns() {
    let fs = TestFs::default();
    let (store, _) = open(&fs, tiny());
    let mut twin = Twin::default();
    let first = puts(0, 20);
    assert_eq!(append(&store, &first, 0).unwrap(), twin.append(&first));
    fs.set_capacity(Some(fs.used() + 300));
    for round in 1..50 {
        assert_eq!(append(&store, &puts(round * 20, 20), 0), Err(AppendError::Full));
    }
    assert_eq!(store.status().failing, Some(AppendError::Full));
    assert!(fs.files().len() < 10, "failed attempts leave no files: {:?}", fs.files());
    assert_eq!(read(&store, &everything()), twin.read(0, i64::MAX, |_| true));
    fs.set_capacity(None);
    let more = puts(20, 20);
    assert_eq!(append(&store, &more, 0).unwrap(), twin.append(&more));
    assert_eq!(store.status().failing, None);
    drop(store);
    fs.lose_power(|_| 0);
    check(&fs, &tiny(), &twin, None, "after a full disk");
}

#[test]
fn a_read_only_disk_is_readable_and_says_so() {
    let fs = TestFs::default();
    let (twin, _) = work(&fs, &tiny());
    fs.set_read_only(true);
    let (store, _) = open(&fs, tiny());
    assert_eq!(read(&store, &everything()), twin.read(0, i64::MAX, |_| true));
    assert_eq!(append(&store, &puts(5000, 2), 0), Err(AppendError::ReadOnly));
    fs.set_read_only(false);
    assert_eq!(append(&store, &puts(5000, 2), 0), Ok(vec![Outcome::Stored(0), Outcome::Stored(0)]));
}

#[test]
fn with_an_interval_what_a_failed_fsync_lost_goes_into_blocks() {
    let config = Config { sync: Sync::Interval { nanos: SECOND }, ..tiny() };
    let fs = TestFs::default();
    let (store, _) = open(&fs, config.clone());
    let mut twin = Twin::default();
    let batch = puts(0, 20);
    assert_eq!(append(&store, &batch, 0).unwrap(), twin.append(&batch));
    fs.fail_at(fs.ops() + 1, io::ErrorKind::Other);
    store.maintain(2 * SECOND);
    drop(store);
    fs.lose_power(|_| 0);
    check(&fs, &config, &twin, None, "after a failed fsync");
}

#[test]
fn a_log_that_fills_memory_more_than_once_is_replayed_whole() {
    // Blocks could not be written for a while: the log has more than memory may have.
    let roomy = Config { head_bytes: 1 << 20, wal_bytes: 1 << 20, ..tiny() };
    let fs = TestFs::default();
    let (store, _) = open(&fs, roomy);
    for n in 0..80 {
        let batch: Vec<Put> =
            (0..20).map(|i| Put { stream: "web", at: n * SECOND + i, line: format!("{n} {i} {:040}", n * i), meta: None }).collect();
        append(&store, &batch, n * SECOND).unwrap();
    }
    let lines = read(&store, &everything());
    assert_eq!(lines.len(), 1_600);
    drop(store);
    fs.lose_power(|_| 0);
    for _ in 0..2 {
        let (store, recovery) = open(&fs, tiny());
        assert_eq!(recovery.damaged, Vec::<String>::new());
        assert_eq!(read(&store, &everything()), lines);
        drop(store);
        fs.lose_power(|_| 0);
    }
}
