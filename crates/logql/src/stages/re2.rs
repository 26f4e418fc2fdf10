//! Regular expressions as Loki's users write them, compiled.

use regex::{Regex, RegexBuilder};

use crate::syntax::translate;

/// Compiled size, in bytes, that a user's expression may have.
const MAX_SIZE: usize = 4 << 20;

/// # Errors
/// What is wrong with the expression, in Go's words where it has some.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern).map_err(|error| error.to_string())?;
    let built = RegexBuilder::new(&translated).size_limit(MAX_SIZE).dfa_size_limit(MAX_SIZE).nest_limit(100).build();
    built.map_err(|error| format!("error parsing regexp: {error}"))
}
