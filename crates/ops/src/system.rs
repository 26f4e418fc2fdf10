//! How the console and its machine are doing.

use model::{
    Timestamp,
    status::{Health, Part, PartState, Stats, SystemInfo},
};

use crate::{Ops, access::Action, cx::OpCtx, error::Error};

impl Ops {
    /// Every part and the worst state among them; absent parts do not count.
    ///
    /// # Errors
    /// [`Error::NoSession`].
    pub async fn health(&self, cx: &OpCtx) -> Result<Health, Error> {
        cx.require(Action::SystemRead)?;
        let mut health = self.health_now().await;
        if cx.scope().is_some() {
            // Details name containers and files, whoever's they are.
            for part in health.parts.iter_mut().filter(|part| !part.detail.is_empty()) {
                part.detail = "an administrator sees why".to_owned();
            }
        }
        Ok(health)
    }

    async fn health_now(&self) -> Health {
        let mut parts: Vec<Part> = self.system.parts().await;
        parts.extend(self.sources.iter().map(|source| source.part()));
        let state = if parts.iter().any(|part| part.state == PartState::Down) {
            PartState::Degraded
        } else {
            parts.iter().map(|part| part.state).find(|state| *state == PartState::Degraded).unwrap_or(PartState::Ok)
        };
        Health { state, parts }
    }

    /// For `/readyz`: whether the store answers. No details, no session.
    pub async fn ready(&self) -> bool {
        self.store.user_count().await.is_ok()
    }

    /// # Errors
    /// [`Error::NoSession`].
    pub async fn system_info(&self, cx: &OpCtx) -> Result<SystemInfo, Error> {
        cx.require(Action::SystemRead)?;
        Ok(self.system.info().await)
    }

    /// # Errors
    /// [`Error::NoSession`].
    pub fn stats(&self, cx: &OpCtx) -> Result<Stats, Error> {
        cx.require(Action::SystemRead)?;
        let totals = self.hub.totals();
        let (services, lines, bytes) = match cx.scope() {
            None => (self.services_known(cx).len() as u64, totals.lines, totals.bytes),
            Some(scope) => self.services_known(cx).iter().fold((0, 0, 0), |(services, lines, bytes), service| {
                let tally = self.hub.tally_within(&service.key, Some(scope), cx.now);
                (services + 1, lines + tally.lines, bytes + tally.bytes)
            }),
        };
        Ok(Stats {
            services,
            lines,
            bytes,
            viewers: totals.viewers,
            sockets: self.sockets.count() as u64,
            upstreams: totals.topics,
            lines_skipped: totals.skipped,
        })
    }

    /// Ends the sockets whose session, right or scope is another one in the store: changes made by another process (the command line, a second
    /// console on one database). Run every second by the server; free where no socket is open.
    ///
    /// # Errors
    /// [`Error::Store`]; sockets then stay as they are.
    pub async fn sweep_sockets(&self, now: Timestamp) -> Result<(), Error> {
        for session in self.sockets.sessions() {
            let holder = self.accounts.holder(&session, now).await?;
            self.sockets.keep(&session, holder.as_ref());
        }
        Ok(())
    }
}
