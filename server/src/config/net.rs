//! Who the console answers to: its public address, the Host headers it accepts, the proxies it believes. Pure text and
//! addresses; a host name is never resolved.

use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net};

/// `--public-url`: scheme and authority, nothing behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    https: bool,
    host: String,
    port: Option<u16>,
}

impl PublicUrl {
    /// Cookies are `Secure` when it is.
    pub fn https(&self) -> bool {
        self.https
    }

    /// Lower case; an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// As a browser writes it in `Origin` (RFC 6454 §6.2): lower case, no default port, no final slash.
    pub fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        match self.port {
            Some(port) => format!("{scheme}://{}:{port}", self.host),
            None => format!("{scheme}://{}", self.host),
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = || "http:// or https://, a host and an optional port, without a path, such as https://console.example".to_owned();
        let uri: http::Uri = text.parse().map_err(|_| allowed())?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(allowed()),
        };
        let authority = uri.authority().ok_or_else(allowed)?.as_str();
        if authority.contains('@') || !matches!(uri.path(), "" | "/") || uri.query().is_some() || text.contains('#') {
            return Err(allowed());
        }
        let (host, port) = split_port(authority).ok_or_else(allowed)?;
        let host = HostName::parse(host).ok_or_else(allowed)?;
        Ok(Self { https, host: host.to_string(), port: port.filter(|port| *port != if https { 443 } else { 80 }) })
    }
}

/// A host of a Host header, in the one form in which two of them compare.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum HostName {
    /// Lower case, without the root's final dot.
    Name(String),
    /// IPv4-mapped IPv6 is IPv4.
    Ip(IpAddr),
}

impl HostName {
    /// `host` without a port. Brackets only, and always, around IPv6 (RFC 3986 §3.2.2).
    fn parse(host: &str) -> Option<Self> {
        if let Some(inner) = host.strip_prefix('[') {
            let ip: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Ip(IpAddr::V6(ip).to_canonical()));
        }
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if name.is_empty() || name.starts_with('.') || name.ends_with('.') || name.len() > 253 || !name.bytes().all(named) {
            return None;
        }
        Some(name.parse::<Ipv4Addr>().map_or(Self::Name(name), |ip| Self::Ip(IpAddr::V4(ip))))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

/// `host:port` → both. An empty port is no port (RFC 3986 §3.2.3).
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let end_of_host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = match authority[end_of_host..].find(':') {
        Some(colon) => (&authority[..end_of_host + colon], &authority[end_of_host + colon + 1..]),
        None => (authority, ""),
    };
    if port.is_empty() {
        return Some((host, None));
    }
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    port.parse().ok().filter(|_| digits).map(|port| (host, Some(port)))
}

/// The Host headers that get an answer; another gets 421, so that a name which an attacker's DNS points at us reaches
/// nothing (DNS rebinding). Ports are not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHosts {
    hosts: BTreeSet<HostName>,
    /// Whether the address at which a connection arrived counts as well: it stands for "the listen address" where that
    /// is unspecified.
    arrival_address: bool,
}

impl AllowedHosts {
    /// What is allowed when nobody says otherwise: this machine's own names, and the address we listen on.
    pub fn standard(listen: SocketAddr) -> Vec<String> {
        let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
        let ip = listen.ip().to_canonical();
        if !ip.is_unspecified() && !ip.is_loopback() || ip.is_loopback() && !matches!(ip.to_string().as_str(), "127.0.0.1" | "::1") {
            hosts.push(HostName::Ip(ip).to_string());
        }
        hosts
    }

    /// # Errors
    /// What a host must look like.
    pub fn new(hosts: &[String], public: Option<&PublicUrl>, arrival_address: bool) -> Result<Self, String> {
        let parse = |host: &String| {
            // A bare IPv6 address cannot be mistaken for anything else, so it needs no brackets here.
            let bare = host.parse::<IpAddr>().ok().map(|ip| HostName::Ip(ip.to_canonical()));
            bare.or_else(|| split_port(host).and_then(|(host, _)| HostName::parse(host))).ok_or_else(|| {
                format!("host names or addresses, without wildcards, such as console.example or 192.0.2.7; `{host}` is neither")
            })
        };
        let mut hosts = hosts.iter().map(parse).collect::<Result<BTreeSet<_>, _>>()?;
        hosts.extend(public.and_then(|url| HostName::parse(url.host())));
        if hosts.is_empty() {
            return Err("at least one host".to_owned());
        }
        Ok(Self { hosts, arrival_address })
    }

    /// Whether a request with this Host header (or `:authority`) is answered. `local_addr` is the address at which its
    /// connection arrived, where that is known.
    pub fn permits(&self, host_header: &str, local_addr: Option<IpAddr>) -> bool {
        let Some(host) = split_port(host_header).and_then(|(host, _)| HostName::parse(host)) else {
            return false;
        };
        self.hosts.contains(&host) || self.arrival_address && local_addr.is_some_and(|ip| HostName::Ip(ip.to_canonical()) == host)
    }

    /// One host that is permitted, for our own health check.
    pub fn any(&self) -> String {
        let localhost = HostName::Name("localhost".to_owned());
        if self.hosts.contains(&localhost) {
            return localhost.to_string();
        }
        self.hosts.first().map_or_else(|| localhost.to_string(), HostName::to_string)
    }
}

/// The networks whose `X-Forwarded-*` count. Empty: nobody's do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// # Errors
    /// What a network must look like.
    pub fn new(networks: &[String]) -> Result<Self, String> {
        networks.iter().map(|text| network(text)).collect::<Result<_, _>>().map(Self)
    }

    /// IPv4 that arrives as IPv4-mapped IPv6 (a dual-stack socket) is IPv4.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let wrong = |why: &str| format!("networks or addresses such as 10.0.0.0/8 or fd00::1; `{text}` {why}");
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(ip.to_canonical()));
    }
    let network: IpNet = text.parse().map_err(|_| wrong("is neither"))?;
    if network.trunc() != network {
        return Err(wrong(&format!("has bits behind its prefix: write {} or the address alone", network.trunc())));
    }
    if let IpNet::V6(v6) = network
        && v6.prefix_len() >= 96
        && let Some(v4) = v6.network().to_ipv4_mapped()
    {
        return Ok(IpNet::V4(Ipv4Net::new(v4, v6.prefix_len() - 96).expect("an IPv6 prefix is at most 128")));
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allowed: &AllowedHosts, local: Option<&str>, header: &str, expect: bool) {
        let local = local.map(|ip| ip.parse().unwrap());
        assert_eq!(allowed.permits(header, local), expect, "{header:?} at {local:?} by {allowed:?}");
    }

    #[test]
    fn the_standard_hosts_are_this_machine_and_the_listen_address() {
        let hosts = |listen: &str| {
            let listen: SocketAddr = listen.parse().unwrap();
            AllowedHosts::new(
                &AllowedHosts::standard(listen),
                Some(&"https://Console.Example:8443/".parse().unwrap()),
                listen.ip().is_unspecified(),
            )
            .unwrap()
        };
        let any = hosts("[::]:4080");
        for (header, expect) in [
            ("localhost", true),
            ("localhost:4080", true),
            ("localhost:1", true),
            ("LocalHost.:4080", true),
            ("127.0.0.1:4080", true),
            ("[::1]:4080", true),
            ("[0:0:0:0:0:0:0:1]", true),
            ("[::ffff:127.0.0.1]", true),
            ("console.example", true),
            ("CONSOLE.example.:99", true),
            ("192.168.1.5:4080", true),
            ("[::ffff:192.168.1.5]:4080", true),
            ("localhost:", true),
            ("192.168.1.6:4080", false),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("evil.localhost", false),
            ("localhost@evil.example", false),
            ("localhost:4080:1", false),
            ("localhost:port", false),
            ("localhost:+80", false),
            ("localhost:70000", false),
            ("localhost..", false),
            ("127.1", false),
            ("::1", false),
            ("[::1", false),
            ("[localhost]", false),
            ("[::1]x:80", false),
            ("", false),
            (":4080", false),
            (".", false),
            ("localhost\0", false),
            ("localhost, evil.example", false),
            ("lócalhost", false),
        ] {
            check(&any, Some("::ffff:192.168.1.5"), header, expect);
        }
        check(&any, None, "192.168.1.5", false);
        let one = hosts("192.0.2.7:80");
        check(&one, None, "192.0.2.7", true);
        check(&one, Some("192.0.2.8"), "192.0.2.8", false);
        check(&hosts("127.0.0.2:80"), None, "127.0.0.2", true);
    }

    #[test]
    fn a_list_of_hosts_replaces_the_standard_ones() {
        let list = |hosts: &[&str]| AllowedHosts::new(&hosts.iter().map(|&host| host.to_owned()).collect::<Vec<_>>(), None, false);
        let allowed = list(&["console.lan", "fd00::7", "10.0.0.1:4080"]).unwrap();
        for (header, expect) in [("console.lan:1", true), ("[fd00::7]", true), ("10.0.0.1", true), ("localhost", false)] {
            check(&allowed, Some("127.0.0.1"), header, expect);
        }
        assert_eq!(allowed.any(), "console.lan");
        for wrong in ["*", "*.lan", "http://console.lan", "a b", ""] {
            assert!(list(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn proxies_are_trusted_by_network_whatever_form_the_address_has() {
        let list = |nets: &[&str]| TrustedProxies::new(&nets.iter().map(|&net| net.to_owned()).collect::<Vec<_>>());
        let trusted = list(&["10.0.0.0/8", "192.0.2.7", "fd00::/64", "::ffff:172.16.0.0/108"]).unwrap();
        for (ip, expect) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("fd00::1", true),
            ("fd00:0:0:1::1", false),
            ("172.20.0.1", true),
            ("::10.1.2.3", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(trusted.contains(ip.parse().unwrap()), expect, "{ip}");
        }
        assert!(!TrustedProxies::default().contains("127.0.0.1".parse().unwrap()));
        for wrong in ["10.0.0.1/8", "10.0.0.0/33", "proxy.lan", "", "10.0.0"] {
            assert!(list(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_public_url_is_an_origin() {
        for (text, origin) in [
            ("https://Console.Example/", "https://console.example"),
            ("https://console.example:443", "https://console.example"),
            ("http://10.0.0.1:8080", "http://10.0.0.1:8080"),
            ("http://[FD00::1]:80/", "http://[fd00::1]"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().origin(), origin);
        }
        for wrong in
            ["console.example", "ftp://x", "https://x/console", "https://x?y", "https://u@x", "https://", "https://x#y", "https://x:99999"]
        {
            assert!(wrong.parse::<PublicUrl>().is_err(), "{wrong}");
        }
    }
}
