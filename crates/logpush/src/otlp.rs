//! OTLP logs (opentelemetry.io/docs/specs/otlp), mapped to streams as Loki documents it (send-data/otel): some resource
//! attributes become labels, everything else structured metadata, the body the line.

use std::{borrow::Cow, collections::BTreeMap};

use model::Labels;

use crate::{Bounds, Metadata, Push, PushEntry, PushError, PushStream, body::Format, normalise::normal_name};

pub mod answer;
mod any;
mod json;
mod proto;

use any::{Any, Attributes};

/// Resource attributes that become labels (`default_resource_attributes_as_index_labels`).
pub const INDEX_ATTRIBUTES: [&str; 18] = [
    "service.name",
    "service.namespace",
    "service.instance.id",
    "deployment.environment",
    "deployment.environment.name",
    "cloud.region",
    "cloud.availability_zone",
    "k8s.cluster.name",
    "k8s.namespace.name",
    "k8s.pod.name",
    "k8s.container.name",
    "container.name",
    "k8s.replicaset.name",
    "k8s.deployment.name",
    "k8s.statefulset.name",
    "k8s.daemonset.name",
    "k8s.cronjob.name",
    "k8s.job.name",
];

/// What attributes may take in memory once each record has its resource's and its scope's, in bytes.
const ATTRIBUTE_BYTES: usize = 256 << 20;

/// Decodes an export. Records without a time get `now_ns`. An empty push means that there was nothing in it, which OTLP
/// answers with success.
///
/// # Errors
/// [`PushError::Otlp`], [`PushError::Protobuf`], [`PushError::TooMany`].
pub fn decode<'a>(body: &'a [u8], format: Format, bounds: &Bounds, now_ns: i64) -> Result<Push<'a>, PushError> {
    let mut mapping =
        Mapping { push: Push::default(), known: BTreeMap::new(), bounds, left: bounds.max_entries, room: ATTRIBUTE_BYTES, now_ns };
    match format {
        Format::Json => json::decode(body, &mut mapping)?,
        Format::Protobuf => proto::decode(body, &mut mapping)?,
    }
    Ok(mapping.push)
}

/// `LogRecord`
#[derive(Debug, Default)]
struct Record<'a> {
    time: u64,
    observed: u64,
    severity_number: i64,
    severity_text: Cow<'a, str>,
    body: Any<'a>,
    attributes: Attributes<'a>,
    dropped: u64,
    flags: u64,
    /// Hexadecimal.
    trace_id: Cow<'a, str>,
    span_id: Cow<'a, str>,
}

/// `InstrumentationScope`
#[derive(Debug, Default)]
struct Scope<'a> {
    name: Cow<'a, str>,
    version: Cow<'a, str>,
    attributes: Attributes<'a>,
    dropped: u64,
}

struct Mapping<'a, 'b> {
    push: Push<'a>,
    /// Streams by their labels.
    known: BTreeMap<Labels, usize>,
    bounds: &'b Bounds,
    /// Records that may still come.
    left: usize,
    /// Bytes that attributes may still take.
    room: usize,
    now_ns: i64,
}

/// A resource's share of what its records become.
struct Resource<'a> {
    stream: usize,
    metadata: Metadata<'a>,
}

impl<'a> Mapping<'a, '_> {
    fn resource(&mut self, attributes: Attributes<'a>) -> Result<Resource<'a>, PushError> {
        let mut metadata = Vec::new();
        let mut labels = Vec::new();
        for (name, value) in attributes {
            let target = if INDEX_ATTRIBUTES.contains(&name.as_ref()) { &mut labels } else { &mut metadata };
            self.flatten(&name, value, target)?;
        }
        let labels = labels.into_iter().filter(|(_, value)| !value.is_empty());
        let labels = Labels(labels.map(|(name, value)| (name.into_owned(), value.into_owned())).collect());
        let stream = match self.known.get(&labels) {
            Some(&stream) => stream,
            None if self.push.streams.len() >= self.bounds.max_streams => return Err(PushError::TooMany("streams")),
            None => {
                let stream = self.push.streams.len();
                self.known.insert(labels.clone(), stream);
                self.push.streams.push(PushStream { labels, duplicate: None, entries: Vec::new() });
                stream
            }
        };
        Ok(Resource { stream, metadata })
    }

    /// What each record of a scope gets, its resource's included.
    fn scope(&mut self, resource: &Resource<'a>, scope: Scope<'a>) -> Result<Metadata<'a>, PushError> {
        let mut metadata = self.copied(&resource.metadata)?;
        for (name, value) in scope.attributes {
            self.flatten(&name, value, &mut metadata)?;
        }
        put(&mut metadata, "scope_name", scope.name);
        put(&mut metadata, "scope_version", scope.version);
        put_number(&mut metadata, "scope_dropped_attributes_count", scope.dropped);
        Ok(metadata)
    }

    fn record(&mut self, stream: usize, shared: &Metadata<'a>, record: Record<'a>) -> Result<(), PushError> {
        self.left = self.left.checked_sub(1).ok_or(PushError::TooMany("entries"))?;
        let mut metadata = Vec::with_capacity(record.attributes.len() + shared.len() + 5);
        for (name, value) in record.attributes {
            self.flatten(&name, value, &mut metadata)?;
        }
        if record.time != 0 {
            put_number(&mut metadata, "observed_timestamp", record.observed);
        }
        if record.severity_number != 0 {
            put(&mut metadata, "severity_number", Cow::Owned(record.severity_number.to_string()));
        }
        put(&mut metadata, "severity_text", record.severity_text);
        put_number(&mut metadata, "dropped_attributes_count", record.dropped);
        put_number(&mut metadata, "flags", record.flags);
        put(&mut metadata, "trace_id", record.trace_id);
        put(&mut metadata, "span_id", record.span_id);
        metadata.extend(self.copied(shared)?);
        let at = [record.time, record.observed].into_iter().find(|time| *time != 0);
        let at = at.map_or(self.now_ns, |time| i64::try_from(time).unwrap_or(i64::MAX));
        let entry = PushEntry { at, line: record.body.into_text(), metadata };
        self.push.streams[stream].entries.push(entry);
        Ok(())
    }

    /// Nested attributes become `outer_inner`.
    fn flatten(&mut self, name: &str, value: Any<'a>, out: &mut Metadata<'a>) -> Result<(), PushError> {
        let name = normal_name(name);
        if let Any::Map(members) = value {
            for (inner, value) in members {
                self.spend(name.len() + inner.len())?;
                self.flatten(&format!("{name}_{inner}"), value, out)?;
            }
            return Ok(());
        }
        let value = value.into_text();
        self.spend(PAIR_BYTES + name.len() + owned(&value))?;
        out.push((Cow::Owned(name.into_owned()), value));
        Ok(())
    }

    fn copied(&mut self, metadata: &Metadata<'a>) -> Result<Metadata<'a>, PushError> {
        self.spend(metadata.iter().map(|pair| PAIR_BYTES + owned(&pair.0) + owned(&pair.1)).sum())?;
        Ok(metadata.clone())
    }

    fn spend(&mut self, bytes: usize) -> Result<(), PushError> {
        self.room = self.room.checked_sub(bytes).ok_or(PushError::TooMany("attributes"))?;
        Ok(())
    }
}

const PAIR_BYTES: usize = size_of::<(Cow<'_, str>, Cow<'_, str>)>();

#[expect(clippy::ptr_arg, reason = "asks which of the two it is")]
fn owned(text: &Cow<'_, str>) -> usize {
    match text {
        Cow::Borrowed(_) => 0,
        Cow::Owned(text) => text.len(),
    }
}

fn put<'a>(metadata: &mut Metadata<'a>, name: &'static str, value: Cow<'a, str>) {
    if !value.is_empty() {
        metadata.push((Cow::Borrowed(name), value));
    }
}

fn put_number(metadata: &mut Metadata<'_>, name: &'static str, value: u64) {
    if value != 0 {
        metadata.push((Cow::Borrowed(name), Cow::Owned(value.to_string())));
    }
}

#[cfg(test)]
mod tests;
