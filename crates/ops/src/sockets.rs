//! The register of open sockets: ends them when their session is revoked, within the contract's two seconds.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use model::Permission;
use tokio_util::sync::CancellationToken;

use crate::{
    cx::SignedIn,
    source::{Store, StoreError},
};

struct Open {
    user: SignedIn,
    permission: Option<Permission>,
    cancel: CancellationToken,
}

#[derive(Default)]
pub struct Sockets {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Open>>,
}

/// Held by a socket's task for as long as the socket lives.
pub struct SocketGuard {
    id: u64,
    sockets: Arc<Sockets>,
    pub cancel: CancellationToken,
}

impl Drop for SocketGuard {
    fn drop(&mut self) {
        self.sockets.open.lock().expect("no panic while held").remove(&self.id);
    }
}

impl Sockets {
    pub fn register(self: &Arc<Self>, user: &SignedIn, permission: Option<Permission>) -> SocketGuard {
        let cancel = CancellationToken::new();
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let open = Open { user: user.clone(), permission, cancel: cancel.clone() };
        self.open.lock().expect("no panic while held").insert(id, open);
        SocketGuard { id, sockets: self.clone(), cancel }
    }

    pub fn count(&self) -> usize {
        self.open.lock().expect("no panic while held").len()
    }

    fn end(&self, doomed: impl Fn(&Open) -> bool) {
        for open in self.open.lock().expect("no panic while held").values().filter(|open| doomed(open)) {
            open.cancel.cancel();
        }
    }

    pub fn end_session(&self, session: &str) {
        self.end(|open| open.user.session == session);
    }

    pub fn end_user(&self, user_id: &str, except_session: Option<&str>) {
        self.end(|open| open.user.user_id == user_id && Some(open.user.session.as_str()) != except_session);
    }

    /// Ends the sockets whose session or right is gone from the store: changes made by another process (the command
    /// line, a second console on one database). Run every second by the server; free where no socket is open.
    ///
    /// # Errors
    /// [`StoreError`] where the store does not answer; sockets then stay as they are.
    pub async fn sweep(&self, store: &dyn Store, now: model::Timestamp) -> Result<(), StoreError> {
        let mut sessions: Vec<String> =
            self.open.lock().expect("no panic while held").values().map(|open| open.user.session.clone()).collect();
        sessions.sort_unstable();
        sessions.dedup();
        for session in sessions {
            let (owner, is_token) = match store.session_user(&session, now).await? {
                Some(user) => (Some(user), false),
                None => (store.token_user(&session, now).await?.map(|(_, owner)| owner), true),
            };
            let may = |open: &Open, role: model::Role| {
                open.permission.is_none_or(|needed| role.may(needed) && (!is_token || open.user.may(needed)))
            };
            self.end(|open| open.user.session == session && !owner.as_ref().is_some_and(|owner| may(open, owner.role)));
        }
        Ok(())
    }
}
