//! The log engine's files, as a disk may give them back. Checksums keep a fuzzer from what lies behind them, so each target also reads its
//! bytes with the checksums set right.

use std::{ops::ControlFlow, path::Path, sync::Arc};

use logql::read::{Ask, Need, Part, Source};
use logstore::{
    Config, Store, block,
    fs::{Fs, testing::TestFs},
    pack, wal,
};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// A block's rows and bytes are what its header says.
pub fn block(bytes: &[u8]) {
    let mut mended = bytes.to_vec();
    mend_block(&mut mended);
    for bytes in [bytes, &mended] {
        if let Ok((header, rows, text)) = block::read_bytes(bytes) {
            assert_eq!((rows, text), (u64::from(header.rows), u64::from(header.raw)));
            assert!(header.min <= header.max);
        }
    }
}

/// A pack is read, or what can be rescued of it; so is the store that has it.
pub fn pack(bytes: &[u8]) {
    let mut mended = bytes.to_vec();
    mend_pack(&mut mended);
    for bytes in [bytes, &mended] {
        if let Some(footer) = pack::read_bytes(bytes) {
            assert!(footer.blocks.iter().all(|(_, _, header)| header.rows > 0 && header.min <= header.max));
        }
    }
    store(&["packs/0000000000000001.pack"], &mended);
}

/// Every byte of a segment is a record's, damaged or torn; records only grow. The store that has it opens.
pub fn wal(bytes: &[u8]) {
    let mut mended = bytes.to_vec();
    mend_wal(&mut mended);
    for bytes in [bytes, &mended] {
        let report = wal::read_bytes(bytes);
        assert_eq!(report.good_len + report.torn_bytes, bytes.len() as u64);
        assert!(report.damaged_bytes <= report.good_len);
        assert!(report.records.is_sorted_by(|before, after| before.seq < after.seq));
    }
    store(&["wal/0000000000000001.wal"], &mended);
}

/// A store whose files are these bytes opens, and each row that it gives lies where its part says.
fn store(names: &[&str], bytes: &[u8]) {
    let (dir, fs) = (Path::new("/logs"), TestFs::default());
    for folder in [dir.to_owned(), dir.join("packs"), dir.join("wal")] {
        fs.make_dir(&folder).expect("a disk in memory");
    }
    for name in names {
        fs.create(&dir.join(name)).expect("a disk in memory").write_all(bytes).expect("a disk in memory");
    }
    let config = Config { retain_ns: None, retain_bytes: None, ..Config::default() };
    let (store, _) = Store::open(dir, config, Arc::new(fs)).expect("damage never keeps a store from opening");
    let ask = Ask { start: i64::MIN, end: i64::MAX, ..Ask::default() };
    for part in store.parts(&ask).expect("listing reads nothing") {
        let (min, max) = part.bounds();
        // A damaged part says so.
        let _ = part.read(&ask, Need { text: true, metadata: true }, &mut |row| {
            assert!((min..=max).contains(&row.at) && row.len as usize == row.line.len());
            ControlFlow::Continue(())
        });
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..at.checked_add(4)?)?.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes) as usize)
}

fn put_sum(bytes: &mut [u8], at: usize, sum: u64) {
    if let Some(place) = bytes.get_mut(at..at + 8) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
}

/// The checksums of a header at the beginning of `bytes`, and of the sections behind it. LAYOUT.md says where they are.
fn mend_block(bytes: &mut [u8]) {
    let Some(len) = u32_at(bytes, 4).filter(|len| (160..=bytes.len()).contains(len)) else { return };
    let mut at = len;
    for section in 0..6 {
        let place = 40 + 16 * section;
        let Some(end) = u32_at(bytes, place).and_then(|len| at.checked_add(len)) else { break };
        let Some(sum) = bytes.get(at..end).map(xxh3_64) else { break };
        put_sum(bytes, place + 8, sum);
        at = end;
    }
    let sum = xxh3_64(&bytes[..len - 8]);
    put_sum(bytes, len - 8, sum);
}

fn mend_pack(bytes: &mut [u8]) {
    let mut at = 32;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.windows(4).position(|four| four == b"DLB1")) {
        at += found;
        mend_block(&mut bytes[at..]);
        at += 4;
    }
    if bytes.len() < 64 {
        return;
    }
    let sum = xxh3_64(&bytes[..24]);
    put_sum(bytes, 24, sum);
    // The trailer: where the footer begins, how long it is, and their checksum.
    let trailer = bytes.len() - 32;
    let footer = u32_at(bytes, trailer).filter(|at| (32..trailer.saturating_sub(8)).contains(at));
    if let Some(footer) = footer {
        let sum = xxh3_64(&bytes[footer..trailer - 8]);
        put_sum(bytes, trailer - 8, sum);
        bytes[trailer..trailer + 8].copy_from_slice(&(footer as u64).to_le_bytes());
        bytes[trailer + 8..trailer + 16].copy_from_slice(&((trailer - footer) as u64).to_le_bytes());
    }
    let sum = xxh3_64(&bytes[trailer..trailer + 16]);
    put_sum(bytes, trailer + 16, sum);
}

fn mend_wal(bytes: &mut [u8]) {
    if bytes.len() >= 48 {
        let sum = xxh3_64(&bytes[..40]);
        put_sum(bytes, 40, sum);
    }
    let mut at = 48;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.windows(4).position(|four| four == b"DLR1")) {
        at += found;
        let Some(payload) = u32_at(bytes, at + 4).and_then(|len| bytes.get(at + 32..(at + 32).checked_add(len)?)) else {
            at += 4;
            continue;
        };
        let seq = bytes[at + 8..at + 16].first_chunk::<8>().map_or(0, |seq| u64::from_le_bytes(*seq));
        let (len, sum) = (payload.len(), xxh3_64_with_seed(payload, seq));
        put_sum(bytes, at + 16, sum);
        let sum = xxh3_64(&bytes[at..at + 24]);
        put_sum(bytes, at + 24, sum);
        at += 32 + len;
    }
}
