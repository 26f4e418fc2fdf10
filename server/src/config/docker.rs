//! Where a Docker Engine listens, as text and as a value. Opens nothing: the file or host may be absent.

use std::{fmt, path::PathBuf, str::FromStr};

/// The socket that Docker Engine listens on where nobody says otherwise.
pub const LOCAL_SOCKET: &str = "unix:///var/run/docker.sock";

/// Ports without and with TLS that Docker's own programs assume for `tcp://host`.
const PLAIN_PORT: u16 = 2375;
const TLS_PORT: u16 = 2376;

/// One Docker Engine's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DockerHost {
    Unix {
        path: PathBuf,
    },
    /// HTTP over TCP. `host` is a name or an address (IPv6 without brackets). Without `tls`: plain text.
    Tcp {
        host: String,
        port: u16,
        tls: Option<DockerTls>,
    },
    /// `docker system dial-stdio` on the far side of the machine's own `ssh`. Unset `user` and `port`: what its
    /// configuration says.
    Ssh {
        user: Option<String>,
        host: String,
        port: Option<u16>,
    },
}

/// How to trust a Docker Engine, and how it trusts us. The server's certificate is always verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DockerTls {
    /// PEM of the authorities that may have signed the Engine's certificate. Unset: the machine's.
    pub ca: Option<PathBuf>,
    /// PEM of our certificate and its key. Unset: we show none.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl DockerTls {
    /// The file names of a Docker certificate folder.
    pub fn folder(folder: &std::path::Path) -> Self {
        Self { ca: Some(folder.join("ca.pem")), identity: Some((folder.join("cert.pem"), folder.join("key.pem"))) }
    }
}

impl DockerHost {
    /// Reads an address; `tls` says how to speak TLS over TCP (`unix` and `ssh` have no use for it).
    ///
    /// # Errors
    /// What an address must look like.
    pub fn parse(text: &str, tls: Option<DockerTls>) -> Result<Self, String> {
        let wrong = || "unix:///path, tcp://host:port, http://host:port, https://host:port or ssh://[user@]host[:port]".to_owned();
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        if scheme == "unix" {
            return if rest.starts_with('/') && rest.len() > 1 && !rest.contains('\0') {
                Ok(Self::Unix { path: rest.into() })
            } else {
                Err(wrong())
            };
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, address) = match rest.split_once('@') {
            Some((user, address)) if scheme == "ssh" && is_user(user) => (Some(user.to_owned()), address),
            Some(_) => return Err(wrong()),
            None => (None, rest),
        };
        let (host, port) = split_address(address).ok_or_else(wrong)?;
        match scheme {
            "tcp" => Ok(Self::Tcp { host, port: port.unwrap_or(if tls.is_some() { TLS_PORT } else { PLAIN_PORT }), tls }),
            "http" => Ok(Self::Tcp { host, port: port.ok_or_else(wrong)?, tls: None }),
            "https" => Ok(Self::Tcp { host, port: port.ok_or_else(wrong)?, tls: Some(tls.unwrap_or_default()) }),
            "ssh" => Ok(Self::Ssh { user, host, port }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for DockerHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracketed = |host: &str| if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        match self {
            Self::Unix { path } => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port, tls } => write!(f, "{}://{}:{port}", if tls.is_some() { "https" } else { "tcp" }, bracketed(host)),
            Self::Ssh { user, host, port } => {
                f.write_str("ssh://")?;
                if let Some(user) = user {
                    write!(f, "{user}@")?;
                }
                f.write_str(&bracketed(host))?;
                port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
        }
    }
}

impl FromStr for DockerHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text, None)
    }
}

/// A user name that `ssh` cannot take for an option.
fn is_user(user: &str) -> bool {
    !user.is_empty() && !user.starts_with('-') && user.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`. A name that starts with `-` is refused: `ssh` would take it for an option.
fn split_address(address: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
    } else {
        let (host, port) = address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port)));
        let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if host.is_empty() || host.starts_with('-') || !host.bytes().all(named) {
            return None;
        }
        (host, port)
    };
    let port = match port {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok().filter(|port| *port != 0)?),
        Some(_) => return None,
        None => None,
    };
    Some((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> DockerHost {
        DockerHost::Tcp { host: host.to_owned(), port, tls: None }
    }

    fn tls(host: &str, port: u16) -> DockerHost {
        DockerHost::Tcp { host: host.to_owned(), port, tls: Some(DockerTls::default()) }
    }

    #[test]
    fn addresses_read_as_docker_writes_them() {
        let ssh = |user: Option<&str>, host: &str, port| DockerHost::Ssh { user: user.map(Into::into), host: host.to_owned(), port };
        for (text, expect) in [
            (LOCAL_SOCKET, DockerHost::Unix { path: "/var/run/docker.sock".into() }),
            ("tcp://10.0.0.1:2375", tcp("10.0.0.1", 2375)),
            ("tcp://engine", tcp("engine", 2375)),
            ("tcp://engine:2376/", tcp("engine", 2376)),
            ("tcp://[fd00::1]:2375", tcp("fd00::1", 2375)),
            ("http://engine:80", tcp("engine", 80)),
            ("https://engine:2376", tls("engine", 2376)),
            ("ssh://ada@engine:2222", ssh(Some("ada"), "engine", Some(2222))),
            ("ssh://engine", ssh(None, "engine", None)),
        ] {
            assert_eq!(text.parse::<DockerHost>().as_ref(), Ok(&expect), "{text}");
            assert_eq!(expect.to_string().parse::<DockerHost>(), Ok(expect));
        }
        let parse = |text| DockerHost::parse(text, Some(DockerTls::default())).unwrap();
        assert_eq!(parse("tcp://engine"), tls("engine", 2376));
        assert_eq!(parse("tcp://engine:2375"), tls("engine", 2375));
        assert_eq!(parse("http://engine:2375"), tcp("engine", 2375));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "engine",
            "/var/run/docker.sock",
            "unix://",
            "unix://relative",
            "npipe:////./pipe/docker",
            "tcp://",
            "tcp://:2375",
            "tcp://h:0",
            "tcp://h:x",
            "tcp://h:99999",
            "tcp://h:1/prefix",
            "tcp://u@h:1",
            "http://h",
            "ssh://u:pw@h",
            "ssh://-oProxyCommand=x",
            "ssh://-o@h",
            "ssh://a b",
            "tcp://h:",
            "tcp://[::1",
            "tcp://[h]:1",
            "tcp://fd00::1",
            "fd://",
        ] {
            assert!(text.parse::<DockerHost>().is_err(), "{text}");
        }
    }
}
