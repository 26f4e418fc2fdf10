//! Which labels of containers become labels of their streams, so that scopes and queries may name them.

use std::collections::BTreeMap;

use logql::stages::names::sanitize;
use ops::access::ScopeLabels;

use super::{
    Error,
    layers::{Layers, Raw},
};

/// Labels of a stream that have a meaning already (contract §6).
const RESERVED: [&str; 8] = ["service", "service_name", "container_name", "compose_project", "stream", "job", "host", "detected_level"];
/// More would be more than queries read well with; a Loki takes 15 labels of a stream at all, unless told otherwise.
const MAX_LABELS: usize = 16;
/// Loki's `max_label_name_length`.
const MAX_NAME_BYTES: usize = 1_024;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeConfig {
    /// No two of the same name on a stream.
    pub copied: Vec<CopiedLabel>,
}

impl ScopeConfig {
    /// What the scopes of accounts and tokens may name.
    pub fn labels(&self) -> ScopeLabels {
        ScopeLabels::with(self.copied.iter().map(|label| label.stream.clone()))
    }
}

/// A label that containers have and their streams get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedLabel {
    /// As Docker has it: `com.example.team`.
    pub docker: String,
    /// As the stream has it: `com_example_team`.
    pub stream: String,
}

impl CopiedLabel {
    /// With every character that no label of a stream may have as `_`, as Promtail's service discovery does, and a `_` before a
    /// digit at its start.
    pub fn new(docker: &str) -> Self {
        let mut stream = String::new();
        sanitize(docker, &mut stream);
        Self { docker: docker.to_owned(), stream }
    }
}

pub(super) fn load(layers: &mut Layers<'_>) -> Result<ScopeConfig, Error> {
    Ok(ScopeConfig { copied: layers.required("scope.labels", Raw::List(Vec::new()), labels)? })
}

fn labels(raw: &Raw) -> Result<Vec<CopiedLabel>, String> {
    let names = raw.list()?;
    if names.len() > MAX_LABELS {
        return Err(format!("at most {MAX_LABELS} names of Docker labels; these are {}", names.len()));
    }
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for name in &names {
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(format!(
                "names of Docker labels, such as com.example.team, of 1 to {MAX_NAME_BYTES} bytes without spaces; `{name}` is none"
            ));
        }
        let CopiedLabel { docker, stream } = CopiedLabel::new(name);
        if RESERVED.contains(&&*stream) || stream.starts_with("__") {
            return Err(format!(
                "names of Docker labels that do not become one of {} or begin with `__`; `{docker}` becomes `{stream}`",
                RESERVED.join(", ")
            ));
        }
        if let Some(other) = taken.insert(stream.clone(), docker.clone()) {
            return Err(format!(
                "names of Docker labels that become different labels of a stream; `{other}` and `{docker}` both become `{stream}`"
            ));
        }
    }
    Ok(names.iter().map(|name| CopiedLabel::new(name)).collect())
}
