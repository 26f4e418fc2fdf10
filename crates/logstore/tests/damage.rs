//! A flipped byte in each kind of file costs only itself, is reported, and the store opens without hands.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{collections::BTreeSet, ops::ControlFlow, path::PathBuf};

use common::{DIR, Line, Put, SECOND, Twin, append, everything, open, read, tiny};
use logql::read::{Need, Part, ReadError, Source};
use logstore::{OpenError, Store, fs::testing::TestFs};

/// Every so many-th byte; a prime, so that all kinds of places are met. With 1 it takes minutes.
const STEP: usize = 7;

fn puts(from: i64, count: i64) -> Vec<Put> {
    let line = |i: i64| format!("line {i} user={} {}", i % 7, "y".repeat((i % 30) as usize));
    (from..from + count)
        .map(|i| Put { stream: ["web", "db"][(i % 2) as usize], at: 100 + i, line: line(i), meta: (i % 3 == 0).then_some("m") })
        .collect()
}

/// What can be read, and how many parts were damaged.
fn read_good(store: &Store) -> (Vec<Line>, usize) {
    let ask = everything();
    let (mut lines, mut damaged) = (Vec::new(), 0);
    for part in store.parts(&ask).unwrap() {
        let stream = part.stream().labels.get("app").unwrap().to_owned();
        let mut own = Vec::new();
        let outcome = part.read(&ask, Need { text: true, metadata: true }, &mut |row| {
            let metadata = row.metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            own.push((stream.clone(), row.at, row.ordinal, row.line.to_owned(), metadata));
            ControlFlow::Continue(())
        });
        match outcome {
            Ok(_) => {}
            Err(ReadError::Damaged(_)) => damaged += 1,
            Err(error) => panic!("{error}"),
        }
        lines.append(&mut own);
    }
    lines.sort();
    (lines, damaged)
}

fn files(fs: &TestFs, kind: &str) -> Vec<PathBuf> {
    let inside = PathBuf::from(DIR);
    fs.files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|found| found == kind) && !path.starts_with(inside.join("damaged")))
        .collect()
}

/// Some lines in two packs, some only in the log.
fn filled() -> (TestFs, Twin) {
    let fs = TestFs::default();
    let (store, _) = open(&fs, tiny());
    let mut twin = Twin::default();
    for round in 0..6 {
        let batch = puts(round * 20, 20);
        assert_eq!(append(&store, &batch, SECOND).unwrap(), twin.append(&batch));
        if round == 1 || round == 3 {
            store.seal_all(SECOND).unwrap();
        }
    }
    (fs, twin)
}

#[test]
fn a_flipped_byte_in_a_pack_costs_one_block_at_most() {
    let (fs, twin) = filled();
    let path = files(&fs, "pack")[0].clone();
    let all: BTreeSet<Line> = twin.read(0, i64::MAX, |_| true).into_iter().collect();
    for byte in (0..fs.file_len(&path)).step_by(STEP) {
        let (fs, _) = filled();
        fs.damage(&path, |bytes| bytes[byte] ^= 0x10);
        let (store, recovery) = open(&fs, tiny());
        let (found, damaged) = read_good(&store);
        let found: BTreeSet<Line> = found.into_iter().collect();
        assert!(found.is_subset(&all), "byte {byte}");
        let lost = all.len() - found.len();
        assert!(damaged <= 1 && lost <= 12, "byte {byte}: {lost} lines lost, {damaged} parts damaged");
        assert_eq!(lost > 0, damaged > 0, "byte {byte}: {lost} lines lost without a word");
        if lost > 0 {
            assert_eq!(store.status().damage.lines, lost as u64, "byte {byte}");
        }
        // The damaged block is not tried again, the file is written anew, the old one kept aside.
        let (again, damaged) = read_good(&store);
        assert_eq!((again.into_iter().collect::<BTreeSet<_>>(), damaged), (found.clone(), 0), "byte {byte}");
        assert_eq!(store.maintain(2 * SECOND).trouble, Vec::<String>::new());
        let known = lost > 0 || !recovery.damaged.is_empty();
        assert_eq!(known, fs.files().iter().any(|file| file.starts_with(PathBuf::from(DIR).join("damaged"))), "byte {byte}");
        assert_eq!(read(&store, &everything()).into_iter().collect::<BTreeSet<_>>(), found, "byte {byte}, repaired");
        drop(store);
        fs.lose_power(|_| 0);
        let (store, recovery) = open(&fs, tiny());
        if known {
            assert_eq!(recovery.damaged, Vec::<String>::new(), "byte {byte}");
        }
        assert_eq!(read(&store, &everything()).into_iter().collect::<BTreeSet<_>>(), found, "byte {byte}, opened again");
    }
}

#[test]
fn a_flipped_byte_in_the_log_costs_one_record_at_most() {
    let (fs, twin) = filled();
    let all: BTreeSet<Line> = twin.read(0, i64::MAX, |_| true).into_iter().collect();
    for path in files(&fs, "wal") {
        for byte in (0..fs.file_len(&path)).step_by(STEP) {
            let (fs, _) = filled();
            fs.damage(&path, |bytes| bytes[byte] ^= 0x10);
            let (store, recovery) = open(&fs, tiny());
            let found: BTreeSet<Line> = read(&store, &everything()).into_iter().collect();
            let lost = all.difference(&found).count();
            assert!(found.is_subset(&all) && lost <= 20, "byte {byte} of {path:?}: {lost} lines lost");
            if lost > 0 {
                assert!(recovery.damaged_log_bytes + recovery.torn_bytes > 0, "byte {byte} of {path:?}: lost without a word");
            }
            // New lines are safe all the same.
            let mut twin = Twin::default();
            let more = puts(5000, 4);
            assert_eq!(append(&store, &more, SECOND).unwrap(), twin.append(&more));
            drop(store);
            fs.lose_power(|_| 0);
            let (store, _) = open(&fs, tiny());
            let mut expect = found;
            expect.extend(twin.read(0, i64::MAX, |_| true));
            assert_eq!(read(&store, &everything()).into_iter().collect::<BTreeSet<_>>(), expect, "byte {byte} of {path:?}, opened again");
        }
    }
}

#[test]
fn a_flipped_byte_in_the_format_is_mended_and_a_newer_format_refused() {
    let (fs, twin) = filled();
    let path = PathBuf::from(DIR).join("FORMAT");
    for byte in 0..fs.file_len(&path) {
        let (fs, _) = filled();
        fs.damage(&path, |bytes| bytes[byte] ^= 0x01);
        let (store, _) = open(&fs, tiny());
        assert_eq!(read(&store, &everything()), twin.read(0, i64::MAX, |_| true), "byte {byte}");
        drop(store);
        assert_eq!(open(&fs, tiny()).1.damaged, Vec::<String>::new(), "byte {byte}: mended");
    }
    set_format(&fs, 3);
    let outcome = Store::open(std::path::Path::new(DIR), tiny(), std::sync::Arc::new(fs.clone()));
    assert!(matches!(outcome, Err(OpenError::Newer { found: 3, known: 2, .. })));
}

fn set_format(fs: &TestFs, format: u32) {
    let line = format!("docaiche logs, format {format}");
    let sum = xxhash_rust::xxh3::xxh3_64(line.as_bytes());
    fs.damage(&PathBuf::from(DIR).join("FORMAT"), |bytes| *bytes = format!("{line}, {sum:016x}\n").into_bytes());
}

#[test]
fn a_store_of_the_first_format_becomes_one_of_the_second() {
    let (fs, twin) = filled();
    let format = || {
        let mut copy = Vec::new();
        fs.damage(&PathBuf::from(DIR).join("FORMAT"), |bytes| copy.clone_from(bytes));
        copy
    };
    let second = format();
    set_format(&fs, 1);
    let (store, recovery) = open(&fs, tiny());
    assert_eq!((recovery.damaged, format()), (Vec::<String>::new(), second));
    assert_eq!(read(&store, &everything()), twin.read(0, i64::MAX, |_| true));
}

#[test]
fn a_pack_that_is_rubbish_or_cut_short_is_set_aside() {
    let (clean, twin) = filled();
    let path = files(&clean, "pack")[0].clone();
    let all: BTreeSet<Line> = twin.read(0, i64::MAX, |_| true).into_iter().collect();
    for len in (0..clean.file_len(&path)).step_by(13) {
        let (fs, _) = filled();
        fs.damage(&path, |bytes| bytes.truncate(len));
        let (store, recovery) = open(&fs, tiny());
        assert_eq!(recovery.damaged.len(), 1, "{len}");
        let (found, _) = read_good(&store);
        assert!(found.into_iter().collect::<BTreeSet<_>>().is_subset(&all), "{len}");
        store.maintain(SECOND);
        drop(store);
        assert_eq!(open(&fs, tiny()).1.damaged, Vec::<String>::new(), "{len}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 2000, ..Default::default() })]

    #[test]
    fn readers_survive_any_change(at: proptest::prelude::prop::sample::Index, to: u8, cut: proptest::prelude::prop::sample::Index, noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        thread_local! { static FILES: (Vec<u8>, Vec<u8>) = {
            let (fs, _) = filled();
            let take = |kind: &str| { let mut out = Vec::new(); fs.damage(&files(&fs, kind)[0], |bytes| out.clone_from(bytes)); out };
            (take("pack"), take("wal"))
        } }
        FILES.with(|(pack, log)| {
            let changed = |bytes: &Vec<u8>| { let mut bytes = bytes.clone(); let place = at.index(bytes.len()); bytes[place] = to; bytes.truncate(cut.index(bytes.len()) + 1); bytes };
            for bytes in [changed(pack), noise.clone()] {
                let _ = logstore::pack::read_bytes(&bytes);
                let _ = logstore::block::read_bytes(&bytes);
                let _ = logstore::block::read_bytes(bytes.get(32..).unwrap_or_default());
            }
            for bytes in [changed(log), noise.clone()] {
                let _ = logstore::wal::read_bytes(&bytes);
            }
        });
    }
}
