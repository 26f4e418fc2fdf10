//! Flag over environment over file over default: which layer says what, and a record of what was decided. Knows no
//! setting by its meaning.

use std::{collections::BTreeMap, path::PathBuf};

use super::{Error, Origin, file::FileSettings, secret::mask_url};
use crate::cli::Flags;

/// The environment as a value, so that a test has its own.
pub type Env = BTreeMap<String, String>;

/// A value as a layer writes it. Flags and environment variables are always `Text`.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    Text(String),
    Integer(i64),
    Bool(bool),
    List(Vec<String>),
}

impl Raw {
    pub fn text(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) => Ok(text),
            _ => Err("a string".to_owned()),
        }
    }

    /// A list of strings, or their texts with commas between.
    pub fn list(&self) -> Result<Vec<String>, String> {
        match self {
            Self::List(items) => Ok(items.clone()),
            Self::Text(text) => Ok(text.split(',').map(|item| item.trim().to_owned()).collect()),
            _ => Err("a list of strings".to_owned()),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::List(items) => items.join(", "),
            other => other.toml(),
        }
    }

    fn toml(&self) -> String {
        let quote = |text: &String| toml::Value::String(text.clone()).to_string();
        match self {
            Self::Text(text) => quote(text),
            Self::Integer(number) => number.to_string(),
            Self::Bool(flag) => flag.to_string(),
            Self::List(items) => format!("[{}]", items.iter().map(quote).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// One decided setting: its dotted name, its value as TOML without secrets (`None`: not set), and who said so.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    pub key: String,
    pub value: Option<String>,
    pub origin: Origin,
}

pub(super) struct Layers<'a> {
    pub flags: &'a Flags,
    pub env: &'a Env,
    pub file: Option<FileSettings>,
    pub decided: Vec<Decided>,
}

impl Layers<'_> {
    /// A setting that has a value in any case.
    pub fn required<T>(&mut self, key: &str, default: Raw, parse: impl FnOnce(&Raw) -> Result<T, String>) -> Result<T, Error> {
        let (raw, origin) = self.find(key).unwrap_or((default, Origin::Default));
        self.decide(key, raw, origin, parse)
    }

    /// A setting that may be left out.
    pub fn optional<T>(&mut self, key: &str, parse: impl FnOnce(&Raw) -> Result<T, String>) -> Result<Option<T>, Error> {
        match self.find(key) {
            Some((raw, origin)) => self.decide(key, raw, origin, parse).map(Some),
            None => {
                self.decided.push(Decided { key: key.to_owned(), value: None, origin: Origin::Default });
                Ok(None)
            }
        }
    }

    pub fn path(&mut self, key: &str) -> Result<Option<PathBuf>, Error> {
        self.optional(key, |raw| raw.text().map(PathBuf::from))
    }

    fn decide<T>(&mut self, key: &str, raw: Raw, origin: Origin, parse: impl FnOnce(&Raw) -> Result<T, String>) -> Result<T, Error> {
        // A password stands inside the value, or is all of it.
        let masked = match &raw {
            Raw::Text(text) if matches!(key, "database_url" | "loki_url") => Raw::Text(mask_url(text)),
            _ if matches!(key, "logs.loki_password" | "logs.loki_token") => Raw::Text("***".to_owned()),
            other => other.clone(),
        };
        let bad = |allowed| Error::BadValue { key: key.to_owned(), value: masked.show(), origin: origin.clone(), allowed };
        if matches!(&raw, Raw::Text(text) if text.is_empty()) {
            return Err(bad("a value, or leave the setting out altogether".to_owned()));
        }
        let value = parse(&raw).map_err(bad)?;
        self.decided.push(Decided { key: key.to_owned(), value: Some(masked.toml()), origin });
        Ok(value)
    }

    fn find(&self, key: &str) -> Option<(Raw, Origin)> {
        if let Some(text) = flag(self.flags, key) {
            return Some((Raw::Text(text.to_owned()), Origin::Flag(format!("--{}", key.replace('_', "-")))));
        }
        let own = (!key.contains('.')).then(|| format!("DOCAICHE_{}", key.to_ascii_uppercase()));
        // Docker's own programs take an empty DOCKER_HOST for an unset one.
        let dockers =
            (key == "docker_host" && self.env.get("DOCKER_HOST").is_some_and(|url| !url.is_empty())).then(|| "DOCKER_HOST".to_owned());
        for name in own.into_iter().chain(dockers) {
            if let Some(text) = self.env.get(&name) {
                return Some((Raw::Text(text.clone()), Origin::Env(name)));
            }
        }
        let file = self.file.as_ref()?;
        let (raw, line) = file.values.get(key)?;
        Some((raw.clone(), Origin::File { path: file.path.clone(), line: *line }))
    }
}

fn flag<'f>(flags: &'f Flags, key: &str) -> Option<&'f str> {
    let Flags {
        listen,
        data_dir,
        log_dir,
        docker_host,
        loki_url,
        database_url,
        public_url,
        allowed_hosts,
        trusted_proxies,
        tls_cert,
        tls_key,
        retention,
        retention_bytes,
        log,
        config: _, // Says where the file is; the file cannot say it.
    } = flags;
    match key {
        "listen" => listen,
        "data_dir" => data_dir,
        "log_dir" => log_dir,
        "docker_host" => docker_host,
        "loki_url" => loki_url,
        "database_url" => database_url,
        "public_url" => public_url,
        "allowed_hosts" => allowed_hosts,
        "trusted_proxies" => trusted_proxies,
        "tls_cert" => tls_cert,
        "tls_key" => tls_key,
        "retention" => retention,
        "retention_bytes" => retention_bytes,
        "log" => log,
        _ => &None,
    }
    .as_deref()
}
