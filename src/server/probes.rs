//! The answers to the probes of the kubelet.

use std::sync::Arc;
use std::time::Duration;

use crate::controller::ClusterState;
use crate::controller::queue::Queue;
use crate::health::{Health, Heartbeat};
use crate::metrics::Metrics;

/// Three times the longest wait inside a reconcile: the wait between two attempts to store the record of an upload.
const STANDSTILL: Duration = Duration::from_secs(15 * 60);

/// The parts of the process that the probes ask.
#[derive(Clone)]
pub struct Probes {
    /// The cached objects and the queue.
    pub cluster: Arc<ClusterState>,
    /// Knows when a reconcile last came to a result.
    pub metrics: Arc<Metrics>,
    /// Knows the loops and the watches.
    pub health: Arc<Health>,
}

impl Probes {
    /// The reasons for a restart of the process, each as a clause: stuck loops, and reconciles that have no result,
    /// neither success nor failure.
    pub fn not_live_reasons(&self, is_leader: bool) -> Vec<String> {
        let standstill = standstill(&self.cluster.queue, &self.metrics.progress, is_leader);
        let clause = standstill.map(|time| format!("no reconcile has made progress for {} s", time.as_secs()));
        self.health.not_live_reasons().into_iter().chain(clause).collect()
    }

    /// The reasons why the process does not see the cluster, each as a clause.
    pub fn not_ready_reasons(&self) -> Vec<String> {
        let mut clauses = self.health.not_ready_reasons();
        if !self.cluster.store().is_complete() {
            clauses.push("the lists of FlowsEncryptionKeys and Secrets are not complete".to_owned());
        }
        clauses
    }
}

/// How long the work has had no result, if there is work and the time is too long. A reconcile ends, calls Meta or
/// calls the API server long before this, even if neither answers.
fn standstill(queue: &Queue, progress: &Heartbeat, is_leader: bool) -> Option<Duration> {
    let has_work = queue.running() > 0 || (is_leader && queue.oldest() > STANDSTILL);
    Some(progress.silence()).filter(|silence| has_work && *silence > STANDSTILL)
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use waflows_core::queue::Urgency;
    use waflows_core::store::object_key::ObjectKey;

    async fn pass(time: Duration) {
        tokio::time::advance(time + Duration::from_millis(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_nothing_to_do_does_not_stand_still() {
        let (queue, progress) = (Queue::default(), Heartbeat::default());
        pass(10 * STANDSTILL).await;
        assert_eq!(standstill(&queue, &progress, true), None);
        queue.add(&ObjectKey::new("ns", "a"), Urgency::Due);
        assert_eq!(standstill(&queue, &progress, true), None, "it was queued just now");
        pass(STANDSTILL).await;
        assert!(standstill(&queue, &progress, true).is_some(), "nobody takes it");
        assert_eq!(standstill(&queue, &progress, false), None, "that is the leader's work");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_round_moves_on_and_one_that_hangs_does_not() {
        let (queue, progress) = (Queue::default(), Heartbeat::default());
        queue.add(&ObjectKey::new("ns", "a"), Urgency::Due);
        let (key, _) = queue.next(&CancellationToken::new()).await;
        for _ in 0..5 {
            pass(STANDSTILL / 2).await;
            assert_eq!(standstill(&queue, &progress, true), None);
            progress.beat();
        }
        pass(STANDSTILL).await;
        assert!(standstill(&queue, &progress, false).is_some(), "whoever leads: the reconcile is this process's");
        queue.done(&key);
        assert_eq!(standstill(&queue, &progress, true), None);
    }
}
