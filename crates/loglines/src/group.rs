//! Which lines belong to the line before them: stack traces and other messages of several lines. Presentation only:
//! storage and counts stay by physical line.

use model::{EntryId, Level};

use crate::{
    ansi,
    fields::{self, Shape},
    head, text,
};

/// A group has at most this many lines; what follows starts a new one.
pub const MAX_GROUP_LINES: u32 = 500;
/// Neighbours in a group are at most this far apart.
pub const MAX_GAP_NANOS: i64 = 2_000_000_000;

/// Whether a line by itself looks like the continuation of another: indented, a frame of a stack trace, a closing
/// brace, a runtime's note after a panic. Structured lines, and lines with a time or level of their own, never do.
pub fn is_continuation(line: &str) -> bool {
    let plain = ansi::strip(line);
    looks_continued(&plain) && !stands_alone(&plain)
}

/// Gives each line of one stream the id of the line that heads its group.
#[derive(Clone, Debug, Default)]
pub struct Grouper {
    group: Option<Group>,
}

#[derive(Clone, Debug)]
struct Group {
    head: EntryId,
    last: EntryId,
    lines: u32,
    /// The head's level: what follows an error more likely explains it.
    level: Level,
    trace: Trace,
}

/// Whose trace a group is in: says which unindented lines still belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trace {
    /// Only what [`is_continuation`] says.
    None,
    /// Between `Traceback` and the exception. → PythonDone
    Python,
    /// After the exception; `During handling …` leads to another. → Python
    PythonDone,
    /// After `panic:`, to the end of the goroutines.
    Go,
    /// Directly after `thread … panicked at`: the message. → None
    Rust,
    /// After a source line underlined by `^`: the error and its frames.
    Node,
}

impl Grouper {
    /// The id of the head of the group that the line `id` belongs to; `id` itself where it starts one. Lines come in
    /// the stream's order; `level` is the line's own.
    pub fn push(&mut self, id: EntryId, line: &str, level: Level) -> EntryId {
        let plain = ansi::strip(line);
        let text = plain.trim_end();
        if let Some(group) = &mut self.group
            && group.lines < MAX_GROUP_LINES
            && id.at.0.abs_diff(group.last.at.0) <= MAX_GAP_NANOS.unsigned_abs()
            && let Some(trace) = group.after(text)
        {
            group.trace = trace;
            group.last = id;
            group.lines += 1;
            return group.head;
        }
        // Nothing hangs on a blank line.
        self.group = (!text.is_empty()).then(|| Group { head: id, last: id, lines: 1, level, trace: started(text).unwrap_or(Trace::None) });
        id
    }
}

impl Group {
    /// The state after `text` if it belongs to the group.
    fn after(&self, text: &str) -> Option<Trace> {
        if text.is_empty() {
            return (self.trace != Trace::None).then_some(self.trace);
        }
        let begun = started(text);
        let indented = text.starts_with([' ', '\t']);
        // Cheap questions first: most lines continue nothing.
        let next = match self.trace {
            Trace::Python if indented => Trace::Python,
            Trace::Python if is_exception(text) => Trace::PythonDone,
            Trace::PythonDone | Trace::Python if is_chained(text) => Trace::PythonDone,
            Trace::PythonDone if begun == Some(Trace::Python) => Trace::Python,
            Trace::Go if is_goroutine(text) => Trace::Go,
            Trace::Rust if !indented => Trace::None,
            Trace::Node if is_exception(text) || text.starts_with("Node.js v") => Trace::Node,
            // `logging.exception` and its like write the trace after the message.
            Trace::None if begun == Some(Trace::Python) && self.level >= Level::Warn => Trace::Python,
            Trace::None if self.level >= Level::Warn && self.lines == 1 && is_java_exception(text) => Trace::None,
            Trace::None if is_underline(text) => Trace::Node,
            trace if looks_continued(text) => trace,
            _ => return None,
        };
        // An exception's line (`Error: boom`) has a level for a head; inside a trace it has not.
        let inside = matches!(self.trace, Trace::Python | Trace::Node) && is_exception(text) && !text::is_time(text::token(text).0);
        (inside || begun == Some(Trace::Python) || !stands_alone(text)).then_some(next)
    }
}

/// The trace that a line starts.
fn started(text: &str) -> Option<Trace> {
    let text = text::unprefixed(text);
    if text.trim_start().starts_with("Traceback (most recent call last)") || text.trim_start().starts_with("+ Exception Group Traceback") {
        return Some(Trace::Python);
    }
    if text.starts_with("panic: ") || text.starts_with("fatal error: ") || text.starts_with("goroutine ") && text.ends_with("]:") {
        return Some(Trace::Go);
    }
    (text.starts_with("thread '") && text.contains(" panicked at ") && text.ends_with(':')).then_some(Trace::Rust)
}

fn looks_continued(text: &str) -> bool {
    const STARTS: &[&str] = &[
        "Caused by: ",
        "Suppressed: ",
        "stack backtrace:",
        "note: run with `RUST_BACKTRACE=",
        "note: Some details are omitted",
        "created by ",
        "During handling of the above exception",
        "The above exception was the direct cause",
        "exit status ",
    ];
    let bytes = text.as_bytes();
    match bytes.first() {
        None => false,
        Some(b'\t') => !text.trim_start().is_empty(),
        Some(b' ') => bytes.get(1).is_some_and(|b| matches!(b, b' ' | b'\t')) && !text.trim_start().is_empty(),
        Some(b'}' | b')' | b']') => bytes.len() <= 4 && bytes.iter().all(|b| b"})];,".contains(b)),
        Some(b'a') if text.starts_with("at ") => is_frame(text),
        Some(b'.') => text.starts_with("... ") && (text.ends_with(" more") || text.contains(" common frames omitted")),
        Some(b'g') => text.starts_with("goroutine ") && text.ends_with("]:"),
        Some(_) => STARTS.iter().any(|start| text.starts_with(start)),
    }
}

/// `at package.Class.method(File.java:12)`, `at file.js:1:2`.
fn is_frame(text: &str) -> bool {
    let text = text.trim_end();
    let ends_in_place = text.rsplit_once(':').is_some_and(|(_, line)| !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit()));
    text.contains('(') && text.ends_with(')') || ends_in_place
}

/// Whether a line says by itself that it is a message of its own: structured, or with a time or a level at its head.
fn stands_alone(text: &str) -> bool {
    let head = text.trim_start();
    let first = text::token(head.trim_start_matches(['[', '(', '<'])).0;
    if text::is_time(first.trim_end_matches([']', ')', '>', ','])) && first.len() >= 8 {
        return true;
    }
    if head.starts_with('{') || (text.len() == head.len() && head.contains('=')) {
        return fields::read(head).0 != Shape::Plain;
    }
    text.len() == head.len() && (head::find(text).is_some() || crate::formats::klog(text).is_some())
}

/// `ValueError: bad`, `app.errors.Broken`, `KeyboardInterrupt`: a dotted name, then nothing or a colon and a message.
fn is_exception(text: &str) -> bool {
    let name = text.split(": ").next().unwrap_or(text);
    let name = name.strip_suffix(':').unwrap_or(name);
    // Node adds a code: `Error [ERR_X]: …`.
    let name = name.split(" [").next().unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    last.starts_with(|c: char| c.is_ascii_uppercase())
        && last.bytes().any(|b| b.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b))
}

/// `java.lang.IllegalStateException: boom`.
fn is_java_exception(text: &str) -> bool {
    let name = text.split(':').next().unwrap_or(text);
    is_exception(text) && name.contains('.') && ["Exception", "Error", "Throwable"].iter().any(|end| name.ends_with(end))
}

fn is_chained(text: &str) -> bool {
    text.starts_with("During handling of the above exception") || text.starts_with("The above exception was the direct cause")
}

/// A line of Go's trace: a header, a call, an address or a register.
fn is_goroutine(text: &str) -> bool {
    text.starts_with("goroutine ")
        || text.starts_with("[signal ")
        || text.starts_with("[recovered]")
        || text.starts_with("panic: ")
        || text.starts_with("created by ")
        || text.starts_with("runtime stack:")
        || text.starts_with("exit status ")
        || text.starts_with('\t')
        || text.split_once('(').is_some_and(|(call, _)| text.ends_with(')') && !call.is_empty() && !call.contains(' '))
        || text.split_once(' ').is_some_and(|(register, value)| register.len() <= 6 && value.trim_start().starts_with("0x"))
}

/// A source line's `    ^^^`.
fn is_underline(text: &str) -> bool {
    text.starts_with(' ') && text.contains('^') && text.trim_start().bytes().all(|b| matches!(b, b'^' | b'~' | b' '))
}
