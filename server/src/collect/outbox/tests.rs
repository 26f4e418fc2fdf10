use std::sync::Arc;

use model::{EntryId, Labels, Level, Timestamp};
use ops::source::{ServiceKey, Stream};

use super::*;

fn lines(range: std::ops::Range<i64>) -> Vec<Line> {
    let key = ServiceKey { host: "local".into(), project: None, name: "web".into(), kind_file: false };
    let stream = Arc::new(Stream::new(key, Labels::from([("service", "we\"b"), ("service_name", "web")])));
    let line = |at| {
        let id = EntryId { at: Timestamp(at), stream: stream.hash, ordinal: 0 };
        Line { id, stream: stream.clone(), text: format!("line {at} {}", "x".repeat(1_000)).into(), level: Level::Warn, group: id }
    };
    range.map(line).collect()
}

fn append(outbox: &Outbox, range: std::ops::Range<i64>) {
    let lines = lines(range);
    outbox.append(&lines.iter().collect::<Vec<_>>()).unwrap();
}

/// The times of the lines of the next push.
fn next(outbox: &Outbox) -> Option<(Waiting, Vec<i64>)> {
    let waiting = outbox.read().unwrap()?;
    let bytes = body::decompress(&waiting.body, "", body::Format::Protobuf, 1 << 30).unwrap();
    let push = proto::decode(&bytes, &Default::default()).unwrap();
    assert_eq!(push.streams[0].labels.get("service"), Some("we\"b"));
    assert_eq!(push.streams[0].entries[0].metadata, [("detected_level".into(), "warn".into())]);
    let times = push.streams.iter().flat_map(|stream| &stream.entries).map(|entry| entry.at).collect();
    Some((waiting, times))
}

fn drain(outbox: &Outbox) -> Vec<i64> {
    let mut all = Vec::new();
    while let Some((waiting, times)) = next(outbox) {
        outbox.done(&waiting, 0).unwrap();
        all.extend(times);
    }
    all
}

#[test]
fn what_waits_survives_and_what_was_sent_does_not_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path(), 1 << 30).unwrap();
    append(&outbox, 0..10);
    append(&outbox, 10..5_000);
    let (first, times) = next(&outbox).unwrap();
    assert_eq!(times, (0..10).collect::<Vec<_>>());
    outbox.done(&first, 3).unwrap();
    assert_eq!(outbox.counts().rejected_lines, 3);
    drop(outbox);
    // The last record is torn.
    let newest = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "queue"))
        .max()
        .unwrap();
    OpenOptions::new().append(true).open(&newest).unwrap().write_all(&[9; 40]).unwrap();
    let outbox = Outbox::open(dir.path(), 1 << 30).unwrap();
    assert_eq!(outbox.counts().waiting_lines, 4_990);
    append(&outbox, 5_000..5_001);
    assert_eq!(drain(&outbox), (10..5_001).collect::<Vec<_>>());
    assert_eq!((outbox.counts().waiting_lines, outbox.counts().sent_lines), (0, 4_991));
    let outbox = Outbox::open(dir.path(), 1 << 30).unwrap();
    assert!(drain(&outbox).is_empty());
    append(&outbox, 1..2);
    assert_eq!(drain(&outbox), [1]);
}

#[test]
fn a_full_queue_drops_its_oldest_lines_and_counts_them() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path(), 1).unwrap();
    // Random text, so that snappy does not make it small.
    let mut at = 0;
    while outbox.counts().dropped_lines == 0 {
        let mut one = lines(at..at + 1);
        one[0].text = (0..500_000).map(|_| char::from(rand::random_range(b'a'..=b'z'))).collect::<String>().into();
        outbox.append(&[&one[0]]).unwrap();
        at += 1;
        assert!(at < 100);
    }
    let dropped = outbox.counts().dropped_lines as i64;
    assert_eq!(drain(&outbox), (dropped..at).collect::<Vec<_>>());
}

/// Letters that snappy cannot make small, from a generator of its own: the same at each run.
fn noise(bytes: usize) -> Arc<str> {
    let mut state = bytes as u64 | 1;
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + u8::try_from(state >> 58).unwrap())
    };
    (0..bytes).map(letter).collect::<String>().into()
}

/// Where the records of a file begin.
fn records(bytes: &[u8]) -> Vec<usize> {
    let (mut all, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        all.push(at);
        at += HEADER + Head::read(&bytes[at..]).unwrap().body_bytes;
    }
    all
}

/// Four records of three lines, `harm` to the file, and what the next start finds: the lines that come, and those counted.
fn harmed(is_last: bool, harm: impl Fn(&mut Vec<u8>, &[usize])) -> (Vec<i64>, u64) {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path(), 1 << 30).unwrap();
    (0..4).for_each(|at| append(&outbox, at * 3..at * 3 + 3));
    if !is_last {
        outbox.state().segments[0].is_damaged = true;
        append(&outbox, 12..13);
    }
    drop(outbox);
    let mut bytes = fs::read(path(dir.path(), 0)).unwrap();
    let starts = records(&bytes);
    harm(&mut bytes, &starts);
    fs::write(path(dir.path(), 0), bytes).unwrap();
    let outbox = Outbox::open(dir.path(), 1 << 30).unwrap();
    append(&outbox, 20..21);
    // A start later they are the same.
    drop(outbox);
    let outbox = Outbox::open(dir.path(), 1 << 30).unwrap();
    let lost = outbox.counts().dropped_lines;
    let all = drain(&outbox);
    assert_eq!((outbox.counts().dropped_lines, outbox.counts().waiting_lines), (lost, 0), "counted once");
    drop(outbox);
    let outbox = Outbox::open(dir.path(), 1 << 30).unwrap();
    assert_eq!((drain(&outbox), outbox.counts().dropped_lines), (Vec::new(), 0), "over at the next start");
    (all, lost)
}

#[test]
fn damage_found_at_the_start_costs_its_record_and_none_behind_it() {
    let without = |gone: std::ops::Range<i64>, is_last: bool| {
        let all = (0..if is_last { 12 } else { 13 }).chain([20]);
        all.filter(|at| !gone.contains(at)).collect::<Vec<_>>()
    };
    for is_last in [true, false] {
        let body = harmed(is_last, |bytes, starts| bytes[starts[1] + 30] ^= 1);
        assert_eq!(body, (without(3..6, is_last), 3), "a body");
        let length = harmed(is_last, |bytes, starts| bytes[starts[1] + 3] ^= 0x40);
        assert_eq!((length.0, length.1 > 0), (without(3..6, is_last), true), "a length");
        let zeros = harmed(is_last, |bytes, starts| bytes[starts[1] + 8..starts[2] + 8].fill(0));
        assert_eq!((zeros.0, zeros.1 > 0), (without(3..9, is_last), true), "two of them");
        let last = harmed(is_last, |bytes, starts| bytes[starts[3] + 30] ^= 1);
        assert_eq!(last, (without(9..12, is_last), 3), "the last");
    }
    let torn = harmed(true, |bytes, starts| bytes.truncate(starts[3] + 40));
    assert_eq!(torn, (without(9..12, true), 0), "it was never acknowledged");
    let closed = harmed(false, |bytes, starts| bytes.truncate(starts[3] + 40));
    assert_eq!(closed, (without(9..12, false), 3), "a closed file is never torn");
}

#[test]
fn a_file_shorter_than_what_was_sent_of_it_swallows_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path(), 1 << 30).unwrap();
    append(&outbox, 0..3);
    assert_eq!(drain(&outbox), [0, 1, 2]);
    drop(outbox);
    OpenOptions::new().write(true).open(path(dir.path(), 0)).unwrap().set_len(10).unwrap();
    append(&Outbox::open(dir.path(), 1 << 30).unwrap(), 3..9);
    assert_eq!(drain(&Outbox::open(dir.path(), 1 << 30).unwrap()), (3..9).collect::<Vec<_>>());
}

#[test]
fn a_disk_that_fails_half_way_says_what_it_kept() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path(), 1 << 30).unwrap();
    let mut many = lines(0..24);
    let text = noise(700_000);
    many.iter_mut().for_each(|line| line.text = text.clone());
    let many: Vec<&Line> = many.iter().collect();
    // The second file cannot be made.
    fs::create_dir(path(dir.path(), 1)).unwrap();
    let Unkept { kept, .. } = outbox.append(&many).unwrap_err();
    assert!((1..24).contains(&kept) && outbox.counts().waiting_lines == kept as u64, "{kept}");
    assert!(outbox.append(&many[kept..]).is_err_and(|error| error.kept == 0));
    fs::remove_dir(path(dir.path(), 1)).unwrap();
    outbox.append(&many[kept..]).unwrap();
    assert_eq!(drain(&outbox), (0..24).collect::<Vec<_>>());
}

/// An outbox with a line in each of three files.
fn three_files(dir: &Path) -> Outbox {
    let outbox = Outbox::open(dir, 1 << 30).unwrap();
    for at in 0..3 {
        append(&outbox, at..at + 1);
        outbox.state().segments[at as usize].is_damaged = at < 2;
    }
    outbox
}

fn files(dir: &Path) -> usize {
    (0..3).filter(|number| path(dir, *number).is_file()).count()
}

#[test]
fn sent_files_go_though_it_cannot_be_remembered_and_that_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = three_files(dir.path());
    let (first, _) = next(&outbox).unwrap();
    outbox.done(&first, 0).unwrap();
    // What stands for a full disk.
    fs::create_dir(dir.path().join("sent.json.next")).unwrap();
    let (second, times) = next(&outbox).unwrap();
    assert_eq!((times, files(dir.path())), (vec![1], 2));
    assert!(outbox.done(&second, 0).is_err());
    // It still names the first file, which is gone.
    let copy = tempfile::tempdir().unwrap();
    for name in ["0000000001.queue", "0000000002.queue", "sent.json"] {
        fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
    }
    assert_eq!(drain(&Outbox::open(copy.path(), 1 << 30).unwrap()), [1, 2]);

    assert_eq!(next(&outbox).unwrap().1, [2]);
    assert_eq!(files(dir.path()), 1);
    let (third, _) = next(&outbox).unwrap();
    assert!(outbox.done(&third, 0).is_err());
    fs::remove_dir(dir.path().join("sent.json.next")).unwrap();
    assert!(next(&outbox).is_none());
    drop(outbox);
    assert!(drain(&Outbox::open(dir.path(), 1 << 30).unwrap()).is_empty());
}

#[test]
fn a_file_that_cannot_be_removed_does_not_move_what_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let mut outbox = three_files(dir.path());
    outbox.max_bytes = 1;
    // Gone already, and a directory in its place.
    fs::remove_file(path(dir.path(), 0)).unwrap();
    fs::remove_file(path(dir.path(), 1)).unwrap();
    fs::create_dir(path(dir.path(), 1)).unwrap();
    append(&outbox, 3..4);
    assert_eq!(outbox.counts().dropped_lines, 2);
    assert_eq!(drain(&outbox), [2, 3]);
}

#[test]
fn a_flipped_byte_costs_its_record_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path(), 1 << 30).unwrap();
    append(&outbox, 0..3);
    let file = path(dir.path(), 0);
    let mut bytes = fs::read(&file).unwrap();
    bytes[30] ^= 1;
    fs::write(&file, bytes).unwrap();
    assert!(next(&outbox).is_none());
    assert_eq!((outbox.counts().dropped_lines, outbox.counts().waiting_lines), (3, 0));
    // Those behind it come, in this run and after a restart.
    append(&outbox, 3..4);
    let restarted = Outbox::open(dir.path(), 1 << 30).unwrap();
    assert_eq!(drain(&restarted), [3]);
}

#[test]
fn damage_found_while_sending_costs_its_record_and_the_next_ones_stand_in_a_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path(), 1 << 30).unwrap();
    (0..3).for_each(|at| append(&outbox, at * 3..at * 3 + 3));
    let mut bytes = fs::read(path(dir.path(), 0)).unwrap();
    let start = records(&bytes)[1];
    bytes[start + 30] ^= 1;
    fs::write(path(dir.path(), 0), bytes).unwrap();
    let (first, _) = next(&outbox).unwrap();
    outbox.done(&first, 0).unwrap();
    assert_eq!(next(&outbox).unwrap().1, [6, 7, 8]);
    assert_eq!((outbox.counts().dropped_lines, outbox.counts().waiting_lines), (3, 3));
    append(&outbox, 9..10);
    assert_eq!(outbox.state().segments.len(), 2);
    assert_eq!(drain(&outbox), (6..10).collect::<Vec<_>>());
    assert_eq!((outbox.counts().dropped_lines, outbox.counts().sent_lines), (3, 7));
}
