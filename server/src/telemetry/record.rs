//! One event of the console's own log, as JSON and as text for a person. The schema of docs/LOGGING.md is this file.

use std::{borrow::Cow, error, fmt, fmt::Write as _};

use model::Timestamp;
use serde_json::Value;
use tracing::{Level, field};

/// A value is cut behind this many bytes, so that a hostile header cannot fill the disk.
const VALUE_BYTES: usize = 16 * 1024;

/// What an event is about, and so which fields it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Http,
    Database,
    ExternalService,
    Security,
    Business,
    Lifecycle,
}

impl Kind {
    pub const ALL: [Self; 6] = [Self::Http, Self::Database, Self::ExternalService, Self::Security, Self::Business, Self::Lifecycle];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Database => "database",
            Self::ExternalService => "external_service",
            Self::Security => "security",
            Self::Business => "business",
            Self::Lifecycle => "lifecycle",
        }
    }

    /// The fields that each of our own events of this kind has.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Http => &["method", "route", "status", "duration_ms", "bytes"],
            Self::Database => &["operation", "duration_ms"],
            Self::ExternalService => &["peer", "operation", "outcome", "duration_ms"],
            Self::Security => &["event", "actor", "address", "outcome"],
            Self::Business => &["metric", "value"],
            Self::Lifecycle => &[],
        }
    }

    /// The kind of an event that does not say: a library's.
    fn of_target(target: &str) -> Self {
        match target.split("::").next().unwrap_or_default() {
            "sqlx" | "sqlx_core" | "sqlx_sqlite" | "sqlx_postgres" => Self::Database,
            "hyper" | "hyper_util" | "reqwest" | "bollard" => Self::ExternalService,
            "axum" | "axum_server" | "tower_http" | "tower_sessions" => Self::Http,
            _ => Self::Lifecycle,
        }
    }
}

/// Names and values in the order in which they were first said. The last value of a name counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    pub fn set(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    pub fn extend(&mut self, other: &Self) {
        for (name, value) in &other.0 {
            self.set(name, value.clone());
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let index = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.remove(index).1)
    }
}

/// Collects the fields of a span or an event.
pub(super) struct Visitor<'a>(pub &'a mut Fields);

impl field::Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        let mut text = Bounded::default();
        write!(text, "{value:?}").ok(); // Too long is not an error: what fits is there.
        self.0.set(field.name(), text.done().into());
    }

    fn record_str(&mut self, field: &field::Field, value: &str) {
        let mut text = Bounded::default();
        text.write_str(value).ok();
        self.0.set(field.name(), text.done().into());
    }

    fn record_error(&mut self, field: &field::Field, error: &(dyn error::Error + 'static)) {
        let mut text = Bounded::default();
        write!(text, "{error}").ok();
        let mut cause = error.source();
        while let Some(error) = cause {
            write!(text, ": {error}").ok();
            cause = error.source();
        }
        self.0.set(field.name(), text.done().into());
    }

    fn record_bool(&mut self, field: &field::Field, value: bool) {
        self.0.set(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &field::Field, value: i64) {
        self.0.set(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &field::Field, value: u64) {
        self.0.set(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &field::Field, value: f64) {
        self.0.set(field.name(), value.into());
    }
}

/// Text that stops growing at [`VALUE_BYTES`].
#[derive(Default)]
struct Bounded {
    text: String,
    cut: bool,
}

impl Bounded {
    fn done(mut self) -> String {
        if self.cut {
            self.text.push('…');
        }
        self.text
    }
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let fits = more.floor_char_boundary(VALUE_BYTES - self.text.len());
        self.text.push_str(&more[..fits]);
        self.cut |= fits < more.len();
        if self.cut { Err(fmt::Error) } else { Ok(()) }
    }
}

/// One event, ready to be written.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    pub at: Timestamp,
    pub level: Level,
    pub kind: Kind,
    pub target: &'a str,
    pub message: String,
    /// Span fields first, outermost first; then the event's own.
    pub fields: Vec<(Cow<'static, str>, Value)>,
}

impl<'a> Record<'a> {
    pub(super) fn new(at: Timestamp, level: Level, target: &'a str, around: Fields, mut own: Fields) -> Self {
        let message = match own.take("message") {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let said = own.take("kind");
        let known = Kind::ALL.into_iter().find(|kind| said.as_ref().and_then(Value::as_str) == Some(kind.as_str()));
        let mut fields = around;
        fields.extend(&own);
        if let (Some(other), None) = (said, known) {
            fields.set("kind", other);
        }
        // A name of the schema keeps its meaning: whoever else uses it is found under another.
        let free = |name: &'static str| match name {
            "timestamp" | "level" | "service" | "kind" | "message" | "target" => Cow::Owned(format!("field_{name}")),
            _ => Cow::Borrowed(name),
        };
        let fields = fields.0.into_iter().map(|(name, value)| (free(name), value)).collect();
        Self { at, level, kind: known.unwrap_or_else(|| Kind::of_target(target)), target, message, fields }
    }

    /// One line without its end. JSON escapes every control character, so no value can begin a line of its own.
    pub fn to_json(&self) -> String {
        let whole = Timestamp::from_secs(self.at.secs()).to_string();
        let nanos = self.at.0.rem_euclid(model::time::NANOS_PER_SEC);
        let mut line = format!(
            r#"{{"timestamp":"{}.{nanos:09}Z","level":"{}","service":"console","kind":"{}","message":{},"target":{}"#,
            whole.trim_end_matches('Z'),
            self.level.as_str().to_ascii_lowercase(),
            self.kind.as_str(),
            Value::from(self.message.as_str()),
            Value::from(self.target),
        );
        for (name, value) in &self.fields {
            write!(line, ",{}:{value}", Value::from(name.as_ref())).expect("a string takes all");
        }
        line.push('}');
        line
    }

    /// One line without its end, for a person. Control characters are escaped: a terminal obeys them.
    pub fn to_text(&self, coloured: bool) -> String {
        let colour = match self.level {
            Level::ERROR => "31",
            Level::WARN => "33",
            Level::INFO => "32",
            _ => "34",
        };
        let paint = |code: &str, text: &str| if coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
        let at =
            format!("{}.{:03}Z", Timestamp::from_secs(self.at.secs()).to_string().trim_end_matches('Z'), self.at.millis().rem_euclid(1000));
        let level = paint(colour, &format!("{:5}", self.level.as_str()));
        let mut line = format!("{} {level} {} {}", paint("2", &at), paint("2", self.kind.as_str()), printable(&self.message));
        for (name, value) in &self.fields {
            let value = match value {
                Value::String(text) if !text.is_empty() && !text.contains([' ', '"', '=']) => printable(text),
                other => printable(&other.to_string()),
            };
            write!(line, " {}{value}", paint("2", &format!("{name}="))).expect("a string takes all");
        }
        line
    }
}

fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if c.is_control() {
            out.extend(c.escape_default())
        } else {
            out.push(c)
        }
        out
    })
}
