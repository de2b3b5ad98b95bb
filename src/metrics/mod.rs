//! Metrics for Prometheus.
//!
//! - [`catalog`]: the list of all metrics, with labels and meaning;
//! - [`Metrics`]: counters and histograms that the code updates.
//!
//! Metrics about the store, the work queue and the rate limiter are computed from their state for each scrape, in
//! [`crate::server`]. So no state is kept twice, and series of deleted resources disappear at once.

pub mod catalog;
mod labels;

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use tokio::time::Instant;
use waflows_core::endpoint::ProbeOutcome;
use waflows_core::meta::GraphError;
use waflows_core::upload::UploadReason;

use self::catalog::{Descriptor, Values};
pub use self::labels::{Operation, ReconcileOutcome, UploadResult, Watched};
use crate::health::Heartbeat;

/// Name and value of a label.
pub(crate) type Label = (&'static str, &'static str);
pub(crate) type Counters<const N: usize> = Family<[Label; N], Counter>;
pub(crate) type Histograms = Family<[Label; 1], Histogram, fn() -> Histogram>;

/// Buckets in seconds. A call to Meta has a timeout of 4.5 seconds.
const CALL_BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.5];
/// Buckets in seconds. A reconcile of one number takes a few calls. A reconcile of 500 numbers takes minutes if Meta is
/// slow.
const RECONCILE_BUCKETS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Counters and histograms. Every series exists from the start, so that a first failure shows as an increase.
#[derive(Debug)]
pub struct Metrics {
    /// Beats with every result of the work, success or failure. For the liveness probe.
    pub progress: Heartbeat,
    pub(crate) reconciles: Histograms,
    pub(crate) requests: Counters<2>,
    pub(crate) request_durations: Histograms,
    pub(crate) uploads: Counters<2>,
    pub(crate) watch_restarts: Counters<1>,
    pub(crate) probes: Counters<1>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            progress: Heartbeat::default(),
            reconciles: histograms(&catalog::RECONCILE_DURATION, || Histogram::new(RECONCILE_BUCKETS)),
            requests: counters_by_two(&catalog::GRAPH_REQUESTS),
            request_durations: histograms(&catalog::GRAPH_REQUEST_DURATION, || Histogram::new(CALL_BUCKETS)),
            uploads: counters_by_two(&catalog::UPLOADS),
            watch_restarts: counters_by_one(&catalog::WATCH_RESTARTS),
            probes: counters_by_one(&catalog::ENDPOINT_PROBES),
        }
    }
}

impl Metrics {
    /// Starts the timer of a reconcile.
    pub fn reconcile(&self) -> ReconcileTimer<'_> {
        self.progress.beat();
        ReconcileTimer { metrics: self, begun: Instant::now(), outcome: ReconcileOutcome::Failed }
    }

    /// Starts the timer of a request to Meta.
    pub fn request(&self, operation: Operation) -> RequestTimer<'_> {
        RequestTimer { metrics: self, operation, begun: Instant::now(), outcome: "cancelled" }
    }

    /// Counts an upload.
    pub fn uploaded(&self, reason: UploadReason, result: UploadResult) {
        self.uploads.get_or_create(&[("reason", reason.as_str()), ("result", result.as_str())]).inc();
    }

    /// Counts a request to a Flow endpoint.
    pub fn probed(&self, outcome: ProbeOutcome) {
        self.probes.get_or_create(&[("outcome", outcome.as_str())]).inc();
    }

    /// Counts a failure of a watch.
    pub fn watch_failed(&self, watch: Watched) {
        self.watch_restarts.get_or_create(&[("watch", watch.as_str())]).inc();
    }
}

/// Timer of a reconcile. If it is dropped without [`end`](Self::end), the reconcile counts as failed.
#[must_use]
pub struct ReconcileTimer<'a> {
    metrics: &'a Metrics,
    begun: Instant,
    outcome: ReconcileOutcome,
}

impl ReconcileTimer<'_> {
    /// Records the end of the reconcile.
    pub fn end(mut self, outcome: ReconcileOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for ReconcileTimer<'_> {
    fn drop(&mut self) {
        self.metrics.progress.beat();
        let reconciles = &self.metrics.reconciles;
        reconciles.get_or_create(&[("outcome", self.outcome.as_str())]).observe(self.begun.elapsed().as_secs_f64());
    }
}

/// Timer of a request. If it is dropped without [`end`](Self::end), the request counts as cancelled. It may still have
/// reached Meta.
#[must_use]
pub struct RequestTimer<'a> {
    metrics: &'a Metrics,
    operation: Operation,
    begun: Instant,
    outcome: &'static str,
}

impl RequestTimer<'_> {
    /// Time since the start of the request.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Records the end of the request: an answer, or a failure without an answer.
    pub fn end(mut self, error: Option<&GraphError>) {
        self.outcome = error.map_or("ok", |error| error.class.as_str());
    }
}

impl Drop for RequestTimer<'_> {
    fn drop(&mut self) {
        self.metrics.progress.beat();
        let operation = ("operation", self.operation.as_str());
        self.metrics.requests.get_or_create(&[operation, ("outcome", self.outcome)]).inc();
        self.metrics.request_durations.get_or_create(&[operation]).observe(self.elapsed().as_secs_f64());
    }
}

/// The label at this position of a descriptor, with each of its values.
fn values(descriptor: &Descriptor, label: usize) -> Vec<Label> {
    match descriptor.labels.get(label).map(|label| (label.name, label.values)) {
        Some((name, Values::OneOf(values))) => values().into_iter().map(|value| (name, value)).collect(),
        Some((_, Values::Open(_))) | None => Vec::new(),
    }
}

fn counters_by_one(descriptor: &Descriptor) -> Counters<1> {
    let counters = Counters::default();
    for label in values(descriptor, 0) {
        drop(counters.get_or_create(&[label]));
    }
    counters
}

fn counters_by_two(descriptor: &Descriptor) -> Counters<2> {
    let counters = Counters::default();
    for first in values(descriptor, 0) {
        for second in values(descriptor, 1) {
            drop(counters.get_or_create(&[first, second]));
        }
    }
    counters
}

fn histograms(descriptor: &Descriptor, new: fn() -> Histogram) -> Histograms {
    let histograms = Histograms::new_with_constructor(new);
    for label in values(descriptor, 0) {
        drop(histograms.get_or_create(&[label]));
    }
    histograms
}
