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

use crate::cx::SignedIn;

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

    /// The sessions and tokens that have one open.
    pub fn sessions(&self) -> Vec<String> {
        let open = self.open.lock().expect("no panic while held");
        let mut sessions: Vec<String> = open.values().map(|open| open.user.session.clone()).collect();
        sessions.sort_unstable();
        sessions.dedup();
        sessions
    }

    /// Ends the sockets of a session whose holder, as the store has them now, may no longer have them or sees another part of the world.
    pub fn keep(&self, session: &str, holder: Option<&SignedIn>) {
        let may = |open: &Open, holder: &SignedIn| {
            holder.scope == open.user.scope && open.permission.is_none_or(|needed| holder.may(needed) && open.user.may(needed))
        };
        self.end(|open| open.user.session == session && !holder.is_some_and(|holder| may(open, holder)));
    }
}
