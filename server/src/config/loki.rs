//! Which Loki keeps the lines, who we are to it, and whether what is collected goes there.

use std::path::PathBuf;

use super::{
    Error, Origin, Secret,
    layers::{Layers, Raw},
};

/// A Loki that is asked in place of the embedded engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LokiConfig {
    /// Where `/loki/api/v1` stands below; may hold `user:password@`.
    pub url: Secret,
    /// Sent as `X-Scope-OrgID`.
    pub tenant: Option<String>,
    pub auth: LokiAuth,
    /// PEM file of the authorities that sign its certificate. Unset: those of this machine, and the web's.
    pub ca: Option<PathBuf>,
    /// How long one answer may take; Loki's own `query_timeout` is a minute.
    pub timeout_ns: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LokiAuth {
    /// None, or what the URL says.
    Url,
    Basic {
        user: String,
        password: Secret,
    },
    Bearer(Secret),
}

/// `[collect] ship_to = "loki"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShipConfig {
    /// What waits on disk while the Loki is away; the oldest go first.
    pub queue_bytes: u64,
}

pub(super) fn url(layers: &mut Layers<'_>) -> Result<Option<Secret>, Error> {
    layers.optional("loki_url", |raw| {
        let text = raw.text()?;
        let fits = reqwest::Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && url.fragment().is_none()
        });
        if fits { Ok(Secret::new(text)) } else { Err("http(s)://host:port, and a path where Loki stands below one".to_owned()) }
    })
}

pub(super) fn load(layers: &mut Layers<'_>, url: Option<Secret>) -> Result<Option<LokiConfig>, Error> {
    let text = |raw: &Raw| raw.text().map(str::to_owned);
    // A header's value: what does not print would end it.
    let header = |raw: &Raw| {
        let value = raw.text()?;
        if value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) { Ok(value.to_owned()) } else { Err("printable ASCII".to_owned()) }
    };
    let tenant = layers.optional("logs.loki_tenant", header)?;
    let user = layers.optional("logs.loki_user", text)?;
    let password = layers.optional("logs.loki_password", text)?.map(Secret::new);
    let token = layers.optional("logs.loki_token", header)?.map(Secret::new);
    let ca = layers.path("logs.loki_ca")?;
    let timeout_ns = layers.required("logs.loki_timeout", Raw::Text("65s".to_owned()), |raw| super::engine::span(raw, 1))?;
    for key in ["tenant", "user", "password", "token", "ca"] {
        if url.is_none() {
            refuse(layers, &format!("logs.loki_{key}"), "nothing, where loki_url is not set")?;
        }
    }
    let auth = match (user, password, token) {
        (None, None, None) => LokiAuth::Url,
        (Some(user), Some(password), None) => LokiAuth::Basic { user, password },
        (None, None, Some(token)) => LokiAuth::Bearer(token),
        (_, _, Some(_)) => return Err(bad(layers, "logs.loki_token", "either loki_token, or loki_user with loki_password")),
        (Some(_), None, None) => return Err(bad(layers, "logs.loki_user", "loki_user together with loki_password")),
        (None, Some(_), None) => return Err(bad(layers, "logs.loki_password", "loki_user together with loki_password")),
    };
    Ok(url.map(|url| LokiConfig { url, tenant, auth, ca, timeout_ns }))
}

pub(super) fn ship(layers: &mut Layers<'_>, has_loki: bool) -> Result<Option<ShipConfig>, Error> {
    let ship = layers.optional("collect.ship_to", |raw| match raw.text()? {
        "loki" if has_loki => Ok(()),
        "loki" => Err("loki, where loki_url is set".to_owned()),
        _ => Err("loki".to_owned()),
    })?;
    let queue_bytes = layers.required("collect.ship_queue", Raw::Text("1GiB".to_owned()), super::engine::bytes)?;
    Ok(ship.map(|()| ShipConfig { queue_bytes }))
}

/// Refuses a setting that somebody made.
fn refuse(layers: &Layers<'_>, key: &str, allowed: &str) -> Result<(), Error> {
    let is_set = layers.decided.iter().any(|one| one.key == key && one.value.is_some());
    if is_set { Err(bad(layers, key, allowed)) } else { Ok(()) }
}

fn bad(layers: &Layers<'_>, key: &str, allowed: &str) -> Error {
    let decided = layers.decided.iter().find(|one| one.key == key);
    Error::BadValue {
        key: key.to_owned(),
        value: decided.and_then(|one| one.value.clone()).unwrap_or_default().trim_matches('"').to_owned(),
        origin: decided.map_or(Origin::Default, |one| one.origin.clone()),
        allowed: allowed.to_owned(),
    }
}
