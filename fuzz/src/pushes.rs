//! What programs push, in each format that we take.

use logpush::{
    Bounds, Limits, Push, PushError,
    body::{self, Format},
    normalise,
};

const NOW_NS: i64 = 1_795_365_360_000_000_000;
/// Small, so that reaching it is found.
const BOUNDS: Bounds = Bounds { max_streams: 64, max_entries: 256 };
const MAX_BYTES: u64 = 1 << 20;

/// Every line is taken or refused, within the bounds; a refusal has a status of its own.
fn hold(decoded: Result<Push<'_>, PushError>) {
    match decoded {
        Ok(push) => {
            let lines = push.lines();
            assert!(push.streams.len() <= BOUNDS.max_streams && lines <= BOUNDS.max_entries);
            let normalised = normalise(push, &Limits::default(), NOW_NS);
            let taken: usize = normalised.accepted.iter().map(|stream| stream.entries.len()).sum();
            assert_eq!(taken as u64 + normalised.rejected_lines, lines as u64);
        }
        Err(error) => assert!(matches!(error.status(), 400..=499) && !error.to_string().is_empty()),
    }
}

pub fn json(bytes: &[u8]) {
    hold(logpush::json::decode(bytes, &BOUNDS));
}

pub fn proto(bytes: &[u8]) {
    hold(logpush::proto::decode(bytes, &BOUNDS));
}

/// As JSON where it begins so, else as protobuf.
pub fn otlp(bytes: &[u8]) {
    let format = if bytes.first() == Some(&b'{') { Format::Json } else { Format::Protobuf };
    hold(logpush::otlp::decode(bytes, format, &BOUNDS, NOW_NS));
}

/// The first byte says how the rest is packed.
pub fn bodies(bytes: &[u8]) {
    let Some((how, rest)) = bytes.split_first() else { return };
    let encoding = ["", "gzip", "deflate", "snappy", "identity", "br"][usize::from(*how) % 6];
    for format in [Format::Json, Format::Protobuf] {
        match body::decompress(rest, encoding, format, MAX_BYTES) {
            Ok(plain) => {
                assert!(plain.len() as u64 <= MAX_BYTES);
                hold(if format == Format::Json { logpush::json::decode(&plain, &BOUNDS) } else { logpush::proto::decode(&plain, &BOUNDS) });
            }
            Err(error) => assert!(matches!(error.status(), 400..=499)),
        }
    }
}
