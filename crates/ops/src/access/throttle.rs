//! Slows down guessing: failed sign-ins are counted per account and per address, and both must be calm.
//! Unknown accounts count like known ones, so that the answer tells nothing.

use std::{collections::HashMap, net::IpAddr, sync::Mutex};

use model::Timestamp;

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
    last: Timestamp,
}

/// In memory only: a restart forgives, and costs the attacker more than it gains.
#[derive(Default)]
pub struct Throttle {
    counts: Mutex<HashMap<Key, Count>>,
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
        let counts = self.counts.lock().expect("no panic while held");
        keys(account, address)
            .into_iter()
            .filter_map(|(key, free)| {
                let count = counts.get(&key)?;
                let since_s = (now.secs() - count.last.secs()).max(0);
                (since_s < FORGET_S).then(|| wait_s(count.failures, free) - since_s)
            })
            .max()
            .filter(|wait| *wait > 0)
            .map(|wait| wait.unsigned_abs())
    }

    /// Counts an attempt as failed before its outcome is known, so that many at once cannot slip through together.
    pub fn begin(&self, account: &str, address: IpAddr, now: Timestamp) {
        let mut counts = self.counts.lock().expect("no panic while held");
        if counts.len() >= MAX_KEYS {
            counts.retain(|_, count| now.secs() - count.last.secs() < FORGET_S);
            if counts.len() >= MAX_KEYS {
                counts.retain(|_, count| count.failures >= FREE_PER_ACCOUNT);
            }
            if counts.len() >= MAX_KEYS {
                counts.clear();
            }
        }
        for (key, _) in keys(account, address) {
            let count = counts.entry(key).or_insert(Count { failures: 0, last: now });
            if now.secs() - count.last.secs() >= FORGET_S {
                count.failures = 0;
            }
            *count = Count { failures: count.failures.saturating_add(1), last: now };
        }
    }

    /// The attempt succeeded: the account is calm again, and the address gets its attempt back.
    pub fn succeeded(&self, account: &str, address: IpAddr) {
        let mut counts = self.counts.lock().expect("no panic while held");
        let [(account, _), (address, _)] = keys(account, address);
        counts.remove(&account);
        if let Some(count) = counts.get_mut(&address) {
            count.failures = count.failures.saturating_sub(1);
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
            throttle.begin("Ada ", HOME, at(100));
        }
        assert_eq!(throttle.wait("ada", HOME, at(100)), Some(5));
        assert_eq!(throttle.wait("ada", HOME, at(105)), None);
        throttle.begin("ada", HOME, at(105));
        assert_eq!(throttle.wait("ADA", HOME, at(105)), Some(10));
        assert_eq!(throttle.wait("bob", HOME, at(105)), None);
        assert_eq!(throttle.wait("ada", HOME, at(105 + 3_600)), None);
    }

    #[test]
    fn success_calms_the_account() {
        let throttle = Throttle::default();
        for _ in 0..6 {
            throttle.begin("ada", HOME, Timestamp::from_secs(1));
        }
        throttle.succeeded("ada", HOME);
        assert_eq!(throttle.wait("ada", HOME, Timestamp::from_secs(1)), None);
    }

    #[test]
    fn an_address_is_slowed_over_many_accounts_and_memory_stays_bounded() {
        let throttle = Throttle::default();
        for n in 0..30_000 {
            throttle.begin(&format!("user{n}"), HOME, Timestamp::from_secs(1));
        }
        assert!(throttle.counts.lock().unwrap().len() <= MAX_KEYS);
        for n in 0..25 {
            throttle.begin(&format!("again{n}"), HOME, Timestamp::from_secs(1));
        }
        assert!(throttle.wait("fresh", HOME, Timestamp::from_secs(1)).is_some());
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let throttle = Throttle::default();
        for n in 0..21u16 {
            let address = IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, n));
            throttle.begin(&format!("u{n}"), address, Timestamp::from_secs(1));
        }
        let other = IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 9, 9, 9, 9));
        assert!(throttle.wait("fresh", other, Timestamp::from_secs(1)).is_some());
    }
}
