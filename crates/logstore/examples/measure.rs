//! Measures the engine on lines it makes itself: `measure ingest|read|unpack|codec DIR [LINES]`.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "a tool that measures")]

mod lines;

use std::{
    ops::ControlFlow,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Instant,
};

use logql::{
    ast::{MatchOp, Matcher, Span},
    matcher::LabelMatcher,
    read::{Ask, Literal, Need, Part, Prefilter, Source},
};
use logstore::{
    Config, NewEntry, Store, StreamBatch,
    block::{Section, SectionKind},
    fs::RealFs,
};
use model::Labels;

use self::lines::{Rng, labels, line};

const T0: i64 = 1_795_365_360_000_000_000;

/// Seconds this thread has been on a processor: fair also on a machine that is busy with other things.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn rss(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn ingest(dir: &Path, lines: u64, config: Config) {
    let (store, _) = Store::open(dir, config, Arc::new(RealFs)).unwrap();
    let mut rng = Rng(42);
    let mut at = T0;
    let (mut raw, mut spent, mut done) = (0_u64, 0.0, 0_u64);
    let mut lock = 0.0_f64;
    let (mut on_cpu, mut sealing) = (0.0, 0.0);
    let step = 6 * 3_600_000_000_000 / lines as i64;
    let all: Vec<Labels> = (0..8).map(labels).collect();
    while done < lines {
        let batches: Vec<Vec<Vec<(i64, String)>>> = (0..20)
            .map(|_| {
                let mut by: Vec<Vec<(i64, String)>> = vec![Vec::new(); 8];
                for _ in 0..1000 {
                    at += rng.below(2 * step as u64) as i64;
                    let service = rng.below(8) as usize;
                    by[service].push((at, line(&mut rng, service, at, None)));
                }
                by
            })
            .collect();
        for batch in &batches {
            raw += batch.iter().flatten().map(|(_, line)| line.len() as u64).sum::<u64>();
            let entries: Vec<Vec<NewEntry<'_>>> = batch
                .iter()
                .map(|lines| {
                    lines
                        .iter()
                        .map(|(at, line)| NewEntry { at: *at, ordinal: None, line, metadata: &[("detected_level", "info")] })
                        .collect()
                })
                .collect();
            let streams: Vec<StreamBatch<'_>> = all.iter().zip(&entries).map(|(labels, entries)| StreamBatch { labels, entries }).collect();
            let start = Instant::now();
            let start_cpu = cpu();
            assert_eq!(store.append(&streams, at).unwrap().stored(), 1000);
            let took = start.elapsed().as_secs_f64();
            lock = lock.max(took);
            spent += took;
            on_cpu += cpu() - start_cpu;
            done += 1000;
        }
        let start = Instant::now();
        let start_cpu = cpu();
        store.maintain(at);
        spent += start.elapsed().as_secs_f64();
        sealing += cpu() - start_cpu;
    }
    let start = Instant::now();
    store.seal_all(at).unwrap();
    spent += start.elapsed().as_secs_f64();
    while store.compact(at, u64::MAX).unwrap() > 0 {}
    let status = store.status();
    println!(
        "ingest: {done} lines, {:.0} MB raw, {:.0} lines/s, {:.0} MB/s, slowest append {:.0} ms",
        raw as f64 / 1e6,
        done as f64 / spent,
        raw as f64 / 1e6 / spent,
        lock * 1e3
    );
    println!(
        "on cpu: append {:.3} us a line, seal and merge {:.3} us a line, {:.0} lines/s on one core",
        on_cpu * 1e6 / done as f64,
        sealing * 1e6 / done as f64,
        done as f64 / (on_cpu + sealing)
    );
    println!(
        "disk: {:.1} MB in {} files, {} blocks, ratio {:.4}, {:.1} bytes a line; rss {} MB peak {} MB",
        status.disk_bytes as f64 / 1e6,
        status.files,
        status.blocks,
        status.disk_bytes as f64 / raw as f64,
        status.disk_bytes as f64 / done as f64,
        rss("VmRSS"),
        rss("VmHWM")
    );
}

struct Found {
    rows: u64,
    bytes: u64,
    skipped: u64,
    parts: u64,
}

fn run(store: &Store, ask: &Ask, need: Need, wanted: &(dyn Fn(&str) -> bool + Sync), threads: usize) -> (Found, f64) {
    let start = Instant::now();
    let parts = store.parts(ask).unwrap();
    let (next, rows, bytes, skipped) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let busy = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let start = cpu();
                while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut count = 0;
                    let stats = part
                        .read(ask, need, &mut |row| {
                            count += u64::from(!need.text || wanted(row.line));
                            ControlFlow::Continue(())
                        })
                        .unwrap();
                    rows.fetch_add(count, Ordering::Relaxed);
                    bytes.fetch_add(stats.bytes, Ordering::Relaxed);
                    skipped.fetch_add(stats.skipped.into(), Ordering::Relaxed);
                }
                busy.fetch_add(((cpu() - start) * 1e9) as u64, Ordering::Relaxed);
            });
        }
    });
    let took = if threads == 1 { busy.into_inner() as f64 / 1e9 } else { start.elapsed().as_secs_f64() };
    (Found { rows: rows.into_inner(), bytes: bytes.into_inner(), skipped: skipped.into_inner(), parts: parts.len() as u64 }, took)
}

fn read(dir: &Path) {
    let start = Instant::now();
    let (store, recovery) = Store::open(dir, Config { retain_ns: None, ..Config::default() }, Arc::new(RealFs)).unwrap();
    println!("open: {:.0} ms, {recovery:?}", start.elapsed().as_secs_f64() * 1e3);
    let everything = Ask { start: 0, end: i64::MAX, ..Ask::default() };
    let text = Need { text: true, metadata: false };
    let none = Need { text: false, metadata: false };
    let mut rng = Rng(Instant::now().elapsed().as_nanos() as u64 + u64::from(std::process::id()));
    for threads in [1, 2] {
        println!("-- {threads} threads");
        for round in 0..2 {
            let needle = |needle: &str| {
                let ask = Ask {
                    prefilter: Prefilter { all: vec![vec![Literal { text: needle.into(), any_case: false }]] },
                    ..everything.clone()
                };
                let (found, took) = run(&store, &ask, text, &|line| line.contains(needle), threads);
                println!(
                    "{round} `{needle}`: {:.1} ms, {} rows, {} of {} skipped, {:.0} MB scanned, {:.2} GB/s",
                    took * 1e3,
                    found.rows,
                    found.skipped,
                    found.parts,
                    found.bytes as f64 / 1e6,
                    found.bytes as f64 / 1e9 / took
                );
            };
            let (a, b) = (rng.next(), rng.next());
            needle(&format!("{a:016x}{b:016x}"));
            needle("zyzzyvas");
            needle(&format!("{:06x}", rng.next() >> 40));
            needle(&format!("{:016x}", rng.next()));
            let (found, took) = run(&store, &everything, none, &|_| true, threads);
            println!("{round} count: {:.1} ms, {} rows", took * 1e3, found.rows);
            // Decompression alone: a needle whose only run of four is everywhere, in no line.
            let ask =
                Ask { prefilter: Prefilter { all: vec![vec![Literal { text: "\u{1}".into(), any_case: false }]] }, ..everything.clone() };
            let (found, took) = run(&store, &ask, text, &|_| true, threads);
            println!(
                "{round} decompress + one memchr: {:.1} ms, {:.0} MB, {:.2} GB/s",
                took * 1e3,
                found.bytes as f64 / 1e6,
                found.bytes as f64 / 1e9 / took
            );
        }
    }
    let (found, took) = run(&store, &everything, text, &|_| true, 2);
    println!("every line: {:.1} ms, {} rows, {:.2} GB/s", took * 1e3, found.rows, found.bytes as f64 / 1e9 / took);
    let start = Instant::now();
    let matcher = Matcher { span: Span::default(), name: "service".into(), op: MatchOp::Equal, value: "gateway".into() };
    let ask = Ask { matchers: vec![LabelMatcher::new(&matcher).unwrap()], ..everything.clone() };
    let mut parts = store.parts(&ask).unwrap();
    parts.sort_by_key(|part| std::cmp::Reverse(part.bounds().1));
    let mut last: Vec<(i64, String)> = Vec::new();
    for part in &parts {
        if last.len() >= 1000 && part.bounds().1 < last[last.len() - 1000].0 {
            break;
        }
        part.read(&ask, text, &mut |row| {
            last.push((row.at, row.line.to_owned()));
            ControlFlow::Continue(())
        })
        .unwrap();
        last.sort();
    }
    println!("last 1000 of {}: {:.1} ms", last.len(), start.elapsed().as_secs_f64() * 1e3);
    println!("rss {} MB, peak {} MB", rss("VmRSS"), rss("VmHWM"));
}

fn find(dir: &Path, needle: &str) {
    let start = Instant::now();
    let (store, _) = Store::open(dir, Config { retain_ns: None, ..Config::default() }, Arc::new(RealFs)).unwrap();
    println!("open {:.0} ms", start.elapsed().as_secs_f64() * 1e3);
    let any = if needle.is_empty() { vec![] } else { vec![vec![Literal { text: needle.into(), any_case: false }]] };
    let ask = Ask { start: 0, end: i64::MAX, prefilter: Prefilter { all: any }, ..Ask::default() };
    let need = Need { text: !needle.is_empty(), metadata: false };
    let (found, took) = run(&store, &ask, need, &|line| line.contains(needle), 2);
    println!("`{needle}`: {:.1} ms, {} rows, {} of {} skipped", took * 1e3, found.rows, found.skipped, found.parts);
}

fn sections(dir: &Path) {
    let (mut sums, mut raw, mut rows, mut headers, mut blocks) = ([0_u64; 7], 0_u64, 0_u64, 0_u64, 0);
    for entry in std::fs::read_dir(dir.join("packs")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for (_, _, header) in logstore::pack::read_bytes(&bytes).unwrap().blocks {
            for (sum, section) in sums.iter_mut().zip(header.sections.iter().chain([&header.filter])) {
                *sum += u64::from(section.len);
            }
            raw += u64::from(header.raw);
            rows += u64::from(header.rows);
            headers += u64::from(header.len);
            blocks += 1;
        }
    }
    for (name, sum) in ["times", "ordinals", "lens", "meta rows", "meta sets", "text", "filter"].iter().zip(sums) {
        println!("{name}: {:.4} of raw, {:.2} bytes a line", sum as f64 / raw as f64, sum as f64 / rows as f64);
    }
    println!("headers: {:.5}; {blocks} blocks of {} KiB", headers as f64 * 2.0 / raw as f64, raw / blocks / 1024);
}

/// Unpacks the text of every block under `dir`, on as many threads as the machine has cores, and does nothing with it: what a search for a
/// text that stands nowhere can be held against. Reads beside a running engine. Prints one line of JSON.
fn unpack(dir: &Path) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut blocks: Vec<(Arc<std::fs::File>, u64, Section)> = Vec::new();
    for entry in std::fs::read_dir(dir.join("packs")).unwrap() {
        let path = entry.unwrap().path();
        let Some(footer) =
            path.extension().filter(|kind| *kind == "pack").and_then(|_| logstore::pack::read_bytes(&std::fs::read(&path).unwrap()))
        else {
            continue;
        };
        let file = Arc::new(std::fs::File::open(&path).unwrap());
        blocks.extend(footer.blocks.into_iter().map(|(offset, _, header)| {
            (file.clone(), offset + header.section_offset(SectionKind::Text), header.sections[SectionKind::Text as usize])
        }));
    }
    let (next, raw, packed) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let (mut read, mut text) = (Vec::new(), Vec::new());
                let mut unpacker = zstd::bulk::Decompressor::new().unwrap();
                while let Some((file, offset, section)) = blocks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    read.resize(section.len as usize, 0);
                    file.read_exact_at(&mut read, *offset).unwrap();
                    packed.fetch_add(section.len.into(), Ordering::Relaxed);
                    if section.len < section.raw_len {
                        text.clear();
                        text.reserve(section.raw_len as usize);
                        unpacker.decompress_to_buffer(&read, &mut text).unwrap();
                    }
                    raw.fetch_add(section.raw_len.into(), Ordering::Relaxed);
                }
            });
        }
    });
    println!(
        r#"{{"threads":{threads},"blocks":{},"raw_bytes":{},"packed_bytes":{},"seconds":{:.6}}}"#,
        blocks.len(),
        raw.into_inner(),
        packed.into_inner(),
        start.elapsed().as_secs_f64()
    );
}

fn codec(lines: u64) {
    let mut rng = Rng(42);
    let mut at = T0;
    let mut texts: Vec<Vec<String>> = vec![Vec::new(); 4];
    for i in 0..lines {
        at += rng.below(4_000_000) as i64;
        let service = (i % 4) as usize;
        texts[service].push(line(&mut rng, service, at, None));
    }
    for block in [256 << 10, 1 << 20] {
        for level in [-1, 1, 2, 3, 4, 5, 6, 9] {
            let (mut raw, mut packed, mut up, mut down) = (0, 0, 0.0, 0.0);
            for text in &texts {
                let all = text.concat();
                for chunk in all.as_bytes().chunks(block) {
                    let start = cpu();
                    let out = zstd::bulk::compress(chunk, level).unwrap();
                    up += cpu() - start;
                    let start = cpu();
                    let back = zstd::bulk::decompress(&out, chunk.len()).unwrap();
                    down += cpu() - start;
                    raw += back.len();
                    packed += out.len();
                }
            }
            println!(
                "block {:>4} KiB zstd {level}: ratio {:.4}, in {:.0} MB/s, out {:.0} MB/s",
                block >> 10,
                packed as f64 / raw as f64,
                raw as f64 / 1e6 / up,
                raw as f64 / 1e6 / down
            );
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let lines = args.get(3).and_then(|lines| lines.parse().ok()).unwrap_or(10_000_000);
    let level = args.get(4).and_then(|level| level.parse().ok()).unwrap_or(1);
    let dir = Path::new(&args[2]);
    match args[1].as_str() {
        "ingest-off" => ingest(dir, lines, Config { retain_ns: None, level, sync: logstore::Sync::Off, ..Config::default() }),
        "ingest" => ingest(dir, lines, Config { retain_ns: None, level, ..Config::default() }),
        "find" => find(dir, &args[3]),
        "dump" => {
            let (mut rng, mut at) = (Rng(42), T0);
            let texts = (0..lines).map(|i| {
                at += rng.below(4_000_000) as i64;
                line(&mut rng, (i / (lines / 4)) as usize % 4, at, None)
            });
            std::fs::write(dir, texts.collect::<String>()).unwrap();
        }
        "sections" => sections(dir),
        "unpack" => unpack(dir),
        "codec" => codec(lines),
        _ => read(dir),
    }
}
