//! The machine's cores, shared fairly between queries: each gets as many threads as there are cores for it, and gives one
//! back between two jobs when another query comes.

use std::sync::atomic::{AtomicUsize, Ordering};

use logql::read::Pool;

#[derive(Debug)]
pub struct Cores {
    cores: usize,
    queries: AtomicUsize,
}

impl Cores {
    pub fn new(cores: usize) -> Self {
        Self { cores: cores.max(1), queries: AtomicUsize::new(0) }
    }

    /// Threads that each of the running queries may have.
    fn share(&self) -> usize {
        (self.cores / self.queries.load(Ordering::Relaxed).max(1)).max(1)
    }
}

struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool for Cores {
    fn run(&self, jobs: usize, job: &(dyn Fn(usize) + Sync)) {
        self.queries.fetch_add(1, Ordering::Relaxed);
        let _running = Running(&self.queries);
        let next = AtomicUsize::new(0);
        // The caller's thread is number 0 and always goes on.
        let work = &|number: usize| {
            while number == 0 || number < self.share() {
                match next.fetch_add(1, Ordering::Relaxed) {
                    index if index < jobs => job(index),
                    _ => return,
                }
            }
        };
        let helpers = jobs.min(self.share()).saturating_sub(1);
        if helpers == 0 {
            return work(0);
        }
        std::thread::scope(|scope| {
            for number in 1..=helpers {
                // Without another thread this one does the work alone.
                drop(std::thread::Builder::new().name("query".to_owned()).spawn_scoped(scope, move || work(number)));
            }
            work(0);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Mutex};

    use super::*;

    #[test]
    fn each_job_runs_once_on_as_many_cores_as_there_are() {
        for cores in [1, 4] {
            let pool = Cores::new(cores);
            let (seen, threads) = (Mutex::new(Vec::new()), Mutex::new(BTreeSet::new()));
            pool.run(100, &|index| {
                seen.lock().unwrap().push(index);
                threads.lock().unwrap().insert(format!("{:?}", std::thread::current().id()));
            });
            let mut seen = seen.into_inner().unwrap();
            seen.sort_unstable();
            assert_eq!(seen, (0..100).collect::<Vec<_>>());
            assert!(threads.into_inner().unwrap().len() <= cores);
            assert_eq!(pool.queries.load(Ordering::Relaxed), 0);
        }
    }
}
