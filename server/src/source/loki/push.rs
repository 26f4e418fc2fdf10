//! What programs send to the console goes on to Loki as it came, and is shown to those who watch.

use std::{collections::HashMap, sync::Arc};

use logpush::Limits;
use model::{EntryId, StreamHash, Timestamp};
use ops::source::{
    Line, Stream,
    engine::{PushBody, PushFormat, Pushed, QueryError},
};
use reqwest::{Method, header};

use super::{Loki, answer::ordinal_of};
use crate::source::embedded::{decode, key_of, level_of, unpack};

pub async fn push(loki: &Loki, body: &PushBody, now: Timestamp) -> Pushed {
    let (path, kind) = match body.format {
        PushFormat::LokiJson => ("loki/api/v1/push", "application/json"),
        PushFormat::LokiProto => ("loki/api/v1/push", "application/x-protobuf"),
        PushFormat::OtlpJson => ("otlp/v1/logs", "application/json"),
        PushFormat::OtlpProto => ("otlp/v1/logs", "application/x-protobuf"),
    };
    let mut request = loki.client().request(Method::POST, path).header(header::CONTENT_TYPE, kind).body(body.bytes.clone());
    if !body.encoding.is_empty() {
        request = request.header(header::CONTENT_ENCODING, body.encoding.as_str());
    }
    let refused = |status, why| Pushed { stored: 0, rejected: 0, refusal: Some((status, why)) };
    match loki.client().send(request).await {
        Ok(answer) if answer.status.is_success() => Pushed { stored: show(loki, body, now), rejected: 0, refusal: None },
        Ok(answer) => refused(answer.status.as_u16(), answer.said()),
        // Whoever sent it tries again.
        Err(error @ QueryError::Unreachable { .. }) => refused(503, error.to_string()),
        Err(error) => refused(502, error.to_string()),
    }
}

/// How many lines there were.
fn show(loki: &Loki, body: &PushBody, now: Timestamp) -> u64 {
    let Ok(bytes) = unpack(body) else { return 0 };
    let Ok(push) = decode(&bytes, body.format, now) else { return 0 };
    // Loki has decided already what it takes.
    let limits = Limits { max_age_ns: i64::MAX, max_ahead_ns: i64::MAX, ..Limits::default() };
    let normalised = logpush::normalise(push, &limits, now.0);
    let mut streams: HashMap<StreamHash, Arc<Stream>> = HashMap::new();
    let mut lines = Vec::new();
    for one in &normalised.accepted {
        let hash = one.labels.hash64();
        let make = || Arc::new(Stream { key: key_of(&one.labels), labels: Arc::new(one.labels.clone()), hash });
        let stream = streams.entry(hash).or_insert_with(make);
        for entry in &one.entries {
            let id = EntryId { at: Timestamp(entry.at), stream: hash, ordinal: ordinal_of(&entry.line) };
            let metadata: Vec<(&str, &str)> = entry.metadata.iter().map(|(name, value)| (&**name, &**value)).collect();
            let level = level_of(&metadata, &entry.line);
            lines.push(Arc::new(Line { id, stream: stream.clone(), level, text: (&*entry.line).into(), group: id }));
        }
    }
    loki.hub.publish(&lines, now);
    lines.len() as u64
}
