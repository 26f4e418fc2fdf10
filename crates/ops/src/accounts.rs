//! People: first set-up, sign-in and sign-out, passwords, roles, sessions.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use model::{Me, Permission, Role, SessionSummary, Timestamp, UserSummary};
use rand::RngCore;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    access::{Action, AuditEvent, Outcome, Passwords, Scope, ScopeLabels, Throttle, password_problem},
    cx::{Actor, OpCtx, SignedIn},
    error::Error,
    sockets::Sockets,
    source::{Store, StoreError, User},
};

/// How long a set-up link works.
pub const SETUP_LINK_S: i64 = 3_600;

pub struct Accounts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sockets: Arc<Sockets>,
    passwords: Passwords,
    throttle: Throttle,
    setup: Mutex<Option<SetupLink>>,
    scope_labels: ScopeLabels,
}

struct SetupLink {
    token_hash: [u8; 32],
    expires: Timestamp,
}

/// 128 random bits in hexadecimal.
fn new_id() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

/// What a name may be: letters, digits, `.`, `_`, `-` and `@`, 1 to 64 of them, beginning with a letter or digit.
fn username_problem(username: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@');
    let right = (1..=64).contains(&username.len())
        && username.chars().all(allowed)
        && username.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !username.eq_ignore_ascii_case("system");
    (!right).then(|| "use 1 to 64 of A–Z a–z 0–9 . _ - @, beginning with a letter or digit; `system` is reserved".to_owned())
}

impl Accounts {
    /// Over a store; the command line uses it without the rest of the service.
    pub fn new(store: Arc<dyn Store>, sockets: Arc<Sockets>) -> Self {
        Self {
            store,
            sockets,
            passwords: Passwords::default(),
            throttle: Throttle::default(),
            setup: Mutex::default(),
            scope_labels: ScopeLabels::default(),
        }
    }

    /// With labels that scopes may name beside the usual.
    #[must_use]
    pub fn with_scope_labels(self, scope_labels: ScopeLabels) -> Self {
        Self { scope_labels, ..self }
    }

    async fn new_user(&self, username: &str, password: String, role: Role, now: Timestamp) -> Result<User, Error> {
        if let Some(problem) = username_problem(username) {
            return Err(Error::bad_input("username", problem));
        }
        if let Some(problem) = password_problem(username, &password) {
            return Err(Error::bad_input("password", problem));
        }
        let password_hash = self.passwords.hash(password).await?;
        Ok(User {
            id: new_id(),
            username: username.to_owned(),
            role,
            disabled: false,
            scope: None,
            password_hash,
            created: now,
            last_sign_in: None,
        })
    }

    /// Makes a new set-up link's token if there is no account yet; the one before stops working.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn setup_begin(&self, now: Timestamp) -> Result<Option<String>, Error> {
        if self.store.user_count().await? > 0 {
            return Ok(None);
        }
        let mut bytes = [0; 32];
        rand::rng().fill_bytes(&mut bytes);
        let token = URL_SAFE_NO_PAD.encode(bytes);
        let link = SetupLink { token_hash: Sha256::digest(&token).into(), expires: now.saturating_add_nanos(SETUP_LINK_S * 1_000_000_000) };
        *self.setup.lock().expect("no panic while held") = Some(link);
        Ok(Some(token))
    }

    /// Whether a set-up link's token works now.
    pub fn setup_valid(&self, token: &str, now: Timestamp) -> bool {
        let given: [u8; 32] = Sha256::digest(token).into();
        let setup = self.setup.lock().expect("no panic while held");
        setup.as_ref().is_some_and(|link| bool::from(link.token_hash.ct_eq(&given)) && now < link.expires)
    }

    /// Whether the console waits for its set-up: there is no account yet.
    pub fn setup_pending(&self) -> bool {
        self.setup.lock().expect("no panic while held").is_some()
    }

    /// Ends the wait where another process (the command line) has made an account. Run every second by the server; free
    /// where nothing is waited for.
    ///
    /// # Errors
    /// [`Error::Store`]; the console then waits on.
    pub async fn setup_sweep(&self) -> Result<(), Error> {
        if self.setup_pending() && self.store.user_count().await? > 0 {
            *self.setup.lock().expect("no panic while held") = None;
        }
        Ok(())
    }

    /// Creates the first administrator; the link is used up.
    ///
    /// # Errors
    /// [`Error::Forbidden`]-like [`Error::BadInput`] on `token` where the link is wrong, used or expired; [`Error::BadInput`]
    /// on name or password, which leaves the link working.
    pub async fn setup_finish(&self, cx: &OpCtx, token: &str, username: &str, password: String) -> Result<User, Error> {
        let dead = || Error::bad_input("token", "this set-up link does not work any more; restart the console for a new one");
        if let Some(retry_after_s) = self.throttle.wait("", cx.address, cx.now) {
            return Err(Error::Throttled { retry_after_s });
        }
        if !self.setup_valid(token, cx.now) {
            self.throttle.failed("", cx.address, cx.now);
            self.refuse(cx, "setup.finish", "", "wrong or expired link").await?;
            return Err(dead());
        }
        let user = self.new_user(username, password, Role::Admin, cx.now).await?;
        let event = AuditEvent::new(cx, "setup.finish", username, Outcome::Done);
        let first = self.store.user_create_first(&user, event).await?;
        *self.setup.lock().expect("no panic while held") = None;
        if first { Ok(user) } else { Err(dead()) }
    }

    /// For `DOCAICHE_ADMIN_PASSWORD`: creates user `admin` on a first start; `false` where there are accounts already.
    ///
    /// # Errors
    /// [`Error::BadInput`] for a password that is refused.
    pub async fn admin_from_environment(&self, cx: &OpCtx, password: String) -> Result<bool, Error> {
        if self.store.user_count().await? > 0 {
            return Ok(false);
        }
        let user = self.new_user("admin", password, Role::Admin, cx.now).await?;
        let event = AuditEvent::new(cx, "user.create", "admin", Outcome::Done).detail("role admin, from the environment");
        Ok(self.store.user_create_first(&user, event).await?)
    }

    async fn refuse(&self, cx: &OpCtx, action: &str, target: &str, why: &str) -> Result<(), Error> {
        let target: String = target.chars().take(64).collect();
        Ok(self.store.audit_append(AuditEvent::new(cx, action, target, Outcome::Refused).detail(why)).await?)
    }

    /// Checks a name and a password. The answer and the time it takes are the same for an unknown name, a wrong
    /// password and a disabled account. The door makes the session.
    ///
    /// # Errors
    /// [`Error::WrongCredentials`], [`Error::Throttled`].
    pub async fn sign_in(&self, cx: &OpCtx, username: &str, password: String) -> Result<User, Error> {
        let username = username.trim();
        let attempt = self.throttle.begin(username, cx.address, cx.now).await.map_err(|retry_after_s| {
            cx.audit.record(AuditEvent::new(cx, "session.sign_in", short(username), Outcome::Refused).detail("throttled"));
            Error::Throttled { retry_after_s }
        })?;
        let user = if username.len() <= 64 { self.store.user_by_name(username).await? } else { None };
        let stored = user.as_ref().map(|user| user.password_hash.clone());
        let password = if password.len() <= 1024 { password } else { String::new() };
        let right = self.passwords.verify(password, stored).await?;
        match user {
            Some(user) if right && !user.disabled => {
                attempt.succeeded();
                let event =
                    AuditEvent { actor: user.username.clone(), ..AuditEvent::new(cx, "session.sign_in", &user.username, Outcome::Done) };
                self.store.user_signed_in(&user.id, cx.now, event).await?;
                Ok(user)
            }
            user => {
                let why = match user {
                    Some(user) if user.disabled && right => "disabled",
                    Some(_) => "wrong password",
                    None => "unknown name",
                };
                self.refuse(cx, "session.sign_in", username, why).await?;
                Err(Error::WrongCredentials)
            }
        }
    }

    /// Ends the session that asks, its sockets included.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Store`].
    pub async fn sign_out(&self, cx: &OpCtx) -> Result<(), Error> {
        let user = cx.require(Action::MeRead)?;
        self.store.session_delete(&user.session, AuditEvent::new(cx, "session.sign_out", &user.username, Outcome::Done)).await?;
        self.sockets.end_session(&user.session);
        Ok(())
    }

    /// The person of a stored session, for the identity middleware.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn session(&self, key: &str, signed_in: Timestamp, now: Timestamp) -> Result<Option<SignedIn>, Error> {
        let user = self.store.session_user(key, now).await?;
        Ok(user.map(|user| SignedIn {
            user_id: user.id,
            username: user.username,
            role: user.role,
            session: key.to_owned(),
            signed_in,
            grants: None,
            scope: user.scope.as_deref().map(|text| self.scope_of(text)),
        }))
    }

    /// # Errors
    /// [`Error::NoSession`].
    pub fn me(&self, cx: &OpCtx) -> Result<Me, Error> {
        let user = cx.require(Action::MeRead)?;
        Ok(Me {
            username: user.username.clone(),
            role: user.role,
            permissions: Permission::ALL.into_iter().filter(|one| user.may(*one)).collect(),
            scope: user.scope.as_ref().map(ToString::to_string),
        })
    }

    /// Changes the asking person's password; all other sessions of theirs end.
    ///
    /// # Errors
    /// [`Error::BadInput`] on `current` or `password`, [`Error::Throttled`].
    pub async fn password_change(&self, cx: &OpCtx, current: String, password: String) -> Result<(), Error> {
        let me = cx.require(Action::PasswordChange)?;
        let attempt = self.throttle.begin(&me.username, cx.address, cx.now).await;
        let attempt = attempt.map_err(|retry_after_s| Error::Throttled { retry_after_s })?;
        let user = self.user(&me.username).await?;
        if !self.passwords.verify(current, Some(user.password_hash)).await? {
            self.refuse(cx, "user.password", &me.username, "wrong current password").await?;
            return Err(Error::bad_input("current", "this is not your password"));
        }
        attempt.succeeded();
        self.password_store(cx, &user.id, &me.username, password, Some(&me.session)).await
    }

    async fn password_store(&self, cx: &OpCtx, id: &str, username: &str, password: String, keep: Option<&str>) -> Result<(), Error> {
        if let Some(problem) = password_problem(username, &password) {
            return Err(Error::bad_input("password", problem));
        }
        let hash = self.passwords.hash(password).await?;
        self.store.user_set_password(id, &hash, AuditEvent::new(cx, "user.password", username, Outcome::Done)).await?;
        self.store
            .sessions_delete(id, keep, AuditEvent::new(cx, "session.end_all", username, Outcome::Done).detail("password changed"))
            .await?;
        self.sockets.end_user(id, keep);
        Ok(())
    }

    pub(crate) async fn user(&self, username: &str) -> Result<User, Error> {
        let user = if username.len() <= 64 { self.store.user_by_name(username).await? } else { None };
        user.ok_or_else(|| Error::NotFound { what: "user", name: short(username) })
    }

    fn manage(&self, cx: &OpCtx) -> Result<(), Error> {
        match cx.actor {
            Actor::System => Ok(()),
            _ => cx.require(Action::UsersManage).map(|_| ()),
        }
    }

    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn users(&self, cx: &OpCtx) -> Result<Vec<UserSummary>, Error> {
        self.manage(cx)?;
        Ok(self.store.users().await?.into_iter().map(summary).collect())
    }

    /// # Errors
    /// [`Error::Forbidden`], [`Error::BadInput`], [`Error::Conflict`] for a name that is taken.
    pub async fn user_add(&self, cx: &OpCtx, username: &str, password: String, role: Role) -> Result<UserSummary, Error> {
        self.manage(cx)?;
        let user = self.new_user(username, password, role, cx.now).await?;
        let event = AuditEvent::new(cx, "user.create", username, Outcome::Done).detail(format!("role {role}"));
        self.store.user_create(&user, event).await?;
        // With an account there is nothing left to set up.
        *self.setup.lock().expect("no panic while held") = None;
        Ok(summary(user))
    }

    /// An administrator sets somebody's password; all sessions of that person end.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::BadInput`].
    pub async fn user_set_password(&self, cx: &OpCtx, username: &str, password: String) -> Result<(), Error> {
        self.manage(cx)?;
        let user = self.user(username).await?;
        self.password_store(cx, &user.id, &user.username, password, None).await
    }

    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Conflict`] for the last administrator.
    pub async fn user_set_role(&self, cx: &OpCtx, username: &str, role: Role) -> Result<(), Error> {
        self.manage(cx)?;
        let user = self.user(username).await?;
        if user.role == role {
            return Ok(());
        }
        if role == Role::Admin && user.scope.is_some() {
            return Err(Error::Conflict("an administrator sees everything: take the scope away first".to_owned()));
        }
        let event = AuditEvent::new(cx, "user.role", &user.username, Outcome::Done).detail(format!("{} → {role}", user.role));
        self.store.user_set_role(&user.id, role, event).await?;
        if role < user.role {
            // Sessions stay; sockets that need a lost right end, the others reconnect by themselves.
            self.sockets.end_user(&user.id, None);
        }
        Ok(())
    }

    /// Limits what somebody sees to a selector such as `{compose_project="shop"}`; `None` or an empty text is everything. Their
    /// sockets end and come back within it.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`]; [`Error::BadInput`] for a selector that is none; [`Error::Conflict`] for an
    /// administrator, who sees everything.
    pub async fn user_set_scope(&self, cx: &OpCtx, username: &str, scope: Option<&str>) -> Result<(), Error> {
        self.manage(cx)?;
        let user = self.user(username).await?;
        let scope = self.scope_asked(scope)?;
        if scope.is_some() && user.role == Role::Admin {
            return Err(Error::Conflict("an administrator sees everything: change the role first".to_owned()));
        }
        if scope == user.scope {
            return Ok(());
        }
        let what = scope.as_deref().unwrap_or("everything").to_owned();
        let event = AuditEvent::new(cx, "user.scope", &user.username, Outcome::Done).detail(what);
        self.store.user_set_scope(&user.id, scope.as_deref(), event).await?;
        self.sockets.end_user(&user.id, None);
        Ok(())
    }

    /// Disabling ends every session and socket of that person.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Conflict`] for the last administrator.
    pub async fn user_set_disabled(&self, cx: &OpCtx, username: &str, disabled: bool) -> Result<(), Error> {
        self.manage(cx)?;
        let user = self.user(username).await?;
        if user.disabled == disabled {
            return Ok(());
        }
        let action = if disabled { "user.disable" } else { "user.enable" };
        self.store.user_set_disabled(&user.id, disabled, AuditEvent::new(cx, action, &user.username, Outcome::Done)).await?;
        if disabled {
            self.sockets.end_user(&user.id, None);
        }
        Ok(())
    }

    /// The asking person's sessions; everybody's where `all` is set, which needs `users:manage`.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Forbidden`].
    pub async fn sessions(&self, cx: &OpCtx, all: bool) -> Result<Vec<SessionSummary>, Error> {
        let me = cx.require(if all { Action::UsersManage } else { Action::SessionsOwn })?;
        let stored = self.store.sessions((!all).then_some(&*me.user_id), cx.now).await?;
        Ok(stored
            .into_iter()
            .map(|session| SessionSummary {
                current: session.key == me.session,
                id: session.key,
                username: session.username,
                created: session.created,
                last_seen: session.last_seen,
                expires: session.expires,
                address: session.address,
                user_agent: session.user_agent,
            })
            .collect())
    }

    /// Ends a session and its sockets: one's own, or anybody's with `users:manage`.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an id that is not there, or not the asking person's to end.
    pub async fn session_end(&self, cx: &OpCtx, id: &str) -> Result<(), Error> {
        let me = cx.require(Action::SessionsOwn)?;
        let missing = || Error::NotFound { what: "session", name: short(id) };
        let whose = if cx.may(Permission::UsersManage) { None } else { Some(&*me.user_id) };
        let session = self.store.sessions(whose, cx.now).await?.into_iter().find(|session| session.key == id).ok_or_else(missing)?;
        let event = AuditEvent::new(cx, "session.end", &session.username, Outcome::Done);
        if !self.store.session_delete(&session.key, event).await? {
            return Err(missing());
        }
        self.sockets.end_session(&session.key);
        Ok(())
    }

    /// A scope that somebody asks for, as it is stored.
    pub(crate) fn scope_asked(&self, text: Option<&str>) -> Result<Option<String>, Error> {
        let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
        let scope = Scope::parse(text, &self.scope_labels).map_err(|detail| Error::bad_input("scope", detail))?;
        Ok(Some(scope.to_string()))
    }

    /// A stored scope. One that no longer reads, as where it names a label that is no longer copied, shows nothing, rather than
    /// everything.
    pub(crate) fn scope_of(&self, text: &str) -> Arc<Scope> {
        Arc::new(Scope::parse(text, &self.scope_labels).unwrap_or_else(|detail| {
            tracing::error!(
                kind = "security",
                event = "scope",
                scope = text,
                "a stored scope does not read, so nothing is shown: {detail}"
            );
            Scope::nothing()
        }))
    }

    /// Writes what the sink collected; run by the server's one audit task.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit(&self, event: AuditEvent) -> Result<(), StoreError> {
        self.store.audit_append(event).await
    }

    /// An address as the throttle sees it, for tests of forwarded headers.
    pub fn throttled(&self, username: &str, address: IpAddr, now: Timestamp) -> bool {
        self.throttle.wait(username, address, now).is_some()
    }
}

pub(crate) fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

fn summary(user: User) -> UserSummary {
    UserSummary {
        username: user.username,
        role: user.role,
        disabled: user.disabled,
        scope: user.scope,
        created: user.created,
        last_sign_in: user.last_sign_in,
    }
}
