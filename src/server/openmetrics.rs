//! Writes the metrics of the catalog in the OpenMetrics format.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::ConstCounter;

use crate::metrics::catalog::Descriptor;

/// The encoder of the page.
pub(super) struct Page<'a>(DescriptorEncoder<'a>);

impl<'a> Page<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// Begins a metric.
    pub(super) fn family(&mut self, metric: &'static Descriptor) -> Result<MetricEncoder<'_>, fmt::Error> {
        self.0.encode_descriptor(metric.name, metric.help, metric.unit.as_ref(), metric.kind)
    }

    /// A metric without labels.
    pub(super) fn gauge(&mut self, metric: &'static Descriptor, value: &impl EncodeGaugeValue) -> fmt::Result {
        self.family(metric)?.encode_gauge(value)
    }

    /// A counter without labels.
    pub(super) fn counter(&mut self, metric: &'static Descriptor, value: f64) -> fmt::Result {
        self.recorded(metric, &ConstCounter::new(value))
    }

    /// A metric with its recorded values.
    pub(super) fn recorded(&mut self, metric: &'static Descriptor, values: &impl EncodeMetric) -> fmt::Result {
        values.encode(self.family(metric)?)
    }
}
