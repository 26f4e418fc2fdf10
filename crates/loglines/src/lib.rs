//! What a log line says (level, fields, colours, time, whether it continues the line before), and how bytes become
//! lines. Pure and synchronous: text in, values out. Knows nothing of Docker, files, HTTP or clocks.

pub mod ansi;
pub mod decode;
pub mod fields;
mod formats;
pub mod group;
mod head;
mod json;
pub mod level;
mod logfmt;
pub mod rules;
pub mod stamp;
mod text;

use model::{Level, log::Fields};

/// What one line says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Understood {
    pub level: Level,
    /// As [`fields::parse`] gives them.
    pub fields: Fields,
}

/// Level and fields of a line, with one pass over its JSON. Equal to [`level::detect`] and [`fields::parse`].
pub fn understand(line: &str) -> Understood {
    let plain = ansi::strip(line);
    let text = text::unprefixed(&plain);
    let (shape, fields) = fields::read(text);
    let level = rules::level_of(&rules::Line { text, shape, fields: &fields });
    Understood { level, fields }
}
