//! What programs send: decoded, checked, kept, and shown to those who watch.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use logpush::{Accepted, Bounds, Push, PushError, body};
use logql::read::StreamRef;
use logstore::{AppendError, NewEntry, Outcome, StreamBatch};
use model::{EntryId, StreamHash, Timestamp};
use ops::source::{
    Line, Stream,
    engine::{PushBody, PushFormat, Pushed},
};

use super::{Embedded, Fresh, key_of, level_of};

/// What a body may become when it is unpacked.
const MAX_UNPACKED_BYTES: u64 = 64 << 20;
/// Lines that live views are given together: a large push is not copied as a whole.
const SHOWN_AT_ONCE: usize = 512;

/// A body without its compression.
///
/// # Errors
/// Damage, and what is too large.
pub fn unpack(sent: &PushBody) -> Result<Cow<'_, [u8]>, PushError> {
    match sent.format {
        PushFormat::OtlpJson | PushFormat::OtlpProto => body::plain(&sent.bytes, &sent.encoding, MAX_UNPACKED_BYTES),
        format => body::decompress(&sent.bytes, &sent.encoding, shape(format), MAX_UNPACKED_BYTES),
    }
}

fn shape(format: PushFormat) -> body::Format {
    match format {
        PushFormat::LokiJson | PushFormat::OtlpJson => body::Format::Json,
        PushFormat::LokiProto | PushFormat::OtlpProto => body::Format::Protobuf,
    }
}

/// The lines of an unpacked body.
///
/// # Errors
/// What is wrong with it.
pub fn decode(bytes: &[u8], format: PushFormat, now: Timestamp) -> Result<Push<'_>, PushError> {
    let bounds = Bounds::default();
    match format {
        PushFormat::LokiJson => logpush::json::decode(bytes, &bounds),
        PushFormat::LokiProto => logpush::proto::decode(bytes, &bounds),
        PushFormat::OtlpJson | PushFormat::OtlpProto => logpush::otlp::decode(bytes, shape(format), &bounds, now.0),
    }
}

impl Embedded {
    /// Blocks until the lines are on disk.
    pub(super) fn push(&self, sent: &PushBody, now: Timestamp) -> Pushed {
        let refused = |error: PushError| Pushed { stored: 0, rejected: 0, refusal: Some((error.status(), error.to_string())) };
        let bytes = match unpack(sent) {
            Ok(bytes) => bytes,
            Err(error) => return refused(error),
        };
        let normalised = match decode(&bytes, sent.format, now) {
            Ok(push) => logpush::normalise(push, &self.limits, now.0),
            Err(error) => return refused(error),
        };
        let refusal = normalised.refusal();
        match self.keep(&normalised.accepted, now) {
            Ok((stored, more)) => {
                Pushed { stored, rejected: normalised.rejected_lines + more, refusal: refusal.or_else(|| later_refusal(more)) }
            }
            // A client tries again later; what is there by then counts once.
            Err(error @ (AppendError::Full | AppendError::ReadOnly | AppendError::Io(_))) => {
                Pushed { stored: 0, rejected: 0, refusal: Some((503, error.to_string())) }
            }
            Err(error @ AppendError::TooLarge { .. }) => Pushed { stored: 0, rejected: 0, refusal: Some((413, error.to_string())) },
        }
    }

    /// How many lines are kept (duplicates included), and how many the store refused.
    fn keep(&self, accepted: &[Accepted<'_>], now: Timestamp) -> Result<(u64, u64), AppendError> {
        // All of them behind each other: a list for each line would be as many allocations.
        let metadata: Vec<(&str, &str)> = accepted
            .iter()
            .flat_map(|stream| &stream.entries)
            .flat_map(|entry| entry.metadata.iter().map(|(name, value)| (&**name, &**value)))
            .collect();
        let mut rest = metadata.as_slice();
        let entries: Vec<Vec<NewEntry<'_>>> = accepted
            .iter()
            .map(|stream| {
                let entries = stream.entries.iter().map(|entry| {
                    let (metadata, others) = rest.split_at(entry.metadata.len());
                    rest = others;
                    NewEntry { at: entry.at, ordinal: None, line: &entry.line, metadata }
                });
                entries.collect()
            })
            .collect();
        let batch: Vec<StreamBatch<'_>> =
            accepted.iter().zip(&entries).map(|(stream, entries)| StreamBatch { labels: &stream.labels, entries }).collect();
        if batch.is_empty() {
            return Ok((0, 0));
        }
        let appended = self.store.append(&batch, now.0)?;
        let refused = appended.outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Refused(_))).count() as u64;
        self.show(&batch, &appended.outcomes, now);
        Ok((appended.outcomes.len() as u64 - refused, refused))
    }

    fn show(&self, batch: &[StreamBatch<'_>], outcomes: &[Outcome], now: Timestamp) {
        let is_heard = self.feed.is_heard();
        let mut outcomes = outcomes.iter();
        let mut streams: HashMap<StreamHash, Arc<Stream>> = HashMap::new();
        let (mut lines, mut fresh) = (Vec::new(), Vec::new());
        for one in batch {
            let hash = one.labels.hash64();
            let stream = streams
                .entry(hash)
                .or_insert_with(|| Arc::new(Stream { key: key_of(one.labels), labels: Arc::new(one.labels.clone()), hash }));
            let reference = Arc::new(StreamRef { labels: one.labels.clone(), hash });
            for entry in one.entries {
                let Some(Outcome::Stored(ordinal)) = outcomes.next() else { continue };
                let id = EntryId { at: Timestamp(entry.at), stream: hash, ordinal: *ordinal };
                let text: Arc<str> = entry.line.into();
                if is_heard {
                    let metadata = entry.metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
                    fresh.push(Fresh { stream: reference.clone(), at: entry.at, ordinal: *ordinal, line: text.clone(), metadata });
                }
                lines.push(Arc::new(Line { id, stream: stream.clone(), level: level_of(entry.metadata, entry.line), text, group: id }));
                if lines.len() == SHOWN_AT_ONCE {
                    self.hub.publish(&lines, now);
                    lines.clear();
                }
            }
        }
        self.hub.publish(&lines, now);
        self.feed.send(fresh);
    }
}

fn later_refusal(lines: u64) -> Option<(u16, String)> {
    (lines > 0).then(|| (400, format!("{lines} lines were not kept: they are older than the retention, too long, or of too many streams")))
}
