//! Flags, environment and file become one `Config`, a struct of the parts' configurations. The only place that reads
//! the environment. A bad value or an unknown key is an error that names the key, the value, where it stands and what is
//! allowed; nothing falls back silently.

mod docker;
mod engine;
mod file;
mod layers;
mod loki;
mod net;
mod scope;
mod secret;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use tracing_subscriber::filter::Targets;

pub use self::{
    docker::{DockerHost, DockerTls, LOCAL_SOCKET},
    engine::{EngineConfig, Fsync},
    layers::{Decided, Env},
    loki::{LokiAuth, LokiConfig, ShipConfig},
    net::{AllowedHosts, PublicUrl, TrustedProxies},
    scope::{CopiedLabel, ScopeConfig},
    secret::Secret,
};
use self::{
    file::FileSettings,
    layers::{Layers, Raw},
};
use crate::cli::{Cli, Flags};

/// Settings that flag, environment (`DOCAICHE_…`) and file's top level share.
const TOP_LEVEL: [&str; 14] = [
    "listen",
    "data_dir",
    "log_dir",
    "docker_host",
    "loki_url",
    "database_url",
    "public_url",
    "allowed_hosts",
    "trusted_proxies",
    "tls_cert",
    "tls_key",
    "retention",
    "retention_bytes",
    "log",
];
const ADMIN_PASSWORD: &str = "DOCAICHE_ADMIN_PASSWORD";
const SITE_ROOT: &str = "LEPTOS_SITE_ROOT";
const FILE_NAME: &str = "docaiche.toml";
const SYSTEM_FILE: &str = "/etc/docaiche/docaiche.toml";

/// How mimalloc is told to be thrifty: it gives freed memory back at once; it asks for no pages of 2 MiB, which it gives back as a whole
/// only; each thread looks often for what others freed of its memory, and keeps no full pages for itself, so that whoever frees the last of
/// such a page gives it back. Otherwise what a rush of requests left stays with idle threads.
pub const ALLOCATOR: [(&str, &str); 4] =
    [("MIMALLOC_PURGE_DELAY", "0"), ("MIMALLOC_ALLOW_THP", "0"), ("MIMALLOC_GENERIC_COLLECT", "100"), ("MIMALLOC_PAGE_FULL_RETAIN", "0")];

/// Whether somebody decided how long the allocator keeps freed memory: the operator, or we ourselves.
pub fn allocator_is_set() -> bool {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    std::env::var_os(ALLOCATOR[0].0).is_some()
}

/// Everything the process was told.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub http: HttpConfig,
    pub store: StoreConfig,
    pub docker: DockerConfig,
    pub collect: CollectConfig,
    pub scope: ScopeConfig,
    pub engine: EngineConfig,
    /// Unset: the embedded engine keeps the lines and answers.
    pub loki: Option<LokiConfig>,
    pub telemetry: TelemetryConfig,
    /// Each setting in the order of contract §1, for [`Config::print`].
    decided: Vec<Decided>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct HttpConfig {
    /// `[::]` is dual-stack: it listens on IPv4 as well.
    pub listen: SocketAddr,
    /// Unset: links and cookies follow the request's Host.
    pub public_url: Option<PublicUrl>,
    pub allowed_hosts: AllowedHosts,
    pub trusted_proxies: TrustedProxies,
    /// Unset: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Development only: serve the site from this folder. Unset: from the binary.
    pub site_root: Option<PathBuf>,
}

/// PEM files of the one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StoreConfig {
    pub data_dir: PathBuf,
    pub database: Database,
    /// Creates user `admin` at the first start. Unset: the first start prints a set-up link.
    pub admin_password: Option<Secret>,
}

/// Where users, sessions and the audit log are kept: a URL that sqlx understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    pub kind: DatabaseKind,
    pub url: Secret,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    Sqlite,
    Postgres,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DockerConfig {
    /// By name; `local` is always among them (`--docker-host`), the others come from `[docker.hosts]`.
    pub hosts: BTreeMap<String, DockerHost>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CollectConfig {
    /// Its `*.log` files are services. It may be absent.
    pub log_dir: PathBuf,
    /// `false`: no container is followed; files and the console's own log still are.
    pub follow: bool,
    /// Services that are not followed.
    pub exclude: Vec<Pattern>,
    /// How often files are looked at.
    pub files_poll_ms: u64,
    /// Unset: with a Loki, what is collected is shown live and kept nowhere.
    pub ship: Option<ShipConfig>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TelemetryConfig {
    pub filter: Targets,
}

/// A service's name, in which `*` stands for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = name.strip_prefix(parts.next().expect("a split has a first part")) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        for part in parts {
            let Some(at) = rest.find(part) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

/// Who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    Flag(String),
    Env(String),
    /// `line` counts from 1.
    File {
        path: PathBuf,
        line: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::File { path, line } => write!(f, "file {}:{line}", path.display()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{key} = `{value}` ({origin}) is not accepted; allowed: {allowed}")]
    BadValue { key: String, value: String, origin: Origin, allowed: String },
    #[error("{key} ({origin}) is not a setting; allowed: {allowed}")]
    UnknownKey { key: String, origin: Origin, allowed: String },
    #[error("{path}:{line} is not TOML: {message}", path = path.display())]
    Syntax { path: PathBuf, line: usize, message: String },
    #[error("cannot read the configuration file {path}", path = path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Config {
    /// [`Config::load`] with this process's environment and files.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub fn from_process(cli: &Cli) -> Result<Self, Error> {
        #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
            .collect();
        Self::load(&cli.flags, &env, &|path| std::fs::read_to_string(path))
    }

    /// Flags over environment over file over defaults.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub fn load(flags: &Flags, env: &Env, read_file: &dyn Fn(&Path) -> io::Result<String>) -> Result<Self, Error> {
        refuse_unknown_variables(env)?;
        let mut layers = Layers { flags, env, file: None, decided: Vec::new() };
        layers.file = find_file(&mut layers, read_file)?;
        layers.decided.clear();

        let listen = layers.required("listen", Raw::Text("127.0.0.1:4080".to_owned()), |raw| {
            raw.text()?.parse::<SocketAddr>().map_err(|_| "an IP address and a port, such as 127.0.0.1:4080 or [::]:4080".to_owned())
        })?;
        let data_dir = data_dir(&mut layers)?;
        let log_dir = layers.required("log_dir", Raw::Text("/var/log/docaiche".to_owned()), |raw| raw.text().map(PathBuf::from))?;
        let mut hosts = BTreeMap::from([("local".to_owned(), local_docker(&mut layers)?)]);
        let loki_url = loki::url(&mut layers)?;
        let database = layers.required("database_url", Raw::Text(sqlite_url(&data_dir)), |raw| raw.text().and_then(database))?;
        let public_url: Option<PublicUrl> = layers.optional("public_url", |raw| raw.text()?.parse())?;
        // Somebody who names hosts names all of them; otherwise every address of this machine is fine where we listen on all.
        let standard = Raw::List(AllowedHosts::standard(listen));
        let allowed_hosts = layers.required("allowed_hosts", standard.clone(), |raw| {
            AllowedHosts::new(&raw.list()?, public_url.as_ref(), *raw == standard && listen.ip().is_unspecified())
        })?;
        let trusted_proxies = layers.required("trusted_proxies", Raw::List(Vec::new()), |raw| TrustedProxies::new(&raw.list()?))?;
        let tls = pair(&mut layers, "tls_cert", "tls_key")?.map(|(cert, key)| TlsFiles { cert, key });
        let budget = engine::budget(&mut layers)?;
        let filter = layers.required("log", Raw::Text("info".to_owned()), |raw| raw.text().and_then(log_filter))?;
        let admin_password = admin_password(&mut layers)?;
        let site_root = env.get(SITE_ROOT).map(PathBuf::from);

        let follow = layers.required("collect.follow", Raw::Bool(true), boolean)?;
        let exclude = layers.required("collect.exclude", Raw::List(Vec::new()), patterns)?;
        let files_poll_ms = layers.required("collect.files_poll_ms", Raw::Integer(250), |raw| number(raw, 10, 60_000))?;
        let ship = loki::ship(&mut layers, loki_url.is_some())?;
        let scope = scope::load(&mut layers)?;
        let loki = loki::load(&mut layers, loki_url)?;
        let engine = engine::load(&mut layers, budget)?;
        for name in layers.file.as_ref().map(|file| file.docker_hosts.clone()).unwrap_or_default().into_keys() {
            let host = configured_docker(&mut layers, &name)?;
            hosts.insert(name, host);
        }
        Ok(Self {
            http: HttpConfig { listen, public_url, allowed_hosts, trusted_proxies, tls, site_root },
            store: StoreConfig { data_dir, database, admin_password },
            docker: DockerConfig { hosts },
            collect: CollectConfig { log_dir, follow, exclude, files_poll_ms, ship },
            scope,
            engine,
            loki,
            telemetry: TelemetryConfig { filter },
            decided: layers.decided,
        })
    }

    /// The effective configuration as a file that [`Config::load`] would accept: secrets masked, each value with who
    /// said so.
    pub fn print(&self) -> String {
        let mut lines = Vec::new();
        let mut section = "";
        for Decided { key, value, origin } in &self.decided {
            let (prefix, name) = key.rsplit_once('.').unwrap_or(("", key));
            if prefix != section {
                section = prefix;
                lines.push(format!("\n[{section}]"));
            }
            lines.push(match value {
                // Not a key of the file.
                Some(value) if key == ADMIN_PASSWORD => format!("# {name} = {value} # {origin}"),
                Some(value) => format!("{name} = {value} # {origin}"),
                None => format!("# {name} is not set"),
            });
        }
        if let Some(root) = &self.http.site_root {
            lines.insert(0, format!("# {SITE_ROOT} = {root:?}"));
        }
        lines.join("\n") + "\n"
    }
}

impl HttpConfig {
    /// How the health check of this machine reaches the console: address, Host header, and whether by TLS.
    pub fn own_address(&self) -> (SocketAddr, String, bool) {
        let ip = match self.listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            // Dual-stack, and a container may have no IPv6 loopback.
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            ip => ip,
        };
        (SocketAddr::new(ip, self.listen.port()), self.allowed_hosts.any(), self.tls.is_some())
    }
}

/// Every variable that starts like ours is ours, so that a misspelt one is not ignored. Kubernetes announces a service
/// named `docaiche` by variables of its own.
fn refuse_unknown_variables(env: &Env) -> Result<(), Error> {
    let known = || TOP_LEVEL.iter().map(|key| format!("DOCAICHE_{}", key.to_ascii_uppercase())).chain([ADMIN_PASSWORD.to_owned()]);
    let kubernetes = |name: &str| name == "DOCAICHE_PORT" || name.starts_with("DOCAICHE_PORT_") || name.starts_with("DOCAICHE_SERVICE_");
    match env.keys().find(|name| name.starts_with("DOCAICHE_") && !kubernetes(name) && known().all(|known| known != **name)) {
        Some(name) => {
            let allowed = known().collect::<Vec<_>>().join(", ");
            Err(Error::UnknownKey { key: name.clone(), origin: Origin::Env(name.clone()), allowed })
        }
        None => Ok(()),
    }
}

/// `--config`, else the data directory's file, else the system's. The first that exists is the only one read.
fn find_file(layers: &mut Layers<'_>, read_file: &dyn Fn(&Path) -> io::Result<String>) -> Result<Option<FileSettings>, Error> {
    if let Some(path) = layers.flags.config.as_deref().map(Path::new) {
        let text = read_file(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        return FileSettings::parse(path, &text, &TOP_LEVEL).map(Some);
    }
    let in_data_dir = data_dir(layers)?.join(FILE_NAME);
    for path in [in_data_dir.as_path(), Path::new(SYSTEM_FILE)] {
        let text = match read_file(path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            Err(source) => return Err(Error::Unreadable { path: path.to_owned(), source }),
        };
        let file = FileSettings::parse(path, &text, &TOP_LEVEL)?;
        if path == in_data_dir
            && let Some((raw, line)) = file.values.get("data_dir")
        {
            let allowed = "the flag, the environment or another file: this file was found in the data directory".to_owned();
            let value = raw.text().unwrap_or_default().to_owned();
            return Err(Error::BadValue {
                key: "data_dir".to_owned(),
                value,
                origin: Origin::File { path: path.to_owned(), line: *line },
                allowed,
            });
        }
        return Ok(Some(file));
    }
    Ok(None)
}

fn data_dir(layers: &mut Layers<'_>) -> Result<PathBuf, Error> {
    layers.required("data_dir", Raw::Text("./data".to_owned()), |raw| raw.text().map(PathBuf::from))
}

/// The Engine named `local`. TLS as Docker's own programs take it from the environment, except that a certificate is
/// always verified: `DOCKER_CERT_PATH` names the folder, `DOCKER_TLS_VERIFY` alone means `~/.docker`.
fn local_docker(layers: &mut Layers<'_>) -> Result<DockerHost, Error> {
    let set = |name: &str| layers.env.get(name).filter(|value| !value.is_empty());
    let folder = match (set("DOCKER_CERT_PATH"), set("DOCKER_TLS_VERIFY"), set("HOME")) {
        (Some(folder), ..) => Some(PathBuf::from(folder)),
        (None, Some(_), Some(home)) => Some(Path::new(home).join(".docker")),
        _ => None,
    };
    let tls = folder.map(|folder| DockerTls::folder(&folder)).or_else(|| set("DOCKER_TLS_VERIFY").map(|_| DockerTls::default()));
    layers.required("docker_host", Raw::Text(LOCAL_SOCKET.to_owned()), |raw| DockerHost::parse(raw.text()?, tls))
}

/// `[docker.hosts.<name>]`.
fn configured_docker(layers: &mut Layers<'_>, name: &str) -> Result<DockerHost, Error> {
    let [url, ca, cert, key] = file::DOCKER_HOST_KEYS.map(|key| format!("docker.hosts.{name}.{key}"));
    let tls_ca = layers.path(&ca)?;
    let identity = pair(layers, &cert, &key)?;
    let tls = (tls_ca.is_some() || identity.is_some()).then_some(DockerTls { ca: tls_ca, identity });
    let parse = |raw: &Raw| {
        let host = DockerHost::parse(raw.text()?, tls.clone())?;
        match host {
            DockerHost::Tcp { tls: Some(_), .. } => Ok(host),
            _ if tls.is_some() => Err("tcp://host:port or https://host:port where tls_ca, tls_cert or tls_key is set".to_owned()),
            _ => Ok(host),
        }
    };
    match layers.optional(&url, parse)? {
        Some(host) => Ok(host),
        None => {
            let (path, line) =
                layers.file.as_ref().map(|file| (file.path.clone(), file.docker_hosts[name])).expect("only a file names hosts");
            let allowed = "the address of a Docker Engine, such as tcp://10.0.0.2:2376".to_owned();
            Err(Error::BadValue { key: url, value: String::new(), origin: Origin::File { path, line }, allowed })
        }
    }
}

/// Two paths of which neither is any use alone.
fn pair(layers: &mut Layers<'_>, first: &str, second: &str) -> Result<Option<(PathBuf, PathBuf)>, Error> {
    let (given, alone, missing) = match (layers.path(first)?, layers.path(second)?) {
        (Some(one), Some(two)) => return Ok(Some((one, two))),
        (None, None) => return Ok(None),
        (Some(one), None) => (one, first, second),
        (None, Some(two)) => (two, second, first),
    };
    let origin = layers.decided.iter().find(|decided| decided.key == alone).map_or(Origin::Default, |decided| decided.origin.clone());
    let allowed = format!("both {first} and {second}, or neither; {missing} is not set");
    Err(Error::BadValue { key: alone.to_owned(), value: given.display().to_string(), origin, allowed })
}

fn admin_password(layers: &mut Layers<'_>) -> Result<Option<Secret>, Error> {
    let Some(password) = layers.env.get(ADMIN_PASSWORD) else {
        return Ok(None);
    };
    let origin = Origin::Env(ADMIN_PASSWORD.to_owned());
    if password.is_empty() {
        let allowed = "a password, or leave the variable out altogether".to_owned();
        return Err(Error::BadValue { key: ADMIN_PASSWORD.to_owned(), value: String::new(), origin, allowed });
    }
    layers.decided.push(Decided { key: ADMIN_PASSWORD.to_owned(), value: Some("\"***\"".to_owned()), origin });
    Ok(Some(Secret::new(password)))
}

/// sqlx takes the path out of a URL, so what has a meaning in one is encoded.
fn sqlite_url(data_dir: &Path) -> String {
    let path = data_dir.join("docaiche.db").display().to_string().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    format!("sqlite:{path}")
}

fn database(url: &str) -> Result<Database, String> {
    let kind = match url.split_once(':') {
        Some(("sqlite", path)) if !path.trim_matches('/').is_empty() && !path.contains('?') && path != ":memory:" => DatabaseKind::Sqlite,
        Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => DatabaseKind::Postgres,
        _ => return Err("sqlite:PATH without options, or postgres://user:password@host/database".to_owned()),
    };
    Ok(Database { kind, url: Secret::new(url) })
}

/// A bare word is a level, never a target: `DOCAICHE_LOG=wran` must not pass for the name of a module.
fn log_filter(text: &str) -> Result<Targets, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let fits = |part: &str| {
        let (target, level) = part.split_once('=').map_or((None, part), |(target, level)| (Some(target), level));
        LEVELS.contains(&level) && target.is_none_or(|target| !target.is_empty() && !target.contains(char::is_whitespace))
    };
    let parsed = text.split(',').all(fits).then(|| text.parse().ok()).flatten();
    parsed.ok_or_else(|| "off, error, warn, info, debug or trace, and TARGET=LEVEL, separated by commas".to_owned())
}

fn boolean(raw: &Raw) -> Result<bool, String> {
    match raw {
        Raw::Bool(flag) => Ok(*flag),
        _ => Err("true or false".to_owned()),
    }
}

fn number(raw: &Raw, least: u64, most: u64) -> Result<u64, String> {
    match raw {
        Raw::Integer(number) => u64::try_from(*number).ok().filter(|number| (least..=most).contains(number)),
        _ => None,
    }
    .ok_or_else(|| format!("a whole number from {least} to {most}"))
}

fn patterns(raw: &Raw) -> Result<Vec<Pattern>, String> {
    let names = raw.list()?;
    if names.iter().any(|name| name.trim().is_empty()) {
        return Err("names of services, in which * stands for any text".to_owned());
    }
    Ok(names.into_iter().map(Pattern::new).collect())
}
