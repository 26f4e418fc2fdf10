//! libFuzzer around one target, which the environment variable `FUZZ_TARGET` names. Its own arguments: `-help=1`.
#![no_main]

use std::sync::LazyLock;

#[allow(clippy::disallowed_methods, reason = "arguments are libFuzzer's own")]
static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let found = fuzz::TARGETS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("FUZZ_TARGET is none of {:?}", fuzz::TARGETS.iter().map(|(name, _)| name).collect::<Vec<_>>())).1
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| TARGET(bytes));
