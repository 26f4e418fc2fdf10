//! Runs a query: reads the parts it needs, as few as the limit allows and as many side by side as the pool has room for,
//! and puts lines in order or folds them into series. Knows no file and no clock; what a stage does to a line it leaves
//! to [`pipe`].

mod bind;
mod control;
mod error;
mod logs;
mod metric;
mod number;
pub mod pipe;
#[cfg(any(test, feature = "testing"))]
pub mod ram;
mod scan;
#[cfg(test)]
mod tests;

pub use bind::Stages as Piped;
pub use control::{Control, Limits, Stats, StatsSnapshot, Stop};
pub use error::EngineError;
pub use logs::{Labelled, LogParams, LogRow, LogRows, Tailer};
pub use metric::{Answer, Matrix, MetricLabels, RangeParams, Sample, Series, Value};
pub use number::format_value;

use crate::read::{Pool, Source};
use pipe::Pipes;

/// Everything a query needs besides itself.
pub struct Engine<'a, S> {
    pub source: &'a S,
    pub pool: &'a dyn Pool,
    pub pipes: &'a dyn Pipes,
    pub control: &'a Control<'a>,
}

impl<S> Clone for Engine<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Engine<'_, S> {}

impl<S: Source> Engine<'_, S> {
    fn scan(&self) -> scan::Scan<'_> {
        scan::Scan::new(self.pool, self.control)
    }
}
