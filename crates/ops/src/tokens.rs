//! Tokens of programs: `dct_` and 32 random bytes. A token holds permissions within its owner's, and those that only a
//! token can hold; it is shown once and stored as a hash.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use model::{Permission, Role, Timestamp, TokenSummary, time::NANOS_PER_SEC};
use rand::RngCore;
use sha2::{Digest, Sha256};

use crate::{
    access::{Action, AuditEvent, Outcome},
    accounts::{Accounts, short},
    cx::{Actor, OpCtx, SignedIn},
    error::Error,
    source::{StoredToken, User},
};

/// How every token begins: it can be told from a password, also by scanners of source code.
pub const PREFIX: &str = "dct_";
/// How often the time of the last use is written.
const USED_EVERY_NS: i64 = 60 * NANOS_PER_SEC;

/// What a token is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    pub name: String,
    pub permissions: Vec<Permission>,
    /// A selector of what it sees of what its owner sees; unset: all of that.
    pub scope: Option<String>,
    /// Unset: it does not expire.
    pub expires: Option<Timestamp>,
}

/// SHA-256 in hexadecimal. Fast on purpose: a token has 256 random bits, there is nothing to guess.
fn key_of(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

impl Accounts {
    /// Makes a token for `owner`, for oneself where that is `None`, and answers its text, which nobody can ask for again.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for somebody else's without `users:manage`; [`Error::BadInput`] for a name that is empty, longer
    /// than 64 characters or taken, for no permission, or for one that the owner does not hold: `logs:write` and
    /// `metrics:write` are an administrator's to give; [`Error::NotFound`].
    pub async fn token_create(&self, cx: &OpCtx, owner: Option<&str>, new: NewToken) -> Result<(String, TokenSummary), Error> {
        if cx.is_program() {
            cx.require(Action::TokensOwn)?;
        }
        let owner = self.token_owner(cx, owner).await?;
        if new.name.is_empty() || new.name.chars().count() > 64 || new.name.chars().any(char::is_control) {
            return Err(Error::bad_input("name", "use 1 to 64 characters"));
        }
        if new.expires.is_some_and(|at| at <= cx.now) {
            return Err(Error::bad_input("expires", "this time is past"));
        }
        let mut permissions = new.permissions;
        permissions.sort_unstable_by_key(|one| one.as_str());
        permissions.dedup();
        if permissions.is_empty() {
            return Err(Error::bad_input("permissions", "name at least one"));
        }
        for permission in &permissions {
            if !may_give(owner.role, *permission) {
                let detail = format!("{} is {} and does not hold {permission}", owner.username, owner.role);
                return Err(Error::bad_input("permissions", detail));
            }
        }
        let scope = self.scope_asked(new.scope.as_deref())?;
        let mut bytes = [0; 32];
        rand::rng().fill_bytes(&mut bytes);
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let token = StoredToken {
            key: key_of(&text),
            user_id: owner.id,
            username: owner.username,
            name: new.name,
            permissions,
            scope,
            created: cx.now,
            expires: new.expires,
            last_used: None,
        };
        let mut what = token.permissions.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(" ");
        if let Some(scope) = &token.scope {
            what = format!("{what} within {scope}");
        }
        let event = AuditEvent::new(cx, "token.create", format!("{}/{}", token.username, token.name), Outcome::Done).detail(what);
        self.store.token_create(&token, event).await?;
        Ok((text, summary(token)))
    }

    /// The asking person's tokens; everybody's where `all` is set, which needs `users:manage`.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Forbidden`].
    pub async fn tokens(&self, cx: &OpCtx, all: bool) -> Result<Vec<TokenSummary>, Error> {
        let whose = match &cx.actor {
            Actor::System => None,
            _ => {
                let me = cx.require(if all { Action::UsersManage } else { Action::TokensOwn })?;
                (!all).then_some(&*me.user_id)
            }
        };
        Ok(self.store.tokens(whose).await?.into_iter().map(summary).collect())
    }

    /// Ends a token, and the sockets it opened: one's own, or anybody's with `users:manage`.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an id that is not there, or not the asking person's.
    pub async fn token_revoke(&self, cx: &OpCtx, id: &str) -> Result<(), Error> {
        let missing = || Error::NotFound { what: "token", name: short(id) };
        let whose = match &cx.actor {
            Actor::System => None,
            _ => {
                let me = cx.require(Action::TokensOwn)?;
                (!cx.may(Permission::UsersManage)).then_some(&*me.user_id)
            }
        };
        let token = self.store.tokens(whose).await?.into_iter().find(|token| id_of(token) == id).ok_or_else(missing)?;
        let event = AuditEvent::new(cx, "token.revoke", format!("{}/{}", token.username, token.name), Outcome::Done);
        if !self.store.token_delete(&token.key, event).await? {
            return Err(missing());
        }
        self.sockets.end_session(&token.key);
        Ok(())
    }

    /// Who comes with a token; `None` where it is unknown, has expired, or its owner is disabled.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn token_actor(&self, token: &str, now: Timestamp) -> Result<Option<SignedIn>, Error> {
        if !token.starts_with(PREFIX) || token.len() > 128 {
            return Ok(None);
        }
        let Some((token, user)) = self.store.token_user(&key_of(token), now).await? else { return Ok(None) };
        if token.last_used.is_none_or(|at| now.0 - at.0 >= USED_EVERY_NS) {
            self.store.token_used(&token.key, now).await?;
        }
        Ok(Some(self.token_holder(token, user)))
    }

    /// Who has this session or token now; `None` where it is gone.
    pub(crate) async fn holder(&self, key: &str, now: Timestamp) -> Result<Option<SignedIn>, Error> {
        if let Some(holder) = self.session(key, now, now).await? {
            return Ok(Some(holder));
        }
        Ok(self.store.token_user(key, now).await?.map(|(token, user)| self.token_holder(token, user)))
    }

    /// What the owner has lost since is lost to the token.
    fn token_holder(&self, token: StoredToken, user: User) -> SignedIn {
        let read = |text: &str| self.scope_of(text);
        let scope = match (user.scope.as_deref().map(read), token.scope.as_deref().map(read)) {
            (Some(owner), Some(own)) => Some(Arc::new(owner.and(&own))),
            (owner, own) => owner.or(own),
        };
        let grants = token.permissions.into_iter().filter(|one| may_give(user.role, *one)).collect();
        SignedIn {
            user_id: user.id,
            username: user.username,
            role: user.role,
            session: token.key,
            signed_in: token.created,
            grants: Some(grants),
            scope,
        }
    }

    async fn token_owner(&self, cx: &OpCtx, owner: Option<&str>) -> Result<User, Error> {
        match (&cx.actor, owner) {
            (Actor::System, None) => Err(Error::bad_input("user", "name the account whose token it is to be")),
            (Actor::System, Some(name)) => self.user(name).await,
            (_, None) => self.user(&cx.require(Action::TokensOwn)?.username.clone()).await,
            (_, Some(name)) => {
                cx.require(Action::UsersManage)?;
                self.user(name).await
            }
        }
    }
}

/// Permissions of no role are an administrator's to give.
fn may_give(role: Role, permission: Permission) -> bool {
    role.may(permission) || (permission.least_role().is_none() && role == Role::Admin)
}

/// The beginning of the hash: enough to name it, useless to sign in.
fn id_of(token: &StoredToken) -> &str {
    token.key.get(..16).unwrap_or(&token.key)
}

fn summary(token: StoredToken) -> TokenSummary {
    TokenSummary {
        id: id_of(&token).to_owned(),
        username: token.username,
        name: token.name,
        permissions: token.permissions,
        scope: token.scope,
        created: token.created,
        expires: token.expires,
        last_used: token.last_used,
    }
}
