//! Slows down guessing: failed sign-ins are counted per account and per address, and both must be calm.
//! Unknown accounts count like known ones, so that the answer tells nothing.

use std::{collections::HashMap, net::IpAddr, sync::Mutex};

use model::Timestamp;
use tokio::sync::Notify;

/// Failures that are free, before waiting starts.
const FREE_PER_ACCOUNT: u32 = 5;
const FREE_PER_ADDRESS: u32 = 20;
/// The first wait; it doubles with each further failure.
const FIRST_WAIT_S: i64 = 5;
const LONGEST_WAIT_S: i64 = 900;
/// A count is forgotten after this long without a failure.
const FORGET_S: i64 = 3_600;
/// Keys remembered at most; beyond it the calmest are forgotten, so that made-up names cannot fill the memory.
const MAX_KEYS: usize = 20_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// The account as typed, lower case, from this address group: a stranger elsewhere cannot lock its owner out for good.
    Account(String),
    Address(IpAddr),
}

#[derive(Clone, Copy)]
struct Count {
    failures: u32,
    /// Attempts whose outcome is not known yet.
    pending: u32,
    last: Timestamp,
}

/// In memory only: a restart forgives, and costs the attacker more than it gains.
#[derive(Default)]
pub struct Throttle {
    counts: Mutex<HashMap<Key, Count>>,
    /// Told when an attempt ends: others may wait for its outcome.
    ended: Notify,
}

/// An attempt that is being looked at. Dropped, it has failed: nobody escapes the count by hanging up.
pub struct Attempt<'a> {
    throttle: &'a Throttle,
    keys: [Key; 2],
    now: Timestamp,
    succeeded: bool,
}

impl Attempt<'_> {
    /// The account is calm again; its address owes what it owed before.
    pub fn succeeded(mut self) {
        self.succeeded = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut counts = self.throttle.counts.lock().expect("no panic while held");
        for key in &self.keys {
            let Some(count) = counts.get_mut(key) else { continue };
            count.pending = count.pending.saturating_sub(1);
            match (self.succeeded, key) {
                (false, _) => count.fail(self.now),
                (true, Key::Account(_)) => count.failures = 0,
                (true, Key::Address(_)) => {}
            }
            if count.failures == 0 && count.pending == 0 {
                counts.remove(key);
            }
        }
        drop(counts);
        self.throttle.ended.notify_waiters();
    }
}

impl Count {
    fn fail(&mut self, now: Timestamp) {
        if now.secs() - self.last.secs() >= FORGET_S {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.last = now;
    }

    /// Seconds until another attempt may be looked at, by the failures so far.
    fn wait_s(&self, free: u32, now: Timestamp) -> i64 {
        let since_s = (now.secs() - self.last.secs()).max(0);
        if since_s < FORGET_S { wait_s(self.failures, free) - since_s } else { 0 }
    }

    /// How many attempts may be looked at together: not more than could fail without anybody having to wait, or many
    /// guesses at once would slip through.
    fn together(&self, free: u32) -> u32 {
        free.saturating_sub(self.failures).max(1)
    }
}

fn keys(account: &str, address: IpAddr) -> [(Key, u32); 2] {
    // An IPv6 customer has a /64 at least; counting single addresses would count nothing.
    let address = match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    };
    [(Key::Account(account.trim().to_lowercase().chars().take(128).collect()), FREE_PER_ACCOUNT), (Key::Address(address), FREE_PER_ADDRESS)]
}

fn wait_s(failures: u32, free: u32) -> i64 {
    if failures < free { 0 } else { FIRST_WAIT_S.saturating_mul(1 << (failures - free).min(10)).min(LONGEST_WAIT_S) }
}

impl Throttle {
    /// Seconds to wait before another try is looked at; `None` where it may go ahead.
    pub fn wait(&self, account: &str, address: IpAddr, now: Timestamp) -> Option<u64> {
        wait_of(&self.counts.lock().expect("no panic while held"), &keys(account, address), now)
    }

    /// Begins an attempt. Where so many are being looked at that their outcome decides whether this one must wait, it is
    /// asked again when one of them has ended: right passwords in any number get in one after the other.
    ///
    /// # Errors
    /// Seconds to wait.
    pub async fn begin(&self, account: &str, address: IpAddr, now: Timestamp) -> Result<Attempt<'_>, u64> {
        loop {
            // Made before the question, or an end between question and waiting would be missed.
            let ended = self.ended.notified();
            if let Some(attempt) = self.try_begin(account, address, now)? {
                return Ok(attempt);
            }
            ended.await;
        }
    }

    fn try_begin(&self, account: &str, address: IpAddr, now: Timestamp) -> Result<Option<Attempt<'_>>, u64> {
        let mut counts = self.counts.lock().expect("no panic while held");
        let keys = keys(account, address);
        if let Some(wait) = wait_of(&counts, &keys, now) {
            return Err(wait);
        }
        let full = |(key, free): &(Key, u32)| counts.get(key).is_some_and(|count| count.pending >= count.together(*free));
        if keys.iter().any(full) {
            return Ok(None);
        }
        make_room(&mut counts, now);
        let keys = keys.map(|(key, _)| key);
        for key in &keys {
            counts.entry(key.clone()).or_insert(Count { failures: 0, pending: 0, last: now }).pending += 1;
        }
        Ok(Some(Attempt { throttle: self, keys, now, succeeded: false }))
    }

    /// Counts an attempt that needed no looking at.
    pub fn failed(&self, account: &str, address: IpAddr, now: Timestamp) {
        let mut counts = self.counts.lock().expect("no panic while held");
        make_room(&mut counts, now);
        for (key, _) in keys(account, address) {
            counts.entry(key).or_insert(Count { failures: 0, pending: 0, last: now }).fail(now);
        }
    }
}

fn wait_of(counts: &HashMap<Key, Count>, keys: &[(Key, u32); 2], now: Timestamp) -> Option<u64> {
    let waits = keys.iter().filter_map(|(key, free)| Some(counts.get(key)?.wait_s(*free, now)));
    waits.max().filter(|wait| *wait > 0).map(i64::unsigned_abs)
}

fn make_room(counts: &mut HashMap<Key, Count>, now: Timestamp) {
    if counts.len() >= MAX_KEYS {
        counts.retain(|_, count| count.pending > 0 || now.secs() - count.last.secs() < FORGET_S);
        if counts.len() >= MAX_KEYS {
            counts.retain(|_, count| count.pending > 0 || count.failures >= FREE_PER_ACCOUNT);
        }
        if counts.len() >= MAX_KEYS {
            counts.retain(|_, count| count.pending > 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn five_failures_are_free_then_waiting_doubles_and_is_forgotten_in_time() {
        let throttle = Throttle::default();
        let at = Timestamp::from_secs;
        for _ in 0..5 {
            assert_eq!(throttle.wait("ada", HOME, at(100)), None);
            throttle.failed("Ada ", HOME, at(100));
        }
        assert_eq!(throttle.wait("ada", HOME, at(100)), Some(5));
        assert_eq!(throttle.wait("ada", HOME, at(105)), None);
        throttle.failed("ada", HOME, at(105));
        assert_eq!(throttle.wait("ADA", HOME, at(105)), Some(10));
        assert_eq!(throttle.wait("bob", HOME, at(105)), None);
        assert_eq!(throttle.wait("ada", HOME, at(105 + 3_600)), None);
    }

    #[tokio::test]
    async fn success_calms_the_account_and_hanging_up_does_not() {
        let throttle = Throttle::default();
        let now = Timestamp::from_secs(1);
        for _ in 0..4 {
            drop(throttle.begin("ada", HOME, now).await.unwrap_or_else(|wait| panic!("{wait}")));
        }
        throttle.begin("ada", HOME, now).await.unwrap_or_else(|wait| panic!("{wait}")).succeeded();
        assert_eq!(throttle.wait("ada", HOME, now), None);
        for _ in 0..5 {
            drop(throttle.begin("ada", HOME, now).await);
        }
        assert_eq!(throttle.begin("ada", HOME, now).await.err(), Some(5));
        assert_eq!(throttle.wait("bob", HOME, now), None);
    }

    #[tokio::test]
    async fn many_right_ones_at_once_all_get_in_and_of_many_wrong_ones_only_five_are_looked_at() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let now = Timestamp::from_secs(1);
        for (right, looked_at) in [(true, 64), (false, 5)] {
            let (throttle, seen) = (Throttle::default(), AtomicU32::new(0));
            let tries = (0..64).map(|_| async {
                let Ok(attempt) = throttle.begin("ada", HOME, now).await else { return };
                seen.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                if right {
                    attempt.succeeded();
                }
            });
            futures::future::join_all(tries).await;
            assert_eq!(seen.load(Ordering::Relaxed), looked_at, "right: {right}");
            assert_eq!(throttle.wait("ada", HOME, now).is_none(), right);
        }
    }

    #[test]
    fn an_address_is_slowed_over_many_accounts_and_memory_stays_bounded() {
        let throttle = Throttle::default();
        for n in 0..30_000 {
            throttle.failed(&format!("user{n}"), HOME, Timestamp::from_secs(1));
        }
        assert!(throttle.counts.lock().unwrap().len() <= MAX_KEYS);
        for n in 0..25 {
            throttle.failed(&format!("again{n}"), HOME, Timestamp::from_secs(1));
        }
        assert!(throttle.wait("fresh", HOME, Timestamp::from_secs(1)).is_some());
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let throttle = Throttle::default();
        for n in 0..21u16 {
            let address = IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, n));
            throttle.failed(&format!("u{n}"), address, Timestamp::from_secs(1));
        }
        let other = IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 9, 9, 9, 9));
        assert!(throttle.wait("fresh", other, Timestamp::from_secs(1)).is_some());
    }
}
