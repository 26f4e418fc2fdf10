//! The embedded log engine's settings.

use model::time::{NANOS_PER_SEC, parse_duration};

use super::{
    Error,
    layers::{Layers, Raw},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Lines older than this are forgotten.
    pub retention_ns: i64,
    /// What the engine may take of the disk; the oldest lines go first.
    pub retention_bytes: u64,
    pub fsync: Fsync,
    /// Pushed lines older than this are refused.
    pub max_age_ns: i64,
    /// Pushed lines that lie farther ahead of the clock are refused.
    pub max_ahead_ns: i64,
}

impl Default for EngineConfig {
    /// What holds where nothing is set.
    fn default() -> Self {
        const DAY_NS: i64 = 24 * 3_600 * NANOS_PER_SEC;
        Self {
            retention_ns: 7 * DAY_NS,
            retention_bytes: 10 << 30,
            fsync: Fsync::Group,
            max_age_ns: 7 * DAY_NS,
            max_ahead_ns: 600 * NANOS_PER_SEC,
        }
    }
}

/// When a line counts as kept (contract §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// One fsync for all that came within 20 ms; a push is answered after it.
    Group,
    /// Every second; a power cut may cost that second.
    Interval,
    /// When the kernel likes.
    Off,
}

/// `retention` and `retention_bytes`, which are flags too.
pub(super) fn budget(layers: &mut Layers<'_>) -> Result<(i64, u64), Error> {
    let time = layers.required("retention", Raw::Text("7d".to_owned()), |raw| span(raw, 3_600))?;
    Ok((time, layers.required("retention_bytes", Raw::Text("10GiB".to_owned()), bytes)?))
}

/// The rest, from the sections `logs` and `ingest`.
pub(super) fn load(layers: &mut Layers<'_>, (retention_ns, retention_bytes): (i64, u64)) -> Result<EngineConfig, Error> {
    let fsync = layers.required("logs.fsync", Raw::Text("group".to_owned()), |raw| match raw.text()? {
        "group" => Ok(Fsync::Group),
        "interval" => Ok(Fsync::Interval),
        "off" => Ok(Fsync::Off),
        _ => Err("group, interval or off".to_owned()),
    })?;
    let max_age_ns = layers.required("ingest.max_age", Raw::Text("7d".to_owned()), |raw| span(raw, 1))?;
    let max_ahead_ns = layers.required("ingest.max_ahead", Raw::Text("10m".to_owned()), |raw| span(raw, 1))?;
    Ok(EngineConfig { retention_ns, retention_bytes, fsync, max_age_ns, max_ahead_ns })
}

/// A duration of at least so many seconds, in nanoseconds.
pub(super) fn span(raw: &Raw, least_s: i64) -> Result<i64, String> {
    let nanos = parse_duration(raw.text()?).filter(|nanos| *nanos >= least_s * NANOS_PER_SEC);
    nanos.ok_or_else(|| format!("a duration of at least {least_s} s, such as 12h, 7d or 4w"))
}

/// `10GiB`, `500MB`, or bytes; at least 64 MiB, below which the engine could not keep an hour of a small host.
pub(super) fn bytes(raw: &Raw) -> Result<u64, String> {
    const UNITS: [(&str, u64); 9] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1_000),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
    ];
    let found = match raw {
        Raw::Integer(number) => u64::try_from(*number).ok(),
        other => {
            let text = other.text()?.trim();
            let (number, unit) = UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit))).unwrap_or((text, 1));
            number.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit))
        }
    };
    found.filter(|bytes| *bytes >= 64 << 20).ok_or_else(|| "a size of at least 64MiB, such as 10GiB or 500MB".to_owned())
}
