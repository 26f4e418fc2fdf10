//! The console's own log: one schema (docs/LOGGING.md), as JSON lines in a file that rotates and as text on standard
//! error. Logging never waits: a sink that falls behind loses events and says how many. Knows nothing of the logs that
//! the console collects.

mod record;
mod sink;
#[cfg(test)]
mod tests;

use std::{
    io::{self, IsTerminal, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, SystemTime},
};

use model::Timestamp;
use tracing::{Event, Subscriber, span};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
    util::{SubscriberInitExt, TryInitError},
};

use self::record::{Fields, Visitor};
pub use self::record::{Kind, Record};
use self::sink::{RotatingFile, Sink, StandardError};

/// 10 MiB, then `console.log.1`, `.2`, `.3`: at most 40 MiB in all.
const FILE_BYTES: u64 = 10 * 1024 * 1024;
const FILES_KEPT: usize = 3;
/// How long a guard waits for each sink when it goes: a reader of standard error that never reads must not stop an exit.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// What [`init`] needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file of JSON lines, from [`console_log`]. `None`: standard error only.
    pub file: Option<PathBuf>,
    pub filter: Targets,
}

/// Writes out what is queued when it is dropped. Keep it until the end of `main`.
#[must_use = "events that are still queued are lost without it"]
pub struct Guard {
    sinks: Vec<Sink>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        for sink in &self.sinks {
            sink.flush(FLUSH_LIMIT);
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot start a thread that writes the log")]
    Thread(#[source] io::Error),
    #[error("the log was already set up")]
    Twice(#[source] TryInitError),
}

/// Where the console's own log goes: the log directory when we may write there (it is made if only it is missing), else
/// the data directory, which is made for us alone where it is missing.
pub fn console_log(log_dir: &Path, data_dir: &Path) -> PathBuf {
    const NAME: &str = "console.log";
    let path = log_dir.join(NAME);
    let made = std::fs::create_dir(log_dir);
    drop(made); // It failed where the directory exists, or may not be made: opening tells which.
    if sink::open(&path).is_ok() {
        return path;
    }
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir);
    drop(made); // As above; whoever opens the store tells why.
    data_dir.join(NAME)
}

/// Starts the process's log and sends panics there as well. Once per process; a test uses [`layer`].
///
/// # Errors
/// When a thread cannot be started, or the process has a log already.
pub fn init(options: Options) -> Result<Guard, Error> {
    let coloured = io::stderr().is_terminal();
    let text = Sink::spawn("log-stderr", StandardError, move |lost| notice(lost).to_text(coloured), |_| {}).map_err(Error::Thread)?;
    let mut sinks = Vec::new();
    if let Some(path) = options.file {
        let on_trouble = {
            let (text, path) = (text.clone(), path.clone());
            move |error: &io::Error| {
                let message = format!("cannot write the console's own log to {}: {error}", path.display());
                text.send(own(tracing::Level::ERROR, message, Vec::new()).to_text(coloured));
            }
        };
        let file = RotatingFile::new(path, FILE_BYTES, FILES_KEPT);
        sinks.push(Sink::spawn("log-file", file, |lost| notice(lost).to_json(), on_trouble).map_err(Error::Thread)?);
    }
    let file = sinks.first().cloned();
    sinks.push(text.clone());
    let emit = move |record: &Record<'_>| {
        if let Some(file) = &file {
            file.send(record.to_json());
        }
        text.send(record.to_text(coloured));
    };
    let layer = ConsoleLayer { emit: Box::new(emit) }.with_filter(options.filter);
    tracing_subscriber::registry().with(layer).try_init().map_err(Error::Twice)?;
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string);
        tracing::error!(kind = "lifecycle", place, "panicked: {message}");
    }));
    Ok(Guard { sinks })
}

/// A layer that writes JSON lines straight to `writer`, for tests.
pub fn layer(writer: impl Write + Send + 'static) -> ConsoleLayer {
    let writer = Mutex::new(writer);
    ConsoleLayer {
        emit: Box::new(move |record| {
            let mut writer = writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            writeln!(writer, "{}", record.to_json()).ok();
        }),
    }
}

/// Turns each event into a [`Record`] that carries the fields of the spans around it.
pub struct ConsoleLayer {
    emit: Box<dyn Fn(&Record<'_>) + Send + Sync>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ConsoleLayer {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut Visitor(&mut fields));
        if let Some(span) = context.span(id) {
            span.extensions_mut().replace(fields);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(&mut Visitor(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut own = Fields::default();
        event.record(&mut Visitor(&mut own));
        let mut around = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                around.extend(fields);
            }
        }
        let metadata = event.metadata();
        (self.emit)(&Record::new(now(), *metadata.level(), metadata.target(), around, own));
    }
}

/// The line that stands for events a sink could not take.
fn notice(lost: u64) -> Record<'static> {
    own(tracing::Level::WARN, format!("{lost} events of the console's own log were lost here"), vec![("lost", lost.into())])
}

/// A record of the log about itself. Not an event: that would come back to the sink that is in trouble.
fn own(level: tracing::Level, message: String, more: Vec<(&'static str, serde_json::Value)>) -> Record<'static> {
    let mut fields = Fields::default();
    fields.set("message", message.into());
    more.into_iter().for_each(|(name, value)| fields.set(name, value));
    Record::new(now(), level, module_path!(), Fields::default(), fields)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// An `X-Request-ID` that may go into our log and back to the client: 1 to 128 visible ASCII characters. `None`: make one.
pub fn request_id(header: &str) -> Option<&str> {
    let text = header.trim();
    ((1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())).then_some(text)
}

/// The trace id of a `traceparent` header (W3C Trace Context §3.2.2): 32 lower-case hexadecimal digits, not all zero.
pub fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.trim().split('-');
    let mut hex =
        |digits: usize| parts.next().filter(|part| part.len() == digits && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    let (version, trace, parent, _flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    // Version 00 ends here; a later one may go on.
    let known = version != "ff" && (version != "00" || parts.next().is_none());
    (known && trace.bytes().any(|b| b != b'0') && parent.bytes().any(|b| b != b'0')).then_some(trace)
}
