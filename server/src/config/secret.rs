//! Text that must not be shown.

use std::fmt;

/// A password or a URL with one in it. `Debug` and `Display` print `***`; [`Secret::expose`] is the one way to the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The same URL with the password of its user part, and of a `password=` parameter, replaced by `***`.
pub fn mask_url(url: &str) -> String {
    let (before, query) = url.split_once('?').map_or((url, None), |(before, query)| (before, Some(query)));
    let mut masked = match before.split_once("://") {
        Some((scheme, rest)) => {
            // The last `@`, wherever it is: a password may hold `@` and `/` where a person forgot to encode them.
            match rest.rsplit_once('@') {
                Some((user, host)) => {
                    let name = user.split(':').next().unwrap_or_default();
                    let password = if user.contains(':') { ":***" } else { "" };
                    format!("{scheme}://{name}{password}@{host}")
                }
                None => before.to_owned(),
            }
        }
        None => before.to_owned(),
    };
    for (index, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        masked.push(if index == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if name.eq_ignore_ascii_case("password") => {
                masked.push_str(name);
                masked.push_str("=***");
            }
            _ => masked.push_str(pair),
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_itself() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn passwords_in_urls_are_masked() {
        for (url, masked) in [
            ("postgres://ada:pw@db:5432/console", "postgres://ada:***@db:5432/console"),
            ("postgres://ada:p@s/s@db/console?sslmode=require", "postgres://ada:***@db/console?sslmode=require"),
            ("postgres://db/console?user=ada&password=pw", "postgres://db/console?user=ada&password=***"),
            ("postgres://ada@db/console", "postgres://ada@db/console"),
            ("sqlite:/data/docaiche.db", "sqlite:/data/docaiche.db"),
        ] {
            assert_eq!(mask_url(url), masked);
        }
    }
}
