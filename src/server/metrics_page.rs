//! The `/metrics` page.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use super::openmetrics::Page;
use super::process_metrics::Process;
use super::resource_metrics::Resources;
use crate::controller::ClusterState;
use crate::graph;
use crate::leader::Leader;
use crate::metrics::{Metrics, catalog};

/// Content type of the page. Every Prometheus since 2.5 and compatible programs read this format.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The `/metrics` page. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Exposition {
    registry: Arc<Registry>,
    last_length: Arc<AtomicUsize>,
}

impl Exposition {
    /// Creates the page. Without `per_resource`, series of resources are added up over all resources.
    pub fn new(sources: Sources) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(sources));
        Self { registry: Arc::new(registry), last_length: Arc::default() }
    }

    /// The current text of the page. Blocks for tens of milliseconds with 10,000 resources.
    ///
    /// # Errors
    /// Never in practice: a write into a String cannot fail.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut page = String::with_capacity(self.last_length.load(Ordering::Relaxed) + 1024);
        text::encode(&mut page, &self.registry)?;
        self.last_length.store(page.len(), Ordering::Relaxed);
        Ok(page)
    }
}

/// What the page shows.
pub struct Sources {
    /// The cached objects and the queue.
    pub cluster: Arc<ClusterState>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The client that waits for Meta's rate limits.
    pub graph: graph::Client,
    /// Whether this process leads.
    pub leader: Leader,
    /// Whether each resource has its own series.
    pub per_resource: bool,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

impl Collector for Sources {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut page = Page::new(encoder);
        let is_leader = self.leader.is_leader();
        page.family(&catalog::BUILD)?.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;
        page.gauge(&catalog::LEADER, &i64::from(is_leader))?;
        counted(&self.metrics, &mut page)?;
        self.resources(is_leader).encode(&mut page)?;
        self.holds(&mut page)?;
        self.queue(is_leader, &mut page)?;
        page.recorded(&catalog::WATCH_RESTARTS, &self.metrics.watch_restarts)?;
        page.recorded(&catalog::ENDPOINT_PROBES, &self.metrics.probes)?;
        Process::read().map_or(Ok(()), |process| process.encode(&mut page))
    }
}

impl Sources {
    /// The resources, if this process leads. A standby reports none, because its series would be counted twice.
    fn resources(&self, is_leader: bool) -> Resources {
        let store = self.cluster.store();
        let summary = if is_leader && store.is_complete() { store.summary() } else { Vec::new() };
        Resources { summary, per_resource: self.per_resource }
    }

    fn holds(&self, page: &mut Page<'_>) -> fmt::Result {
        let holds = self.graph.limiter().active_holds();
        let mut family = page.family(&catalog::GRAPH_PAUSED)?;
        for of in &holds {
            family.encode_family(&[("scope", of.scope.as_str())])?.encode_gauge(&(of.count as u64))?;
        }
        let mut family = page.family(&catalog::GRAPH_PAUSE_REMAINING)?;
        for of in &holds {
            family.encode_family(&[("scope", of.scope.as_str())])?.encode_gauge(&of.longest.as_secs_f64())?;
        }
        Ok(())
    }

    /// The metrics of the work queue. A standby fills its queue but takes nothing from it, so it reports 0.
    fn queue(&self, is_leader: bool, page: &mut Page<'_>) -> fmt::Result {
        let queue = &self.cluster.queue;
        let (depth, oldest) = if is_leader { (queue.depth(), queue.oldest()) } else { Default::default() };
        page.gauge(&catalog::QUEUE_DEPTH, &(depth as u64))?;
        page.gauge(&catalog::QUEUE_OLDEST, &oldest.as_secs_f64())
    }
}

fn counted(metrics: &Metrics, page: &mut Page<'_>) -> fmt::Result {
    page.recorded(&catalog::RECONCILE_DURATION, &metrics.reconciles)?;
    page.recorded(&catalog::GRAPH_REQUESTS, &metrics.requests)?;
    page.recorded(&catalog::GRAPH_REQUEST_DURATION, &metrics.request_durations)?;
    page.recorded(&catalog::UPLOADS, &metrics.uploads)
}
