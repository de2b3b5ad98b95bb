//! The handles that a reconcile uses.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use waflows_core::schedule::backoff::Waits;

use super::cluster_state::ClusterState;
use super::event_publisher::EventPublisher;
use super::inspector::Inspector;
use super::shared_secrets::SecretReader;
use crate::endpoint::prober::Prober;
use crate::graph;
use crate::metrics::Metrics;

/// The handles that a reconcile uses.
pub struct Reconciler {
    /// The cached objects and the queue.
    pub cluster: Arc<ClusterState>,
    /// Requests to the API server: limited in time, and not repeated by the client itself.
    pub client: Client,
    /// Reads the Secrets.
    pub secrets: SecretReader,
    /// Calls to Meta.
    pub graph: graph::Client,
    /// Publishes events.
    pub publisher: EventPublisher,
    /// Asks what the access tokens may do.
    pub inspector: Arc<Inspector>,
    /// Asks the Flow endpoints.
    pub prober: Arc<Prober>,
    /// Counts reconciles and uploads.
    pub metrics: Arc<Metrics>,
    /// The backoffs.
    pub waits: Waits,
    /// The check interval of resources that set none.
    pub default_check_interval: Duration,
}
