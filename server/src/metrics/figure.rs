//! A figure that is read when somebody asks.

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::MetricType,
};

/// `EncodeMetric` behind a reference of one type.
pub(super) trait Figure {
    fn kind(&self) -> MetricType;
    fn put(&self, encoder: MetricEncoder<'_>) -> std::fmt::Result;
}

impl<M: EncodeMetric> Figure for M {
    fn kind(&self) -> MetricType {
        self.metric_type()
    }

    fn put(&self, encoder: MetricEncoder<'_>) -> std::fmt::Result {
        self.encode(encoder)
    }
}
