//! Signing in and out, whichever door it comes through: the account is checked, the session begins or ends, the outcome is
//! counted. How the outcome is told is the door's own.

use axum::{Extension, extract::FromRequestParts};
use http::{HeaderMap, header};
use ops::OpCtx;
use tower_sessions::{Session, session};

use super::{AppState, identity::Arrival};
use crate::clock;

/// Somebody at the door, with the session they have or get.
#[derive(FromRequestParts)]
pub struct Visit {
    #[from_request(via(Extension))]
    cx: OpCtx,
    #[from_request(via(Extension))]
    arrival: Arrival,
    session: Session,
    headers: HeaderMap,
}

impl Visit {
    /// # Errors
    /// As [`ops::Accounts::sign_in`]; [`ops::Error::Unavailable`] where the session cannot be stored.
    pub async fn sign_in(&self, state: &AppState, username: &str, password: String) -> Result<(), ops::Error> {
        let outcome = match state.ops.accounts.sign_in(&self.cx, username, password).await {
            Ok(user) => self.begin(&user.id).await,
            Err(error) => Err(error),
        };
        state.metrics.sign_in(match &outcome {
            Ok(()) => "success",
            Err(ops::Error::WrongCredentials) => "refused",
            Err(ops::Error::Throttled { .. }) => "throttled",
            Err(_) => "failed",
        });
        outcome
    }

    /// Makes the first administrator, who is signed in then.
    ///
    /// # Errors
    /// As [`ops::Accounts::setup_finish`]; [`ops::Error::Unavailable`] where the session cannot be stored.
    pub async fn set_up(&self, state: &AppState, token: &str, username: &str, password: String) -> Result<(), ops::Error> {
        let user = state.ops.accounts.setup_finish(&self.cx, token, username, password).await?;
        self.begin(&user.id).await
    }

    /// Ends the session in the store, its sockets, and the cookie.
    ///
    /// # Errors
    /// As [`ops::Accounts::sign_out`]; [`ops::Error::Unavailable`] where the session store does not answer.
    pub async fn sign_out(&self, state: &AppState) -> Result<(), ops::Error> {
        state.ops.accounts.sign_out(&self.cx).await?;
        self.session.flush().await.map_err(store_failed)
    }

    /// Makes the session of somebody who just proved who they are. The id changes, so that an id planted before is worth
    /// nothing (OWASP ASVS 5.0, 7.2.4).
    async fn begin(&self, user_id: &str) -> Result<(), ops::Error> {
        let now = clock::now();
        let agent = self.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let agent: String = agent.chars().filter(|c| !c.is_control()).take(200).collect();
        let session = &self.session;
        session.clear().await;
        session.cycle_id().await.map_err(store_failed)?;
        session.insert("user", user_id).await.map_err(store_failed)?;
        session.insert("created", now.0).await.map_err(store_failed)?;
        session.insert("last_seen", now.0).await.map_err(store_failed)?;
        session.insert("address", self.arrival.address.to_string()).await.map_err(store_failed)?;
        session.insert("user_agent", agent).await.map_err(store_failed)
    }
}

/// What a session that cannot be read or written means for a request.
#[allow(clippy::needless_pass_by_value, reason = "it is given to map_err")]
pub fn store_failed(error: session::Error) -> ops::Error {
    ops::Error::Unavailable(format!("the session store does not answer: {error}"))
}
