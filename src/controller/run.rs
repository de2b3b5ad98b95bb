//! The main loop: starts the watches, takes resources from the queue, and waits for running reconciles at the end.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::fence::WriteFence;
use super::queue::Turn;
use super::reconcile::reconcile;
use super::reconciler::Reconciler;
use super::watch::{self, WatchScopes, Watches};
use crate::health::Health;
use crate::leader::{Leader, Term};

/// Everything that the operator does for its resources.
pub struct Controller {
    /// The handles of the watches.
    pub watches: Arc<Watches>,
    /// The handles of the reconciles.
    pub reconciler: Arc<Reconciler>,
    /// Liveness of the loops.
    pub health: Arc<Health>,
    /// Limit of concurrent reconciles.
    pub concurrency: usize,
}

impl Controller {
    /// Watches all the time, and reconciles while this process leads, until `stop` is cancelled. Then waits until the
    /// running reconciles have ended.
    pub async fn run(self, watched: WatchScopes, leader: Leader, stop: CancellationToken) {
        let mut watches = self.watch(watched);
        let working = async {
            while let Some(term) = stop.run_until_cancelled(leader.acquired()).await {
                self.work(&term, &stop).await;
            }
        };
        let mut working = std::pin::pin!(working);
        tokio::select! {
            () = &mut working => {}
            // A watch runs for ever; without one the operator would be blind.
            ended = watches.join_next() => {
                tracing::error!(?ended, "a watch ended by itself");
                stop.cancel();
                // An upload under way must end before another replica may lead.
                working.await;
            }
        }
    }

    fn watch(&self, watched: WatchScopes) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        if let Some(selector) = watched.namespace_selector {
            let of_namespaces = Arc::clone(&self.watches);
            tasks.spawn(async move { watch::namespaces(&of_namespaces, &selector).await });
        }
        for scope in watched.scopes {
            let (of_resources, of_secrets) = (Arc::clone(&self.watches), Arc::clone(&self.watches));
            let same_scope = scope.clone();
            tasks.spawn(async move { watch::resources(&of_resources, &scope).await });
            tasks.spawn(async move { watch::secrets(&of_secrets, &same_scope).await });
        }
        let (health, client) = (Arc::clone(&self.health), self.reconciler.client.clone());
        tasks.spawn(async move { health.keep_in_contact(&client).await });
        tasks
    }

    /// Works for one term, or until `stop` is cancelled.
    async fn work(&self, term: &Term, stop: &CancellationToken) {
        let cluster = &self.reconciler.cluster;
        // Another process may have led meanwhile, and reconciles of a former term may not have been able to store their
        // results.
        if cluster.has_started() {
            let keys = { cluster.store().keys() };
            cluster.queue_all(&keys);
        }
        cluster.queue.open();
        let heartbeat = self.health.begin("the loop that takes from the queue");
        // Reconciles end early for either reason.
        let reconciles = term.lost().child_token();
        let slots = Arc::new(Semaphore::new(self.concurrency));
        let prober = tokio::spawn(Arc::clone(&self.reconciler.prober).run(reconciles.clone()));
        let mut running = JoinSet::new();
        let taking = async {
            // The semaphore is never closed, so it always yields a permit.
            while let Ok(slot) = heartbeat.while_waiting(Arc::clone(&slots).acquire_owned()).await {
                let (key, token) = heartbeat.while_waiting(cluster.queue.next(&reconciles)).await;
                let (reconciler, fence) = (Arc::clone(&self.reconciler), WriteFence::new(token, term.clone()));
                running.spawn(async move {
                    let _turn = Turn::new(&reconciler.cluster.queue, &key, reconciler.waits);
                    reconcile(&reconciler, &key, &fence).await;
                    drop(slot);
                });
                while let Some(ended) = running.try_join_next() {
                    note_fault(ended);
                }
            }
        };
        tokio::select! {
            () = taking => {}
            () = stop.cancelled() => {}
            () = term.lost().cancelled() => {}
        }
        reconciles.cancel();
        while let Some(ended) = running.join_next().await {
            note_fault(ended);
        }
        note_fault(prober.await);
    }
}

fn note_fault(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a reconcile ended by a fault of the operator");
    }
}
