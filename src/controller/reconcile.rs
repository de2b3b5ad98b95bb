//! Decides whether there is something to do for a resource, has it done, and sets the time of the next reconcile.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::Instrument;
use waflows_core::api::conditions::{self, ConditionType, ReadyEffect, Reason};
use waflows_core::reconcile::action::End;
use waflows_core::reconcile::machine::{Reconcile, Settings};
use waflows_core::reconcile::ownership::work_due;
use waflows_core::schedule::due::Due;
use waflows_core::status::events::Note;
use waflows_core::status::summarize::{MIN_PAUSE, Summary};
use waflows_core::store::object_key::ObjectKey;
use waflows_core::upload::UploadAnswer;

use super::context::Context;
use super::driver::Driver;
use super::fence::WriteFence;
use super::hearsay;
use super::secrets::ReadSecretError;
use super::status_writer::WriteStatusError;
use crate::telemetry::spans;

/// Why a reconcile could not be finished. All of these pass by themselves or with the API server's recovery.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReconcileError {
    #[error(transparent)]
    ReadSecret(#[from] ReadSecretError),
    #[error(transparent)]
    WriteStatus(#[from] WriteStatusError),
}

impl ReconcileError {
    fn may_pass_soon(&self) -> bool {
        match self {
            Self::ReadSecret(_) => true,
            Self::WriteStatus(error) => error.may_pass_soon(),
        }
    }
}

/// One reconcile, and the time of the next.
pub(super) async fn reconcile(context: &Context, key: &ObjectKey, fence: &WriteFence) {
    match next_reconcile(context, key, fence).await {
        Ok(Some(next)) => {
            let wait = Duration::try_from(next.duration_since(Timestamp::now())).unwrap_or_default();
            context.queue.add_at(key, Instant::now() + wait.max(MIN_PAUSE));
        }
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(resource = %key, error = %error, "the round could not be finished and is tried again");
            context.queue.retry(key, |failures| match error.may_pass_soon() {
                true => context.waits.after_outage(failures),
                // Every reconcile asks Meta anew, and comes to the same end.
                false => context.waits.after_failure(failures),
            });
        }
    }
}

async fn next_reconcile(
    context: &Context,
    key: &ObjectKey,
    fence: &WriteFence,
) -> Result<Option<Timestamp>, ReconcileError> {
    let (resource, secrets) = {
        let store = context.store();
        let Some(resource) = store.resource(key) else {
            return Ok(None);
        };
        let secrets = store.referenced_secrets(&resource);
        (resource, secrets)
    };
    if resource.metadata.deletion_timestamp.is_some() {
        return Ok(None);
    }
    let begun = Timestamp::now();
    let interval = resource.spec.check_interval_or(context.default_check_interval);
    let due = { work_due(&context.store(), &resource, &secrets, interval, begun) };
    let has_heard = context.store().take_doubt(key);
    let work = match due {
        Due::Later(_) if has_heard && hearsay::concerns(context, key, &resource, fence).await? => {
            hearsay::work(&resource)
        }
        Due::Later(next) => return Ok(next),
        Due::Now(work) => work,
    };

    let span = spans::round(&key.namespace, &key.name);
    let settings = Settings { interval, waits: context.waits, owes_status: context.queue.has_failed(key) };
    let reconcile = Reconcile::new(Arc::new(resource), work, settings, begun);
    // Boxed, so that a reconcile takes memory only while it runs.
    let end = Box::pin(Driver::new(context, key, fence, reconcile, begun).run()).instrument(span).await;
    if has_heard && !fence.is_valid() {
        // It may not have come to its calls.
        context.store().keep_in_doubt(key);
    }
    Ok(match end? {
        End::Finished { next } => next,
        End::Dropped => None,
    })
}

/// One line for a reconcile that changed something; it stands for all its numbers, of which there may be hundreds.
pub(super) fn report(key: &ObjectKey, reconcile: &Reconcile, begun: Timestamp) {
    let Some(summary) = reconcile.summary() else { return };
    let (observation, outcomes) = (reconcile.observation(), reconcile.outcomes());
    let ready = conditions::find(&summary.status.conditions, ConditionType::Ready);
    let before = observation.status().and_then(|status| conditions::find(&status.conditions, ConditionType::Ready));
    let valid = summary.status.valid.as_deref().unwrap_or_default();
    let is_change = ready.map(|c| &c.reason) != before.map(|c| &c.reason)
        || Some(valid) != observation.status().and_then(|status| status.valid.as_deref());
    let changed_since_last = is_change || !outcomes.is_empty();
    let duration_ms = Timestamp::now().duration_since(begun).as_millis();
    let reason = ready.map(|condition| condition.reason.as_str()).unwrap_or_default();
    let detail = detail(summary, ready.map(|condition| condition.message.as_str()).unwrap_or_default());
    let uploads = outcomes.iter().filter(|outcome| outcome.upload.answer == UploadAnswer::Accepted).count();
    let failed = outcomes.iter().filter(|outcome| outcome.upload.answer.error().is_some()).count();
    if is_change && needs_a_person(reason) {
        tracing::warn!(resource = %key, reason, valid, uploads, failed, duration_ms, detail, "not ready until a person acts");
    } else if changed_since_last {
        tracing::info!(resource = %key, reason, valid, uploads, failed, duration_ms, detail, "reconciled");
    } else {
        tracing::debug!(resource = %key, reason, valid, duration_ms, "reconciled");
    }
}

/// What happened, in the words of the events, and what `Ready` says.
fn detail(summary: &Summary, ready: &str) -> String {
    let told = summary.notes.iter().map(|note| note.text.as_str());
    let ready = (!summary.notes.iter().any(Note::is_of_ready)).then_some(ready);
    told.chain(ready).collect::<Vec<_>>().join(" ")
}

/// Whether the log warns of the resource. Of credentials that Meta refuses it warns once, however many resources wait for
/// better ones.
fn needs_a_person(reason: &str) -> bool {
    Reason::parse(reason).is_some_and(|reason| match reason {
        Reason::TokenRefused | Reason::AppSecretRefused => false,
        reason => reason.ready_effect() == ReadyEffect::Stalled,
    })
}
