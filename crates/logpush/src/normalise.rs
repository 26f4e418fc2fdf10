//! What Loki does to a push before it stores it: limits checked with its words, `service_name` and `detected_level` added.
//! Valid lines are kept even where others of the same push are refused.

use std::{borrow::Cow, fmt::Write};

use model::Labels;
use time::OffsetDateTime;

use crate::{
    Metadata, Push, PushEntry,
    labels::{self, show},
    level,
};

/// Loki's documented defaults (`limits_config`). 0 switches a limit off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Labels of a stream; `service_name` does not count.
    pub max_labels: usize,
    pub max_label_name_bytes: usize,
    pub max_label_value_bytes: usize,
    pub max_line_bytes: usize,
    /// Names and values of a line's metadata together.
    pub max_metadata_bytes: usize,
    pub max_metadata_entries: usize,
    /// Older lines are refused.
    pub max_age_ns: i64,
    /// Lines from further ahead are refused.
    pub max_ahead_ns: i64,
}

const SECOND: i64 = 1_000_000_000;

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_labels: 15,
            max_label_name_bytes: 1024,
            max_label_value_bytes: 2048,
            max_line_bytes: 256 << 10,
            max_metadata_bytes: 64 << 10,
            max_metadata_entries: 128,
            max_age_ns: 7 * 24 * 3600 * SECOND,
            max_ahead_ns: 600 * SECOND,
        }
    }
}

/// A stream as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted<'a> {
    /// With `service_name`.
    pub labels: Labels,
    /// Never empty. Metadata is sorted by name, without doubles and empty values, and has `detected_level`.
    pub entries: Vec<PushEntry<'a>>,
}

/// Lines that were refused for one reason, side by side in the push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The stream's labels as text; empty where the push as a whole is meant.
    pub stream: String,
    pub why: String,
    /// 400 or 422.
    pub code: u16,
    pub lines: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Normalised<'a> {
    pub accepted: Vec<Accepted<'a>>,
    /// The first [`Normalised::MAX_REJECTIONS`].
    pub rejected: Vec<Rejection>,
    /// All of them.
    pub rejected_lines: u64,
}

impl Normalised<'_> {
    pub const MAX_REJECTIONS: usize = 20;

    /// The status and text to answer, where something was refused.
    pub fn refusal(&self) -> Option<(u16, String)> {
        let first = self.rejected.first()?;
        let mut text = String::new();
        for (at, rejection) in self.rejected.iter().enumerate() {
            let separator = if at > 0 { "; " } else { "" };
            let _ = match rejection.lines {
                lines if lines > 1 || self.rejected.len() > 1 => write!(text, "{separator}{lines} errors like: {}", rejection.why),
                _ => write!(text, "{separator}{}", rejection.why),
            };
        }
        Some((first.code, text))
    }
}

/// Labels that name the service, first choice first (`discover_service_name`, documented default).
pub const SERVICE_LABELS: [&str; 13] = [
    "service",
    "app",
    "application",
    "app_name",
    "name",
    "app_kubernetes_io_name",
    "container",
    "container_name",
    "k8s_container_name",
    "component",
    "workload",
    "job",
    "k8s_job_name",
];

/// Checks and completes a push. `now_ns` is the time of its arrival.
pub fn normalise<'a>(push: Push<'a>, limits: &Limits, now_ns: i64) -> Normalised<'a> {
    let mut normalised = Normalised::default();
    if push.streams.is_empty() {
        let why = "error at least one valid stream is required for ingestion".to_owned();
        normalised.rejected.push(Rejection { stream: String::new(), why, code: 422, lines: 0 });
    }
    for mut stream in push.streams {
        add_service_name(&mut stream.labels);
        let mut check = Check { labels: &stream.labels, shown: None, limits, now_ns };
        if let Some(why) = check.stream(stream.duplicate.as_deref()) {
            let shown = check.show().to_owned();
            normalised.reject(shown, why, stream.entries.len() as u64);
            continue;
        }
        let level = level::of_labels(&stream.labels);
        let mut kept = Vec::with_capacity(stream.entries.len());
        for mut entry in stream.entries {
            if let Some(why) = check.entry(&entry) {
                let shown = check.show().to_owned();
                normalised.reject(shown, why, 1);
                continue;
            }
            normalise_metadata(&mut entry.metadata);
            add_level(&mut entry, level.as_deref());
            kept.push(entry);
        }
        if !kept.is_empty() {
            normalised.accepted.push(Accepted { labels: stream.labels, entries: kept });
        }
    }
    normalised
}

impl Normalised<'_> {
    fn reject(&mut self, stream: String, why: String, lines: u64) {
        self.rejected_lines += lines;
        // Equal texts are told once, with their number.
        if let Some(known) = self.rejected.iter_mut().find(|known| known.why == why) {
            known.lines += lines;
        } else if self.rejected.len() < Self::MAX_REJECTIONS {
            self.rejected.push(Rejection { stream, why, code: 400, lines });
        }
    }
}

fn add_service_name(labels: &mut Labels) {
    if labels.0.contains_key("service_name") {
        return;
    }
    let service = SERVICE_LABELS.iter().find_map(|name| labels.get(name)).unwrap_or("unknown_service").to_owned();
    labels.0.insert("service_name".to_owned(), service);
}

/// Names made normal, empty values left out, sorted, of doubles the last kept.
fn normalise_metadata(metadata: &mut Metadata<'_>) {
    for (name, _) in metadata.iter_mut() {
        if let Cow::Owned(normal) = normal_name(name) {
            *name = Cow::Owned(normal);
        }
    }
    metadata.retain(|(name, value)| !name.is_empty() && !value.is_empty());
    if !metadata.is_sorted_by(|(left, _), (right, _)| left < right) {
        metadata.reverse();
        metadata.sort_by(|(left, _), (right, _)| left.cmp(right));
        metadata.dedup_by(|(later, _), (kept, _)| later == kept);
    }
}

fn add_level(entry: &mut PushEntry<'_>, of_labels: Option<&str>) {
    let place = entry.metadata.binary_search_by(|(name, _)| name.as_ref().cmp(level::DETECTED_LEVEL));
    match place {
        Ok(at) => {
            if let Some(level) = level::named(&entry.metadata[at].1) {
                entry.metadata[at].1 = Cow::Borrowed(level);
            }
        }
        Err(at) => {
            let found = match of_labels {
                Some(level) => level::named(level).map_or_else(|| Cow::Owned(level.to_owned()), Cow::Borrowed),
                None => match level::of_entry(&entry.metadata, &entry.line) {
                    found if level::named(&found).is_some() => Cow::Borrowed(level::named(&found).unwrap_or(level::UNKNOWN)),
                    found if found == level::UNKNOWN => Cow::Borrowed(level::UNKNOWN),
                    found => Cow::Owned(found.into_owned()),
                },
            };
            entry.metadata.reserve_exact(1);
            entry.metadata.insert(at, (Cow::Borrowed(level::DETECTED_LEVEL), found));
        }
    }
}

/// A name with `_` for whatever a label cannot have, as OpenTelemetry's translation to Prometheus does it
/// (opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics); one that begins with a digit gets `key_`.
pub fn normal_name(name: &str) -> Cow<'_, str> {
    if labels::is_name(name) || name.is_empty() {
        return Cow::Borrowed(name);
    }
    let mut normal = String::with_capacity(name.len() + 4);
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        normal.push_str("key_");
    }
    normal.extend(name.chars().map(|symbol| if symbol.is_ascii_alphanumeric() { symbol } else { '_' }));
    Cow::Owned(normal)
}

struct Check<'c> {
    labels: &'c Labels,
    /// Only made when something is refused.
    shown: Option<String>,
    limits: &'c Limits,
    now_ns: i64,
}

impl Check<'_> {
    fn show(&mut self) -> &str {
        self.shown.get_or_insert_with(|| show(self.labels))
    }

    fn stream(&mut self, duplicate: Option<&str>) -> Option<String> {
        let limits = self.limits;
        let over = |limit: usize, value: usize| limit != 0 && value > limit;
        let count = self.labels.0.len().saturating_sub(1);
        if over(limits.max_labels, count) {
            return Some(format!("entry for stream '{}' has {count} label names; limit {}", self.show(), limits.max_labels));
        }
        for (name, value) in &self.labels.0 {
            if over(limits.max_label_name_bytes, name.len()) {
                return Some(format!("stream '{}' has label name too long: '{}'", self.show(), cut(name)));
            }
            if over(limits.max_label_value_bytes, value.len()) {
                return Some(format!("stream '{}' has label value too long: '{}'", self.show(), cut(value)));
            }
        }
        duplicate.map(|name| format!("stream '{}' has duplicate label name: '{name}'", self.show()))
    }

    fn entry(&mut self, entry: &PushEntry<'_>) -> Option<String> {
        let limits = self.limits;
        let oldest = self.now_ns.saturating_sub(limits.max_age_ns);
        if limits.max_age_ns != 0 && entry.at < oldest {
            let (at, oldest) = (rfc3339(entry.at), rfc3339(oldest));
            let shown = self.show();
            return Some(format!("entry for stream '{shown}' has timestamp too old: {at}, oldest acceptable timestamp is: {oldest}"));
        }
        if entry.at > self.now_ns.saturating_add(limits.max_ahead_ns) {
            return Some(format!("entry for stream '{}' has timestamp too new: {}", self.show(), rfc3339(entry.at)));
        }
        let (max, len) = (limits.max_line_bytes, entry.line.len());
        if max != 0 && len > max {
            let shown = self.show();
            return Some(format!(
                "max entry size '{max}' bytes exceeded for stream '{shown}' while adding an entry with length '{len}' bytes"
            ));
        }
        let bytes: usize = entry.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if limits.max_metadata_bytes != 0 && bytes > limits.max_metadata_bytes {
            return Some(format!(
                "stream '{}' has structured metadata too large: '{bytes}' bytes, limit: '{}' bytes. Please see \
                 `limits_config.max_structured_metadata_size` or contact your Loki administrator to increase it.",
                self.show(),
                limits.max_metadata_bytes
            ));
        }
        let count = entry.metadata.len();
        if limits.max_metadata_entries != 0 && count > limits.max_metadata_entries {
            return Some(format!(
                "stream '{}' has too many structured metadata labels: '{count}', limit: '{}'. Please see \
                 `limits_config.max_structured_metadata_entries_count` or contact your Loki administrator to increase it.",
                self.show(),
                limits.max_metadata_entries
            ));
        }
        None
    }
}

/// Names and values in messages, at most a little longer than the limits' defaults.
fn cut(text: &str) -> &str {
    let end = (0..=text.len().min(4096)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    &text[..end]
}

/// To the second, as Loki writes it.
fn rfc3339(at_ns: i64) -> String {
    OffsetDateTime::from_unix_timestamp(at_ns.div_euclid(SECOND))
        .ok()
        .and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_else(|| at_ns.to_string())
}

#[cfg(test)]
mod tests;
