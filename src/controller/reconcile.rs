//! Decides whether a resource needs a reconcile, drives the reconcile, and sets the time of the next one.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::Instrument;
use waflows_core::api::crd::{FlowsEncryptionKey, ObservedSecret};
use waflows_core::reconcile::action::End;
use waflows_core::reconcile::machine::{Reconcile, Settings};
use waflows_core::reconcile::work_due::{with_rotation, work_due};
use waflows_core::schedule::due::{Schedule, Work};
use waflows_core::status::summarize::MIN_PAUSE;
use waflows_core::status::token;
use waflows_core::store::object_key::ObjectKey;

use super::cluster_state::ClusterState;
use super::driver::Driver;
use super::error::ReconcileError;
use super::fence::WriteFence;
use super::reconciler::Reconciler;
use super::shared_refusal;
use crate::telemetry::spans;

/// One reconcile, and the time of the next.
pub(super) async fn reconcile(reconciler: &Reconciler, key: &ObjectKey, fence: &WriteFence) {
    match next_reconcile(reconciler, key, fence).await {
        Ok(Some(next)) => {
            let wait = Duration::try_from(next.duration_since(Timestamp::now())).unwrap_or_default();
            reconciler.cluster.queue.add_at(key, Instant::now() + wait.max(MIN_PAUSE));
        }
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(resource = %key, error = %error, "the reconcile could not be finished and is tried again");
            reconciler.cluster.queue.retry(key, |failures| match error.may_pass_soon() {
                true => reconciler.waits.after_outage(failures),
                // Every reconcile asks Meta again, and fails in the same way.
                false => reconciler.waits.after_failure(failures),
            });
        }
    }
}

/// The resource, and the versions of its Secrets. None if the resource is gone, or is being deleted.
fn cached(cluster: &ClusterState, key: &ObjectKey) -> Option<(Arc<FlowsEncryptionKey>, Vec<ObservedSecret>)> {
    let store = cluster.store();
    let resource = store.resource(key).filter(|resource| resource.metadata.deletion_timestamp.is_none())?;
    let secrets = store.referenced_secrets(&resource);
    Some((Arc::new(resource), secrets))
}

async fn next_reconcile(
    reconciler: &Reconciler,
    key: &ObjectKey,
    fence: &WriteFence,
) -> Result<Option<Timestamp>, ReconcileError> {
    let Some((resource, secrets)) = cached(&reconciler.cluster, key) else { return Ok(None) };
    let begun = Timestamp::now();
    let interval = resource.spec.check_interval_or(reconciler.default_check_interval);
    let due = { work_due(&reconciler.cluster.store(), &resource, &secrets, interval, begun) };
    let is_in_doubt = reconciler.cluster.store().take_doubt(key);
    let proof = reconciler.prober.proof(key, &resource);
    let token = reconciler.inspector.known(key);
    let due = with_rotation(due, &resource, proof.as_ref(), reconciler.waits, begun);
    let asks_meta = matches!(&due, Schedule::Now(work) if work.inputs);
    let is_refused = is_in_doubt && !asks_meta && shared_refusal::concerns(reconciler, key, &resource, fence).await?;
    let work = match due {
        // Asks for all numbers, and gets no answer.
        _ if is_refused => Work::everything(&resource),
        Schedule::Later(_) if token.as_deref().is_some_and(|it| token::changes_status(&resource, it, begun)) => {
            Work::default()
        }
        Schedule::Later(next) => {
            reconciler.prober.look(key, &resource);
            return Ok(next);
        }
        Schedule::Now(work) => work,
    };

    let span = spans::reconcile(&key.namespace, &key.name);
    let settings =
        Settings { interval, waits: reconciler.waits, owes_status: reconciler.cluster.queue.has_failed(key) };
    let reconcile = Reconcile::new(resource, work, settings, begun).with_proof(proof).with_token(token);
    // Boxed, so that a reconcile takes memory only while it runs.
    let end = Box::pin(Driver::new(reconciler, key, fence, reconcile, begun).run()).instrument(span).await;
    let is_finished = matches!(end, Ok(End::Finished { .. })) && fence.is_valid();
    if is_in_doubt && (asks_meta || is_refused) && !is_finished {
        // The refusal may not be in the status.
        reconciler.cluster.store().keep_in_doubt(key);
    }
    Ok(match end? {
        End::Finished { next } => next,
        End::Dropped => None,
    })
}
