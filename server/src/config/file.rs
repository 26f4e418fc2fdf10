//! The configuration file as a flat list of settings that remember their line. Knows the grammar (TOML) and the shape
//! of names, not what any setting means.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Error, Origin, layers::Raw};

/// Sections whose keys are fixed, and those keys.
const SECTIONS: [(&str, &[&str]); 4] = [
    ("collect", &["follow", "exclude", "files_poll_ms", "ship_to", "ship_queue"]),
    ("scope", &["labels"]),
    ("logs", &["fsync", "loki_tenant", "loki_user", "loki_password", "loki_token", "loki_ca", "loki_timeout"]),
    ("ingest", &["max_age", "max_ahead"]),
];

/// What `[docker.hosts.<name>]` may say.
pub(super) const DOCKER_HOST_KEYS: [&str; 4] = ["url", "tls_ca", "tls_cert", "tls_key"];

/// A file that was read: its settings by dotted name (`collect.follow`), each with the line it stands on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FileSettings {
    pub path: PathBuf,
    pub values: BTreeMap<String, (Raw, usize)>,
    /// The names under `[docker.hosts]`, with the line of each.
    pub docker_hosts: BTreeMap<String, usize>,
}

impl FileSettings {
    pub fn parse(path: &Path, text: &str, top_level: &[&'static str]) -> Result<Self, Error> {
        let line_at = |offset: usize| 1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|&&b| b == b'\n').count();
        let table = DeTable::parse(text).map_err(|error| Error::Syntax {
            path: path.to_owned(),
            line: line_at(error.span().map_or(0, |span| span.start)),
            message: error.message().trim().replace('\n', "; "),
        })?;
        let mut reader = Reader { line_at: &line_at, settings: Self { path: path.to_owned(), ..Self::default() } };
        reader.top(table.get_ref(), top_level)?;
        Ok(reader.settings)
    }
}

struct Reader<'a> {
    line_at: &'a dyn Fn(usize) -> usize,
    settings: FileSettings,
}

impl Reader<'_> {
    fn top(&mut self, table: &DeTable<'_>, top_level: &[&'static str]) -> Result<(), Error> {
        for (key, value) in table {
            let name: &str = key.get_ref();
            let line = (self.line_at)(key.span().start);
            if let Some((_, keys)) = SECTIONS.iter().find(|(section, _)| *section == name) {
                self.section(name, self.table(name, value)?, keys)?;
            } else if name == "docker" {
                self.docker(self.table(name, value)?)?;
            } else if top_level.contains(&name) {
                self.value(name.to_owned(), value)?;
            } else {
                let allowed = top_level.iter().copied().map(str::to_owned);
                let sections = SECTIONS.iter().map(|(section, _)| format!("[{section}]"));
                return Err(self.unknown(name, line, allowed.chain(sections).chain(["[docker.hosts.<name>]".to_owned()])));
            }
        }
        Ok(())
    }

    fn section(&mut self, prefix: &str, table: &DeTable<'_>, keys: &[&str]) -> Result<(), Error> {
        for (key, value) in table {
            let name: &str = key.get_ref();
            if !keys.contains(&name) {
                let line = (self.line_at)(key.span().start);
                return Err(self.unknown(&format!("{prefix}.{name}"), line, keys.iter().map(|key| format!("{prefix}.{key}"))));
            }
            self.value(format!("{prefix}.{name}"), value)?;
        }
        Ok(())
    }

    fn docker(&mut self, table: &DeTable<'_>) -> Result<(), Error> {
        for (key, value) in table {
            let line = (self.line_at)(key.span().start);
            if key.get_ref() != "hosts" {
                return Err(self.unknown(&format!("docker.{}", key.get_ref()), line, ["[docker.hosts.<name>]".to_owned()].into_iter()));
            }
            for (host, value) in self.table("docker.hosts", value)? {
                let name: &str = host.get_ref();
                let line = (self.line_at)(host.span().start);
                let named = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
                if name == "local" || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.bytes().all(named) || name.len() > 63
                {
                    let allowed =
                        "a name of at most 63 lower-case letters, digits, `_`, `-`; `local` is the host of docker_host".to_owned();
                    return Err(self.bad("docker.hosts".to_owned(), name.to_owned(), line, allowed));
                }
                let prefix = format!("docker.hosts.{name}");
                self.section(&prefix, self.table(&prefix, value)?, &DOCKER_HOST_KEYS)?;
                self.settings.docker_hosts.insert(name.to_owned(), line);
            }
        }
        Ok(())
    }

    fn value(&mut self, key: String, value: &Spanned<DeValue<'_>>) -> Result<(), Error> {
        let line = (self.line_at)(value.span().start);
        match raw(value.get_ref()) {
            Ok(raw) => {
                self.settings.values.insert(key, (raw, line));
                Ok(())
            }
            Err(found) => {
                Err(self.bad(key, found.to_owned(), line, "a string, a whole number, true, false or a list of strings".to_owned()))
            }
        }
    }

    fn table<'t, 'i>(&self, key: &str, value: &'t Spanned<DeValue<'i>>) -> Result<&'t DeTable<'i>, Error> {
        let found = value.get_ref();
        found.as_table().ok_or_else(|| {
            let line = (self.line_at)(value.span().start);
            self.bad(key.to_owned(), found.type_str().to_owned(), line, format!("a table, written as [{key}]"))
        })
    }

    fn origin(&self, line: usize) -> Origin {
        Origin::File { path: self.settings.path.clone(), line }
    }

    fn bad(&self, key: String, value: String, line: usize, allowed: String) -> Error {
        Error::BadValue { key, value, origin: self.origin(line), allowed }
    }

    fn unknown(&self, key: &str, line: usize, allowed: impl Iterator<Item = String>) -> Error {
        Error::UnknownKey { key: key.to_owned(), origin: self.origin(line), allowed: allowed.collect::<Vec<_>>().join(", ") }
    }
}

/// The value, or the name of the TOML type that no setting has.
fn raw(value: &DeValue<'_>) -> Result<Raw, &'static str> {
    match value {
        DeValue::String(text) => Ok(Raw::Text(text.to_string())),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map(Raw::Integer).map_err(|_| "a number beyond 64 bits")
        }
        DeValue::Boolean(flag) => Ok(Raw::Bool(*flag)),
        DeValue::Array(items) => items
            .iter()
            .map(|item| item.get_ref().as_str().map(str::to_owned).ok_or("a list of something else"))
            .collect::<Result<_, _>>()
            .map(Raw::List),
        other => Err(other.type_str()),
    }
}
