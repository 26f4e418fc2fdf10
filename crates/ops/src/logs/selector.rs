//! Which services a query is about, by their names in a URL.

use crate::{error::Error, source::ServiceKey};

/// `name`, `project/name` or `host/project/name` (an empty project where there is none). A bare name selects every
/// service of that name, also those that appear later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceRef {
    pub host: Option<String>,
    pub project: Option<String>,
    pub name: String,
}

impl ServiceRef {
    /// # Errors
    /// [`Error::BadInput`] for an empty name, more than two slashes, control characters or more than 512 bytes.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| {
            let shown: String = text.chars().take(80).collect();
            Error::bad_input("service", format!("`{shown}` {why}; use a name, `project/name` or `host/project/name`"))
        };
        if text.len() > 512 {
            return Err(wrong("is longer than 512 bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err(wrong("holds control characters"));
        }
        let mut parts = text.rsplitn(3, '/');
        let name = parts.next().filter(|name| !name.is_empty()).ok_or_else(|| wrong("has no name"))?.to_owned();
        let project = parts.next().map(str::to_owned);
        let host = parts.next().map(str::to_owned);
        if host.as_deref().is_some_and(|host| host.is_empty() || host.contains('/')) {
            return Err(wrong("is no service"));
        }
        Ok(Self { host, project, name })
    }

    pub fn matches(&self, key: &ServiceKey) -> bool {
        self.name == key.name
            && self.project.as_ref().is_none_or(|project| project == key.project.as_deref().unwrap_or(""))
            && self.host.as_ref().is_none_or(|host| *host == key.host)
    }
}

/// One or more services, or all of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    All,
    /// Sorted, without repetition, not empty.
    Refs(Vec<ServiceRef>),
}

impl Selector {
    /// All services where `names` is empty.
    ///
    /// # Errors
    /// [`Error::BadInput`] for a malformed name, or more than 64 of them.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let mut refs = names.into_iter().map(ServiceRef::parse).collect::<Result<Vec<_>, _>>()?;
        refs.sort();
        refs.dedup();
        match refs.len() {
            0 => Ok(Self::All),
            1..=64 => Ok(Self::Refs(refs)),
            n => Err(Error::bad_input("service", format!("{n} services are named; at most 64 are allowed"))),
        }
    }

    pub fn matches(&self, key: &ServiceKey) -> bool {
        match self {
            Self::All => true,
            Self::Refs(refs) => refs.iter().any(|one| one.matches(key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(host: &str, project: Option<&str>, name: &str) -> ServiceKey {
        ServiceKey { host: host.into(), project: project.map(Into::into), name: name.into(), kind_file: false }
    }

    #[test]
    fn a_reference_selects_by_as_much_as_it_says() {
        let shop = key("local", Some("shop"), "web");
        let lone = key("local", None, "web");
        let far = key("far", Some("shop"), "web");
        for (text, expect) in [
            ("web", [true, true, true]),
            ("shop/web", [true, false, true]),
            ("/web", [false, true, false]),
            ("local/shop/web", [true, false, false]),
            ("far/shop/web", [false, false, true]),
            ("local//web", [false, true, false]),
            ("db", [false, false, false]),
        ] {
            let service = ServiceRef::parse(text).unwrap();
            assert_eq!([&shop, &lone, &far].map(|key| service.matches(key)), expect, "{text}");
        }
    }

    #[test]
    fn a_malformed_reference_is_named() {
        for text in ["", "shop/", "//web", "a/b/c/d", "a\nb", &"x".repeat(513)] {
            assert!(ServiceRef::parse(text).is_err(), "{text:?}");
        }
    }
}
