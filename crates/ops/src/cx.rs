//! Who asks, from where, and when: made once per request by the server's one identity middleware.

use std::{net::IpAddr, sync::Arc};

use model::{Permission, Role, Timestamp};

use crate::{
    access::{Action, AuditSink, Scope},
    error::Error,
};

/// The context of one call. Cloned into sockets, where it stays valid until the session is revoked.
#[derive(Clone)]
pub struct OpCtx {
    pub actor: Actor,
    pub request_id: String,
    /// The person's address, forwarded headers of trusted proxies applied.
    pub address: IpAddr,
    pub now: Timestamp,
    /// Where refusals are recorded.
    pub audit: AuditSink,
}

#[derive(Clone, Debug)]
pub enum Actor {
    Anonymous,
    /// The console itself, or its command line.
    System,
    User(SignedIn),
}

/// A person with a valid session, or a program with a token of that person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    pub user_id: String,
    pub username: String,
    pub role: Role,
    /// SHA-256 of the session's id or of the token, in hexadecimal: names it without opening anything.
    pub session: String,
    pub signed_in: Timestamp,
    /// What a token grants; `None` for a person, who may do all that the role may.
    pub grants: Option<Vec<Permission>>,
    /// The part of the world they see; `None`: all of it.
    pub scope: Option<Arc<Scope>>,
}

impl SignedIn {
    pub fn may(&self, permission: Permission) -> bool {
        self.grants.as_ref().map_or_else(|| self.role.may(permission), |grants| grants.contains(&permission))
    }
}

impl OpCtx {
    /// The signed-in person, if that person may do `action`. A refusal of a signed-in person is recorded.
    ///
    /// # Errors
    /// [`Error::NoSession`] for nobody, [`Error::Forbidden`] for somebody who may not, [`Error::PersonOnly`] for a program.
    pub fn require(&self, action: Action) -> Result<&SignedIn, Error> {
        let Actor::User(user) = &self.actor else { return Err(Error::NoSession) };
        if user.grants.is_some() && action.is_personal() {
            self.audit.refused(self, action);
            return Err(Error::PersonOnly);
        }
        match action.permission() {
            Some(permission) if !user.may(permission) => {
                self.audit.refused(self, action);
                Err(Error::Forbidden { permission })
            }
            _ => Ok(user),
        }
    }

    /// What limits the view of who asks.
    pub fn scope(&self) -> Option<&Arc<Scope>> {
        match &self.actor {
            Actor::User(user) => user.scope.as_ref(),
            Actor::Anonymous | Actor::System => None,
        }
    }

    /// Whether a token asks, not a person.
    pub fn is_program(&self) -> bool {
        matches!(&self.actor, Actor::User(user) if user.grants.is_some())
    }

    pub fn may(&self, permission: Permission) -> bool {
        matches!(&self.actor, Actor::User(user) if user.may(permission))
    }

    /// The name under which the audit log knows the actor.
    pub fn actor_name(&self) -> &str {
        match &self.actor {
            Actor::Anonymous => "-",
            Actor::System => "system",
            Actor::User(user) => &user.username,
        }
    }
}
