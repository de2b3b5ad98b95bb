//! Watches, takes from the queue, and ends in order.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::context::{Context, Turn};
use super::fence::WriteFence;
use super::queue::Urgency;
use super::reconcile::reconcile;
use super::watch::{self, Scope};
use crate::leader::{Leader, Term};

/// Watches all the time, and works while this process leads, until `stop` is cancelled. Rounds that run then come to
/// their end.
pub async fn run(context: Arc<Context>, scopes: Vec<Scope>, leader: Leader, stop: CancellationToken) {
    let mut watches = JoinSet::new();
    for scope in scopes {
        let (of_resources, of_secrets) = (Arc::clone(&context), Arc::clone(&context));
        let same_scope = scope.clone();
        watches.spawn(async move { watch::resources(&of_resources, &scope).await });
        watches.spawn(async move { watch::secrets(&of_secrets, &same_scope).await });
    }
    let in_contact = Arc::clone(&context);
    watches.spawn(async move { in_contact.health.keep_in_contact(&in_contact.client).await });
    let working = async {
        while let Some(term) = stop.run_until_cancelled(leader.acquired()).await {
            work(&context, &term, &stop).await;
        }
    };
    tokio::select! {
        () = working => {}
        // A watch runs for ever; without one the operator would be blind.
        ended = watches.join_next() => {
            tracing::error!(?ended, "a watch ended by itself");
            stop.cancel();
        }
    }
}

/// Works for one term, or until `stop` is cancelled.
async fn work(context: &Arc<Context>, term: &Term, stop: &CancellationToken) {
    // Another process may have led meanwhile, and rounds of a former term may not have been able to write what they
    // came to.
    if context.started.load(Ordering::Acquire) {
        let keys = { context.store().keys() };
        for key in keys {
            context.queue.add(&key, Urgency::Due);
        }
    }
    context.queue.open();
    let heartbeat = context.health.begin("the loop that takes from the queue");
    // Rounds end early for either reason.
    let rounds = term.lost().child_token();
    let slots = Arc::new(Semaphore::new(context.concurrency));
    let mut running = JoinSet::new();
    let taking = async {
        // The semaphore is never closed, so it always yields a permit.
        while let Ok(slot) = heartbeat.while_waiting(Arc::clone(&slots).acquire_owned()).await {
            let (key, round) = heartbeat.while_waiting(context.queue.next(&rounds)).await;
            let (context, fence) = (Arc::clone(context), WriteFence::new(round, term.clone()));
            running.spawn(async move {
                let _turn = Turn { context: &context, key: &key };
                reconcile(&context, &key, &fence).await;
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
    rounds.cancel();
    while let Some(ended) = running.join_next().await {
        note_fault(ended);
    }
}

fn note_fault(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a round ended by a fault of the operator");
    }
}
