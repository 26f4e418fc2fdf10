//! What reads other people's bytes, as functions of bytes. A target panics where a promise is broken; what it is given may be
//! anything. To add one: a row in [`TARGETS`], and `fuzz/corpus/NAME` with at least one file to begin from.

mod asks;
mod lines;
mod messages;
mod pushes;
mod queries;
mod stored;

// Pure files of the server, which would take minutes to build for the sake of them.
#[allow(dead_code, reason = "a target asks for a part")]
#[path = "../../server/src/source/docker/frames.rs"]
mod frames;
#[allow(dead_code, reason = "a target asks for a part")]
#[path = "../../server/src/http/rest/query.rs"]
mod query;

/// A name, and what is done with the bytes.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: &[Target] = &[
    ("docker_frames", lines::docker_frames),
    ("file_lines", lines::file_lines),
    ("line", lines::line),
    ("log_asks", asks::log_asks),
    ("logql", queries::logql),
    ("push_json", pushes::json),
    ("push_otlp", pushes::otlp),
    ("push_proto", pushes::proto),
    ("push_snappy", pushes::bodies),
    ("socket_messages", messages::socket_messages),
    ("store_block", stored::block),
    ("store_pack", stored::pack),
    ("store_wal", stored::wal),
];

/// `bytes` in pieces whose lengths its own first bytes decide, and the rest of it whole: what must come out the same.
fn pieces(bytes: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let (lengths, whole) = bytes.split_at(bytes.len().min(4));
    let mut pieces = Vec::new();
    let mut rest = whole;
    for length in lengths.iter().cycle().take_while(|_| !lengths.is_empty()) {
        if rest.is_empty() {
            break;
        }
        let (piece, more) = rest.split_at(rest.len().min(usize::from(*length) + 1));
        pieces.push(piece);
        rest = more;
    }
    (whole, pieces)
}
