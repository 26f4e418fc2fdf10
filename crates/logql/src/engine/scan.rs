//! Reading parts side by side: limits, cancelling, counting, and what became of damaged parts.

use std::{
    ops::ControlFlow,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{Control, EngineError, Stats, Stop};
use crate::read::{Ask, Need, Part, Pool, ReadError, RowRef};

/// Warnings about damaged parts are worth reading up to here.
const MAX_WARNINGS: usize = 20;

/// Rows between two looks at [`Control::stop`].
const ROWS_PER_LOOK: u32 = 2048;

/// One query's reading.
pub(super) struct Scan<'a> {
    pool: &'a dyn Pool,
    pub control: &'a Control<'a>,
    failed: AtomicBool,
    error: Mutex<Option<EngineError>>,
    warnings: Mutex<Vec<String>>,
    samples: AtomicU64,
}

impl<'a> Scan<'a> {
    pub fn new(pool: &'a dyn Pool, control: &'a Control<'a>) -> Self {
        Self {
            pool,
            control,
            failed: AtomicBool::new(false),
            error: Mutex::new(None),
            warnings: Mutex::new(Vec::new()),
            samples: AtomicU64::new(0),
        }
    }

    /// Calls `job` for each of `0..jobs`, until one fails.
    ///
    /// # Errors
    /// Of the job that failed first.
    pub fn run(&self, jobs: usize, job: &(dyn Fn(usize) -> Result<(), EngineError> + Sync)) -> Result<(), EngineError> {
        self.pool.run(jobs, &|index| {
            if self.failed.load(Ordering::Relaxed) {
                return;
            }
            if let Err(error) = self.look().and_then(|()| job(index)) {
                self.failed.store(true, Ordering::Relaxed);
                self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        });
        match self.error.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// # Errors
    /// If the query shall end.
    pub fn look(&self) -> Result<(), EngineError> {
        match (self.control.stop)() {
            Some(Stop::Cancelled) => Err(EngineError::Cancelled),
            Some(Stop::Deadline) => Err(EngineError::Deadline),
            None => Ok(()),
        }
    }

    /// Notes `count` more samples held.
    ///
    /// # Errors
    /// If these are too many.
    pub fn hold(&self, count: u64) -> Result<(), EngineError> {
        let limit = self.control.limits.max_samples;
        if self.samples.fetch_add(count, Ordering::Relaxed).saturating_add(count) > limit {
            return Err(EngineError::TooManySamples(limit));
        }
        Ok(())
    }

    /// Reads a part. A damaged one becomes a warning.
    ///
    /// # Errors
    /// Of `each`, of a limit, or because the query shall end.
    pub fn read(
        &self,
        part: &impl Part,
        ask: &Ask,
        need: Need,
        mut each: impl FnMut(RowRef<'_>) -> Result<ControlFlow<()>, EngineError>,
    ) -> Result<(), EngineError> {
        let mut error = None;
        let mut until_look = ROWS_PER_LOOK;
        let read = part.read(ask, need, &mut |row| {
            until_look -= 1;
            if until_look == 0 {
                until_look = ROWS_PER_LOOK;
                let over = if self.failed.load(Ordering::Relaxed) { Err(EngineError::Cancelled) } else { self.look() };
                if let Err(over) = over {
                    error = Some(over);
                    return ControlFlow::Break(());
                }
            }
            match each(row) {
                Ok(flow) => flow,
                Err(failed) => {
                    error = Some(failed);
                    ControlFlow::Break(())
                }
            }
        });
        if let Some(error) = error {
            return Err(error);
        }
        let stats = self.control.stats;
        match read {
            Ok(read) => {
                Stats::add(if read.skipped { &stats.parts_skipped } else { &stats.parts_read }, 1);
                Stats::add(&stats.lines, read.lines);
                Stats::add(&stats.compressed, read.compressed_bytes);
                let limit = self.control.limits.max_bytes;
                if stats.bytes.fetch_add(read.bytes, Ordering::Relaxed).saturating_add(read.bytes) > limit {
                    return Err(EngineError::TooManyBytes(limit));
                }
                Ok(())
            }
            Err(ReadError::Damaged(damage)) => {
                Stats::add(&stats.parts_read, 1);
                self.warn(damage);
                Ok(())
            }
            Err(failed @ ReadError::Io(_)) => Err(failed.into()),
        }
    }

    pub fn warn(&self, text: String) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.len() < MAX_WARNINGS && !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    pub fn into_warnings(self) -> Vec<String> {
        self.warnings.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
