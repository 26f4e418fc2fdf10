//! Searches that a person keeps under a name, and the last ones that person made. Everybody has only their own.

use model::searches::{SavedSearch, Searches};
use rand::RngCore;

use crate::{
    Ops,
    access::{Action, AuditEvent, Outcome},
    cx::OpCtx,
    error::Error,
};

/// Saved ones of a person.
pub const MAX_SAVED: usize = 200;
/// Searches that are remembered of a person, the newest.
pub const MAX_RECENT: usize = 100;
/// What a browser and a proxy take for certain as part of an address.
const MAX_QUERY_BYTES: usize = 7_000;

/// The query of an address: percent-encoded, so that nothing in it can end the address or begin another.
fn checked(query: &str) -> Result<&str, Error> {
    let query = query.strip_prefix('?').unwrap_or(query);
    if query.is_empty() || query.len() > MAX_QUERY_BYTES {
        return Err(Error::bad_input("query", format!("use 1 to {MAX_QUERY_BYTES} bytes, as they stand behind /logs?")));
    }
    match query.bytes().find(|byte| !byte.is_ascii_graphic() || matches!(byte, b'"' | b'<' | b'>' | b'#' | b'\\' | b'`')) {
        Some(byte) => Err(Error::bad_input("query", format!("`{}` must be percent-encoded", byte.escape_ascii()))),
        None => Ok(query),
    }
}

impl Ops {
    /// Those of the asking person.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Forbidden`].
    pub async fn searches(&self, cx: &OpCtx) -> Result<Searches, Error> {
        let me = cx.require(Action::SearchesOwn)?;
        Ok(self.store.searches(&me.user_id).await?)
    }

    /// Keeps a search: `query` is what stands behind `/logs?`.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Forbidden`]; [`Error::BadInput`] for a name that is empty or longer than 100 characters, a query
    /// that could not stand in an address, or one search too many; a conflict where the person has one of that name.
    pub async fn search_save(&self, cx: &OpCtx, name: &str, query: &str) -> Result<SavedSearch, Error> {
        let me = cx.require(Action::SearchesOwn)?;
        let name = name.trim();
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(Error::bad_input("name", "use 1 to 100 characters"));
        }
        let query = checked(query)?.to_owned();
        if self.store.searches(&me.user_id).await?.saved.len() >= MAX_SAVED {
            return Err(Error::bad_input("name", format!("{MAX_SAVED} searches are saved already; delete one first")));
        }
        let mut id = [0; 8];
        rand::rng().fill_bytes(&mut id);
        let search = SavedSearch { id: hex::encode(id), name: name.to_owned(), query, created: cx.now, used: None };
        let event = AuditEvent::new(cx, "search.save", name, Outcome::Done);
        self.store.search_save(&me.user_id, &search, event).await?;
        Ok(search)
    }

    /// Forgets a saved search.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Forbidden`]; [`Error::NotFound`] for an id that the person has none of.
    pub async fn search_delete(&self, cx: &OpCtx, id: &str) -> Result<(), Error> {
        let me = cx.require(Action::SearchesOwn)?;
        let missing = || Error::NotFound { what: "saved search", name: id.chars().take(40).collect() };
        let saved = self.store.searches(&me.user_id).await?.saved;
        let search = saved.into_iter().find(|search| search.id == id).ok_or_else(missing)?;
        let event = AuditEvent::new(cx, "search.delete", search.name, Outcome::Done);
        if self.store.search_delete(&me.user_id, id, event).await? { Ok(()) } else { Err(missing()) }
    }

    /// Notes that a saved search was opened.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Forbidden`].
    pub async fn search_used(&self, cx: &OpCtx, id: &str) -> Result<(), Error> {
        let me = cx.require(Action::SearchesOwn)?;
        Ok(self.store.search_used(&me.user_id, id, cx.now).await?)
    }

    /// Notes a search that was made. Where it stands already it comes first.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Forbidden`]; [`Error::BadInput`] for what could not stand in an address.
    pub async fn search_made(&self, cx: &OpCtx, query: &str) -> Result<(), Error> {
        let me = cx.require(Action::SearchesOwn)?;
        Ok(self.store.search_made(&me.user_id, checked(query)?, cx.now, MAX_RECENT).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_stand_in_an_address_is_kept() {
        for (query, expect) in [
            ("search=a%20b&level=error", Ok("search=a%20b&level=error")),
            ("?service=shop%2Fweb", Ok("service=shop%2Fweb")),
            ("", Err("query: use 1 to")),
            ("a b", Err("query: ` ` must be percent-encoded")),
            ("a=\n", Err("query: `\\n` must be percent-encoded")),
            ("a#b", Err("query: `#` must be")),
            ("a=ü", Err("query: `\\xc3` must be")),
        ] {
            match (checked(query), expect) {
                (Ok(found), Ok(expect)) => assert_eq!(found, expect),
                (Err(error), Err(says)) => assert!(error.to_string().starts_with(says), "{query}: {error}"),
                (found, _) => panic!("{query}: {found:?}"),
            }
        }
        assert!(checked(&"x".repeat(MAX_QUERY_BYTES + 1)).is_err());
    }
}
