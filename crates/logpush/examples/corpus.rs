//! Ten million lines as a shipper sends them, for bench/engine.ts: made once into a file of finished requests, sent from there, and read
//! again to know what is true of them. Each command prints one line of JSON.
//!
//! `corpus make FILE LINES FROM UNTIL`: the same lines for the same numbers (nanoseconds)
//! `corpus send FILE HOST:PORT TOKEN CONNECTIONS`: each connection sends its next request when the last one is answered
//! `corpus scan FILE SEED TEXT...`: how many lines hold each text, and a number of six hexadecimal digits that stands in none
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "a tool that measures")]

#[path = "../../logstore/examples/lines/mod.rs"]
mod lines;
#[path = "../tests/wire/mod.rs"]
mod wire;

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Read, Write},
    net::TcpStream,
    sync::Mutex,
    time::Instant,
};

use self::{
    lines::{Rng, SERVICES, labels, line},
    wire::{field, varint},
};

const SEED: u64 = 42;
/// About a megabyte: what Promtail and Alloy send at once.
const LINES_A_REQUEST: u64 = 5_000;
/// Lines that carry one and the same id, spread over all.
const PLANTED: u64 = 10;

/// A line as an entry of `logproto.PushRequest`.
fn entry(out: &mut Vec<u8>, at: i64, line: &str) {
    let (mut time, mut inner) = (Vec::with_capacity(16), Vec::with_capacity(line.len() + 24));
    varint(&mut time, 1 << 3);
    varint(&mut time, (at / 1_000_000_000) as u64);
    varint(&mut time, 2 << 3);
    varint(&mut time, (at % 1_000_000_000) as u64);
    field(&mut inner, 1, &time);
    field(&mut inner, 2, line.as_bytes());
    field(out, 2, &inner);
}

/// The file is a row of requests: lines u32, bytes u32, a snappy block.
fn make(path: &str, wanted: u64, from: i64, until: i64) {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
    let mut rng = Rng(SEED);
    let planted = rng.id();
    let heads = (0..SERVICES.len()).map(|service| {
        let mut head = Vec::new();
        field(&mut head, 1, logpush::labels::show(&labels(service)).as_bytes());
        head
    });
    let heads: Vec<Vec<u8>> = heads.collect();
    let step = u64::try_from(until - from).unwrap() / wanted;
    let (mut at, mut done, mut raw, mut sent) = (from, 0, 0, 0);
    let mut encoder = snap::raw::Encoder::new();
    while done < wanted {
        let mut streams = heads.clone();
        let lines = LINES_A_REQUEST.min(wanted - done);
        for _ in 0..lines {
            at = (at + rng.below(2 * step) as i64).min(until - 1);
            let service = rng.below(SERVICES.len() as u64) as usize;
            let text = line(&mut rng, service, at, (done % (wanted / PLANTED) == 7).then_some(&planted));
            raw += text.len();
            done += 1;
            entry(&mut streams[service], at, &text);
        }
        let mut message = Vec::new();
        for stream in &streams {
            field(&mut message, 1, stream);
        }
        let body = encoder.compress_vec(&message).unwrap();
        file.write_all(&u32::try_from(lines).unwrap().to_le_bytes()).unwrap();
        file.write_all(&u32::try_from(body.len()).unwrap().to_le_bytes()).unwrap();
        file.write_all(&body).unwrap();
        sent += body.len();
    }
    file.flush().unwrap();
    println!(r#"{{"lines":{done},"raw_bytes":{raw},"sent_bytes":{sent},"planted":"{planted}"}}"#);
}

/// The next request of such a file.
fn next(file: &mut impl Read) -> Option<(u64, Vec<u8>)> {
    let mut head = [0; 8];
    file.read_exact(&mut head).ok()?;
    let (lines, len) = head.split_at(4);
    let mut body = vec![0; u32::from_le_bytes(len.try_into().unwrap()) as usize];
    file.read_exact(&mut body).unwrap();
    Some((u32::from_le_bytes(lines.try_into().unwrap()).into(), body))
}

fn send(path: &str, address: &str, token: &str, connections: usize) {
    let file = Mutex::new(BufReader::with_capacity(1 << 20, File::open(path).unwrap()));
    let done = Mutex::new((0, Vec::new()));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut socket = TcpStream::connect(address).unwrap();
                socket.set_nodelay(true).unwrap();
                let mut answers = BufReader::new(socket.try_clone().unwrap());
                loop {
                    let Some((lines, body)) = next(&mut *file.lock().unwrap()) else { return };
                    let asked = Instant::now();
                    let head = format!(
                        "POST /loki/loki/api/v1/push HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    socket.write_all(head.as_bytes()).unwrap();
                    socket.write_all(&body).unwrap();
                    let mut status = String::new();
                    answers.read_line(&mut status).unwrap();
                    assert!(status.contains(" 204 "), "{status}");
                    // A 204 has no body: its head ends with an empty line.
                    while status != "\r\n" {
                        status.clear();
                        answers.read_line(&mut status).unwrap();
                    }
                    let mut done = done.lock().unwrap();
                    done.0 += lines;
                    done.1.push(asked.elapsed().as_secs_f64() * 1e3);
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let (lines, mut took) = done.into_inner().unwrap();
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!(r#"{{"lines":{lines},"seconds":{seconds:.3},"p50_ms":{:.1},"p99_ms":{:.1},"slowest_ms":{:.1}}}"#, at(0.5), at(0.99), at(1.0));
}

fn scan(path: &str, seed: u64, texts: &[String]) {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).unwrap());
    let finders: Vec<_> = texts.iter().map(memchr::memmem::Finder::new).collect();
    let mut counts = vec![0_u64; texts.len()];
    // A bit for each number of six digits.
    let mut seen = vec![0_u64; 1 << 18];
    let start = Instant::now();
    while let Some((_, body)) = next(&mut file) {
        let message = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
        let push = logpush::proto::decode(&message, &logpush::Bounds::default()).unwrap();
        for entry in push.streams.iter().flat_map(|stream| &stream.entries) {
            let line = entry.line.as_bytes();
            finders.iter().zip(&mut counts).for_each(|(finder, count)| *count += u64::from(finder.find(line).is_some()));
            let (mut window, mut digits) = (0_usize, 0);
            for byte in line {
                let Some(digit) = (*byte as char).to_digit(16).filter(|_| !byte.is_ascii_uppercase()) else {
                    digits = 0;
                    continue;
                };
                digits += 1;
                window = (window << 4 | digit as usize) & 0xff_ffff;
                if digits >= 6 {
                    seen[window / 64] |= 1 << (window % 64);
                }
            }
        }
    }
    let mut rng = Rng(seed | 1);
    let absent = (0..1 << 28).map(|_| rng.below(1 << 24)).find(|number| seen[*number as usize / 64] >> (number % 64) & 1 == 0);
    let standing: u32 = seen.iter().map(|word| word.count_ones()).sum();
    let hex = absent.map_or("null".to_owned(), |number| format!("\"{number:06x}\""));
    println!(r#"{{"counts":{counts:?},"absent_hex":{hex},"hex_standing":{standing},"seconds":{:.2}}}"#, start.elapsed().as_secs_f64());
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |index: usize| args[index].parse::<i64>().unwrap();
    match args[1].as_str() {
        "make" => make(&args[2], number(3) as u64, number(4), number(5)),
        "send" => send(&args[2], &args[3], &args[4], number(5) as usize),
        "scan" => scan(&args[2], number(3) as u64, &args[4..]),
        other => panic!("there is no {other}"),
    }
}
