//! Reading parts side by side: limits, cancelling, counting, and what became of damaged parts.

use std::{
    ops::ControlFlow,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use super::{Control, EngineError, Stats, Stop};
use crate::{
    ast::{FormatValue, LogExpr, StageKind},
    read::{Ask, Need, Part, Pool, ReadError, RowRef},
};

/// Warnings about damaged parts are worth reading up to here.
const MAX_WARNINGS: usize = 20;

/// Work between two looks at [`Control::stop`], in units of about ten nanoseconds.
const WORK_PER_LOOK: usize = 1 << 14;

/// What a row takes, apart from its bytes: the stop is looked at every 64 short rows.
const ROW_WORK: usize = WORK_PER_LOOK / 64;

/// Bytes of the budget that a piece of work takes at once: threads meet there seldom.
const PURSE_BYTES: usize = 64 << 10;

/// What each row of a query takes. Nobody knows what a template does: the stop is looked at before each.
pub(super) fn row_work(log: &LogExpr) -> usize {
    let renders = log.stages.iter().any(|stage| match &stage.kind {
        StageKind::LineFormat(_) => true,
        StageKind::LabelFormat(formats) => formats.iter().any(|format| matches!(format.value, FormatValue::Template(_))),
        _ => false,
    });
    if renders { WORK_PER_LOOK } else { ROW_WORK }
}

/// One query's reading.
pub(super) struct Scan<'a> {
    pool: &'a dyn Pool,
    pub control: &'a Control<'a>,
    failed: AtomicBool,
    error: Mutex<Option<EngineError>>,
    warnings: Mutex<Vec<String>>,
    samples: AtomicU64,
    /// Bytes of rows and of the names of series, what purses have taken included.
    held_bytes: AtomicUsize,
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
            held_bytes: AtomicUsize::new(0),
        }
    }

    /// Calls `job` for each of `0..jobs`, until one fails.
    ///
    /// # Errors
    /// Of the job that failed first.
    pub fn run(&self, jobs: usize, job: &(dyn Fn(usize) -> Result<(), EngineError> + Sync)) -> Result<(), EngineError> {
        self.pool.run(jobs, &|index| {
            if self.failed.load(Ordering::Acquire) {
                return;
            }
            if let Err(error) = self.look().and_then(|()| job(index)) {
                // The error first: what others end with when they see the flag must not be in its place.
                self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                self.failed.store(true, Ordering::Release);
            }
        });
        self.failed.store(false, Ordering::Relaxed);
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

    /// For work that is not the reading of rows.
    pub fn pace(&self) -> Pace<'_> {
        Pace { scan: self, left: WORK_PER_LOOK }
    }

    /// For what a piece of work holds.
    pub fn purse(&self) -> Purse<'_> {
        Purse { scan: self, taken: 0, held: 0 }
    }

    /// Notes `bytes` more of rows or labels held.
    ///
    /// # Errors
    /// If these are too many; they are not noted then.
    pub fn hold_bytes(&self, bytes: usize) -> Result<(), EngineError> {
        let limit = self.control.limits.max_held_bytes;
        if self.held_bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > limit {
            self.drop_bytes(bytes);
            return Err(EngineError::TooManyHeldBytes(limit));
        }
        Ok(())
    }

    /// Notes that `bytes` of those held are no more.
    pub fn drop_bytes(&self, bytes: usize) {
        self.held_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Reads a part; each row takes `work` ([`row_work`]). A damaged part becomes a warning.
    ///
    /// # Errors
    /// Of `each`, of a limit, or because the query shall end.
    pub fn read(
        &self,
        part: &impl Part,
        ask: &Ask,
        need: Need,
        work: usize,
        mut each: impl FnMut(RowRef<'_>) -> Result<ControlFlow<()>, EngineError>,
    ) -> Result<(), EngineError> {
        let mut error = None;
        let mut pace = self.pace();
        let read = part.read(ask, need, &mut |row| match pace.spend(work + row.len as usize / 4).and_then(|()| each(row)) {
            Ok(flow) => flow,
            Err(failed) => {
                error = Some(failed);
                ControlFlow::Break(())
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

/// Looks at the stop whenever so much work is done.
pub(super) struct Pace<'s> {
    scan: &'s Scan<'s>,
    left: usize,
}

impl Pace<'_> {
    /// Called before the work, in units of [`WORK_PER_LOOK`].
    ///
    /// # Errors
    /// If the query shall end.
    pub fn spend(&mut self, work: usize) -> Result<(), EngineError> {
        if work < self.left {
            self.left -= work;
            return Ok(());
        }
        self.left = WORK_PER_LOOK;
        if self.scan.failed.load(Ordering::Acquire) { Err(EngineError::Cancelled) } else { self.scan.look() }
    }
}

/// The bytes that a piece of work holds, taken from the query's budget and given back when dropped.
pub(super) struct Purse<'s> {
    scan: &'s Scan<'s>,
    /// At least `held`.
    taken: usize,
    held: usize,
}

impl Purse<'_> {
    /// # Errors
    /// If the query holds too much.
    pub fn hold(&mut self, bytes: usize) -> Result<(), EngineError> {
        let lacking = (self.held + bytes).saturating_sub(self.taken);
        if lacking > 0 {
            let some = lacking.max(PURSE_BYTES);
            self.taken += match self.scan.hold_bytes(some) {
                Ok(()) => some,
                Err(_) => self.scan.hold_bytes(lacking).map(|()| lacking)?,
            };
        }
        self.held += bytes;
        Ok(())
    }

    pub fn drop_bytes(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(bytes);
    }

    pub fn held(&self) -> usize {
        self.held
    }

    /// `bytes` of those held stay with the query; the others are given back.
    pub fn leave(mut self, bytes: usize) {
        self.taken = self.taken.saturating_sub(bytes);
    }
}

impl Drop for Purse<'_> {
    fn drop(&mut self) {
        self.scan.drop_bytes(self.taken);
    }
}
