//! For every door: is this our host, who comes through which proxies, may this origin write, whose session is it.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use base64::Engine;
use http::{HeaderMap, HeaderValue, Method, header};
use model::{Code, Timestamp};
use ops::{
    Actor, OpCtx,
    access::{AuditEvent, Outcome},
};
use tower_sessions::Session;

use super::{
    AppState, SESSION_LONGEST_S,
    doors::{self, Gate},
    problem::Refusal,
    trace::RequestId,
    visit::store_failed,
};
use crate::{clock, store::session_key};

/// How a request came, after what trusted proxies say.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub address: IpAddr,
    pub https: bool,
    /// As the person's browser addresses us, with the port.
    pub host: String,
}

impl Arrival {
    /// What `Origin` must be for a same-origin request.
    pub fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        let default_port = if self.https { ":443" } else { ":80" };
        format!("{scheme}://{}", self.host.strip_suffix(default_port).unwrap_or(&self.host)).to_ascii_lowercase()
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Outside the session layer: resolves the arrival, refuses foreign hosts and cross-origin writes, marks cookies.
pub async fn arrive(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let peer =
        request.extensions().get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4([0, 0, 0, 0].into()), |info| info.0.ip().to_canonical());
    let headers = request.headers();
    let named = text(headers, "host").map(str::to_owned).or_else(|| request.uri().authority().map(ToString::to_string));
    let mut arrival = Arrival { address: peer, https: state.config.tls.is_some(), host: named.clone().unwrap_or_default() };
    if state.config.trusted_proxies.contains(peer) {
        if let Some(address) = forwarded_for(headers, |ip| state.config.trusted_proxies.contains(ip)) {
            arrival.address = address;
        }
        if let Some(scheme) = text(headers, "x-forwarded-proto").and_then(|value| value.rsplit(',').next()) {
            arrival.https = scheme.trim().eq_ignore_ascii_case("https");
        }
        if let Some(host) = text(headers, "x-forwarded-host").and_then(|value| value.rsplit(',').next()) {
            host.trim().clone_into(&mut arrival.host);
        }
    }
    let path = request.uri().path();
    // A literal address cannot be rebound to another machine by a name server, so where we listen on every address,
    // every literal one is ours: in a container nobody knows the address people use.
    let literal = |host: &str| host.parse::<SocketAddr>().map(|at| at.ip()).or_else(|_| host.trim_matches(['[', ']']).parse()).ok();
    let permitted = |host: &str| state.config.allowed_hosts.permits(host, literal(host));
    if !permitted(&arrival.host) {
        refused(&state, &request, &arrival, "request.wrong_host", &arrival.host);
        tracing::warn!(kind = "security", event = "host", address = %arrival.address, outcome = "refused", "request for another host");
        let detail = "send a Host header that is listed in --allowed-hosts, or the public URL's";
        return Refusal::new(Code::WrongHost, detail).into_response();
    }
    let origins = [Some(arrival.origin()), state.config.public_url.as_ref().map(|url| url.origin())];
    let unsafe_method = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let upgrade = text(headers, "upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    let fine = if upgrade { socket_origin(headers, &origins) } else { !unsafe_method || write_origin(headers, &origins) };
    if !fine {
        refused(&state, &request, &arrival, "request.cross_origin", path);
        tracing::warn!(kind = "security", event = "cross_origin", address = %arrival.address, outcome = "refused", "cross-origin request to {path}");
        return Refusal::new(Code::CrossOrigin, "this request must come from a page of the console itself").into_response();
    }
    let https = arrival.https;
    request.extensions_mut().insert(arrival);
    let mut response = next.run(request).await;
    if https {
        let headers = response.headers_mut();
        secure_cookies(headers);
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// Records what was refused before anybody asked who is there.
fn refused(state: &AppState, request: &Request, arrival: &Arrival, action: &str, target: &str) {
    state.audit.record(AuditEvent {
        at: clock::now(),
        actor: "-".to_owned(),
        address: arrival.address.to_string(),
        request_id: request.extensions().get::<RequestId>().map_or_else(String::new, |id| id.0.clone()),
        action: action.to_owned(),
        target: target.chars().take(200).collect(),
        outcome: Outcome::Refused,
        detail: String::new(),
    });
}

/// The rightmost address in `X-Forwarded-For` that is no trusted proxy.
fn forwarded_for(headers: &HeaderMap, trusted: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let chain: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).collect();
    let parsed = chain.iter().rev().map_while(|hop| {
        let hop = hop.trim();
        hop.parse::<IpAddr>().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|at| at.ip())).map(|ip| ip.to_canonical())
    });
    let mut last = None;
    for ip in parsed {
        last = Some(ip);
        if !trusted(ip) {
            break;
        }
    }
    last
}

/// Contract §2: with `Origin` or `Sec-Fetch-Site` a write must be same-origin; with neither no browser sent it.
fn write_origin(headers: &HeaderMap, origins: &[Option<String>]) -> bool {
    if let Some(site) = text(headers, "sec-fetch-site")
        && site != "same-origin"
    {
        return false;
    }
    headers.get(header::ORIGIN).is_none_or(|origin| matches_origin(origin, origins))
}

/// A socket that carries a cookie needs a matching `Origin`. Without a cookie it has no session and is refused later.
fn socket_origin(headers: &HeaderMap, origins: &[Option<String>]) -> bool {
    match headers.get(header::ORIGIN) {
        Some(origin) => matches_origin(origin, origins),
        None => !headers.contains_key(header::COOKIE),
    }
}

fn matches_origin(origin: &HeaderValue, origins: &[Option<String>]) -> bool {
    origin.to_str().is_ok_and(|origin| origins.iter().flatten().any(|own| own.eq_ignore_ascii_case(origin)))
}

fn secure_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<HeaderValue> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
    if cookies.is_empty() {
        return;
    }
    headers.remove(header::SET_COOKIE);
    for cookie in cookies {
        let marked = cookie
            .to_str()
            .ok()
            .filter(|text| !text.contains("; Secure"))
            .and_then(|text| HeaderValue::from_str(&format!("{text}; Secure")).ok());
        headers.append(header::SET_COOKIE, marked.unwrap_or(cookie));
    }
}

/// Inside the session layer: makes the [`OpCtx`] and lets nobody without a session past a door that asks for one.
pub async fn identify(State(state): State<AppState>, session: Session, mut request: Request, next: Next) -> Response {
    let now = clock::now();
    let arrival = request.extensions().get::<Arrival>().cloned().expect("arrive runs outside");
    let request_id = request.extensions().get::<RequestId>().map_or_else(String::new, |id| id.0.clone());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let actor = match who(&state, &session, request.headers(), request.uri().path(), now).await {
        Ok(actor) => actor,
        Err(error) => return Refusal::from(error).into_response(),
    };
    let cx = OpCtx { actor, request_id, address: arrival.address, now, audit: state.audit.clone() };
    let path = request.uri().path().to_owned();
    let gate = matched.as_ref().map(|matched| doors::gate(request.method(), matched.as_str()));
    let is_program = ["/api/", "/ws/", "/rpc/", "/loki/"].iter().any(|prefix| path.starts_with(prefix)) || path == "/metrics";
    let anonymous = matches!(cx.actor, Actor::Anonymous);
    let refused = match gate {
        // Not a route: assets and "not found", which the fallback tells apart.
        None => None,
        Some(None) => {
            Some(Refusal::new(Code::MethodNotAllowed, format!("{} is not a method of this path", request.method())).into_response())
        }
        Some(Some(Gate::Public)) => None,
        Some(Some(Gate::Session(_))) if !anonymous => None,
        Some(Some(Gate::Session(_))) if is_program => Some(Refusal::from(ops::Error::NoSession).into_response()),
        Some(Some(Gate::Session(_))) => {
            let back = request.uri().path_and_query().map_or("/", |at| at.as_str());
            let to = match back {
                _ if state.ops.accounts.setup_pending() => "/login?error=setup".to_owned(),
                "/" | "/logout" => "/login".to_owned(),
                _ => format!("/login?next={}", app::paths::encode(back)),
            };
            Some(Redirect::to(&to).into_response())
        }
    };
    let mut response = match refused {
        Some(response) => response,
        None => {
            request.extensions_mut().insert(cx);
            next.run(request).await
        }
    };
    if let Some(matched) = matched {
        response.extensions_mut().insert(matched);
    }
    response
}

/// A token where one is given, else the cookie's session.
async fn who(state: &AppState, session: &Session, headers: &HeaderMap, path: &str, now: Timestamp) -> Result<Actor, ops::Error> {
    match token(headers, path) {
        Some(token) => Ok(state.ops.accounts.token_actor(&token, now).await?.map_or(Actor::Anonymous, Actor::User)),
        None => signed_in(state, session, now).await,
    }
}

/// `Authorization: Bearer …`, and on the paths of other programs' APIs, whose clients may know nothing else, Basic with the
/// token as password (RFC 6750, RFC 7617). What is no token is nobody: a cookie beside it does not count.
fn token(headers: &HeaderMap, path: &str) -> Option<String> {
    let (scheme, rest) = text(headers, "authorization")?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") || !path.starts_with("/loki/") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    Some(decoded.as_deref().and_then(|pair| pair.split_once(':')).map_or_else(String::new, |(_, password)| password.to_owned()))
}

async fn signed_in(state: &AppState, session: &Session, now: Timestamp) -> Result<Actor, ops::Error> {
    if session.get::<String>("user").await.map_err(store_failed)?.is_none() {
        return Ok(Actor::Anonymous);
    }
    let created = Timestamp(session.get::<i64>("created").await.map_err(store_failed)?.unwrap_or_default());
    let Some(id) = session.id() else { return Ok(Actor::Anonymous) };
    if now.secs() - created.secs() > SESSION_LONGEST_S {
        session.flush().await.map_err(store_failed)?;
        return Ok(Actor::Anonymous);
    }
    let user = state.ops.accounts.session(&session_key(&id), created, now).await?;
    let Some(user) = user else { return Ok(Actor::Anonymous) };
    let seen = Timestamp(session.get::<i64>("last_seen").await.map_err(store_failed)?.unwrap_or_default());
    if now.secs() - seen.secs() >= 60 {
        // Writing it also moves the idle expiry; once a minute is often enough.
        session.insert("last_seen", now.0).await.map_err(store_failed)?;
    }
    Ok(Actor::User(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_write_must_be_same_origin_or_come_from_no_browser() {
        let own = [Some("http://localhost:4080".to_owned()), None];
        for (pairs, expect) in [
            (&[][..], true),
            (&[("origin", "http://localhost:4080")], true),
            (&[("origin", "http://LOCALHOST:4080")], true),
            (&[("origin", "http://localhost:4081")], false),
            (&[("origin", "https://localhost:4080")], false),
            (&[("origin", "null")], false),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-origin"), ("origin", "http://evil.example")], false),
        ] {
            assert_eq!(write_origin(&headers(pairs), &own), expect, "{pairs:?}");
        }
    }

    #[test]
    fn a_socket_with_a_cookie_needs_a_matching_origin() {
        let own = [Some("http://localhost:4080".to_owned()), None];
        for (pairs, expect) in [
            (&[][..], true),
            (&[("cookie", "a=b")], false),
            (&[("cookie", "a=b"), ("origin", "http://localhost:4080")], true),
            (&[("cookie", "a=b"), ("origin", "http://evil.example")], false),
            (&[("origin", "http://evil.example")], false),
        ] {
            assert_eq!(socket_origin(&headers(pairs), &own), expect, "{pairs:?}");
        }
    }

    #[test]
    fn the_person_is_the_last_hop_that_no_trusted_proxy_added() {
        let trusted = |ip: IpAddr| ip == IpAddr::from([10, 0, 0, 1]);
        for (chain, expect) in [
            ("203.0.113.9", Some("203.0.113.9")),
            ("198.51.100.7, 203.0.113.9", Some("203.0.113.9")),
            ("203.0.113.9, 10.0.0.1", Some("203.0.113.9")),
            ("203.0.113.9:1234", Some("203.0.113.9")),
            ("spoofed, 203.0.113.9", Some("203.0.113.9")),
            ("rubbish", None),
        ] {
            let found = forwarded_for(&headers(&[("x-forwarded-for", chain)]), trusted);
            assert_eq!(found, expect.map(|ip| ip.parse().unwrap()), "{chain}");
        }
    }
}
