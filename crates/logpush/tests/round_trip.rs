//! A push encoded as shippers encode it, and read back.

mod wire;

use std::borrow::Cow;

use logpush::{Bounds, Limits, Push, PushEntry, PushError, PushStream, body, json, labels, normalise, proto};
use model::Labels;
use proptest::prelude::*;
use wire::{field, varint};

fn protobuf(push: &Push<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for stream in &push.streams {
        let mut message = Vec::new();
        field(&mut message, 1, labels::show(&stream.labels).as_bytes());
        for entry in &stream.entries {
            let mut time = Vec::new();
            varint(&mut time, 1 << 3);
            varint(&mut time, entry.at.div_euclid(1_000_000_000) as u64);
            varint(&mut time, 2 << 3);
            varint(&mut time, entry.at.rem_euclid(1_000_000_000) as u64);
            let mut inner = Vec::new();
            field(&mut inner, 1, &time);
            field(&mut inner, 2, entry.line.as_bytes());
            for (name, value) in &entry.metadata {
                let mut pair = Vec::new();
                field(&mut pair, 1, name.as_bytes());
                field(&mut pair, 2, value.as_bytes());
                field(&mut inner, 3, &pair);
            }
            field(&mut message, 2, &inner);
        }
        // The hash, which a reader ignores.
        varint(&mut message, 3 << 3);
        varint(&mut message, 7);
        field(&mut out, 1, &message);
    }
    out
}

fn as_json(push: &Push<'_>) -> Vec<u8> {
    let streams = push.streams.iter().map(|stream| {
        let values = stream.entries.iter().map(|entry| {
            let metadata: serde_json::Map<_, _> =
                entry.metadata.iter().map(|(name, value)| (name.to_string(), value.as_ref().into())).collect();
            serde_json::json!([entry.at.to_string(), entry.line, metadata])
        });
        serde_json::json!({ "stream": stream.labels, "values": values.collect::<Vec<_>>() })
    });
    serde_json::json!({ "streams": streams.collect::<Vec<_>>() }).to_string().into_bytes()
}

fn pushes() -> impl Strategy<Value = Push<'static>> {
    let pair = ("[a-z][a-z0-9_]{0,6}", "\\PC{0,8}").prop_map(|(name, value)| (Cow::Owned(name), Cow::Owned(value)));
    let metadata = prop::collection::vec(pair, 0..3).prop_map(|mut pairs: Vec<(Cow<'static, str>, Cow<'static, str>)>| {
        pairs.sort();
        pairs.dedup_by(|left, right| left.0 == right.0);
        pairs
    });
    let entry =
        (any::<i64>(), "\\PC{0,60}|.{0,10}", metadata).prop_map(|(at, line, metadata)| PushEntry { at, line: Cow::Owned(line), metadata });
    let stream = (prop::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,6}", "\\PC{1,8}", 0..4), prop::collection::vec(entry, 0..5));
    let stream = stream.prop_map(|(labels, entries)| PushStream { labels: Labels(labels), duplicate: None, entries });
    prop::collection::vec(stream, 0..4).prop_map(|streams| Push { streams })
}

proptest! {
    #[test]
    fn what_was_pushed_is_read(push in pushes()) {
        let snappy = snap::raw::Encoder::new().compress_vec(&protobuf(&push)).unwrap();
        let message = body::decompress(&snappy, "", body::Format::Protobuf, 1 << 20).unwrap();
        prop_assert_eq!(&proto::decode(&message, &Bounds::default()).unwrap(), &push);
        let own = body::snap(&proto::encode(&push));
        let message = body::decompress(&own, "", body::Format::Protobuf, 1 << 20).unwrap();
        prop_assert_eq!(&proto::decode(&message, &Bounds::default()).unwrap(), &push);
        let text = as_json(&push);
        prop_assert_eq!(&json::decode(&text, &Bounds::default()).unwrap(), &push);
    }

    #[test]
    fn every_line_is_taken_or_refused(push in pushes(), now in any::<i64>()) {
        let lines = push.lines() as u64;
        let normalised = normalise(push, &Limits::default(), now);
        let taken: usize = normalised.accepted.iter().map(|stream| stream.entries.len()).sum();
        prop_assert_eq!(taken as u64 + normalised.rejected_lines, lines);
        for entry in normalised.accepted.iter().flat_map(|stream| &stream.entries) {
            prop_assert!(entry.metadata.is_sorted_by(|left, right| left.0 < right.0));
            prop_assert!(entry.metadata.iter().any(|(name, _)| name == "detected_level"));
        }
    }

    #[test]
    fn any_body_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), encoding in "gzip|deflate|snappy|") {
        for format in [body::Format::Json, body::Format::Protobuf] {
            if let Ok(plain) = body::decompress(&bytes, &encoding, format, 1 << 16) {
                let _: Result<Push<'_>, PushError> = proto::decode(&plain, &Bounds::default());
                let _ = json::decode(&plain, &Bounds::default());
            }
        }
    }
}
