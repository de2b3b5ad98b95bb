//! Takes a resource through its round: reads, decides, writes. What is decided stands in `waflows_core`.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use kube::Api;
use tokio::time::Instant;
use tracing::Instrument;
use waflows_core::api::conditions::{self, ConditionType, ReadyEffect, Reason};
use waflows_core::api::crd::NumberState;
use waflows_core::number::Ownership;
use waflows_core::observation::{NumberReading, Observation};
use waflows_core::reconcile::machine::needs_status_before_upload;
use waflows_core::reconcile::ownership::{agenda, claim_numbers, unowned_numbers};
use waflows_core::rollout::outcome::Outcome;
use waflows_core::rollout::plan::{Plan, plan};
use waflows_core::rollout::progress::Progress;
use waflows_core::schedule::due::{Due, due};
use waflows_core::status::events::Note;
use waflows_core::status::summarize::{MIN_PAUSE, Summary, summarize};
use waflows_core::store::object_key::ObjectKey;
use waflows_core::upload::UploadAnswer;

use super::context::Context;
use super::fence::WriteFence;
use super::secrets::ReadSecretError;
use super::status_writer::{Checkpoints, StatusWriter, WriteStatusError, Written};
use super::uploads::Execution;
use super::{hearsay, reads, secrets};
use crate::graph::Credentials;
use crate::metrics::{Metrics, RoundOutcome, UploadResult};
use crate::telemetry::spans;

/// Why a round could not be finished. All of these pass by themselves or with the API server's recovery.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    ReadSecret(#[from] ReadSecretError),
    #[error(transparent)]
    WriteStatus(#[from] WriteStatusError),
}

impl RoundError {
    fn may_pass_soon(&self) -> bool {
        match self {
            Self::ReadSecret(_) => true,
            Self::WriteStatus(error) => error.may_pass_soon(),
        }
    }
}

/// One round, and the time of the next.
pub(super) async fn reconcile(context: &Context, key: &ObjectKey, fence: &WriteFence) {
    match round(context, key, fence).await {
        Ok(Some(next)) => {
            let wait = Duration::try_from(next.duration_since(Timestamp::now())).unwrap_or_default();
            context.queue.add_at(key, Instant::now() + wait.max(MIN_PAUSE));
        }
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(resource = %key, error = %error, "the round could not be finished and is tried again");
            context.queue.retry(key, |failures| match error.may_pass_soon() {
                true => context.waits.after_outage(failures),
                // Every round asks Meta anew, and comes to the same end.
                false => context.waits.after_failure(failures),
            });
        }
    }
}

async fn round(context: &Context, key: &ObjectKey, fence: &WriteFence) -> Result<Option<Timestamp>, RoundError> {
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
    let unowned = unowned_numbers(&context.store(), &resource, key, begun);
    let has_heard = context.store().take_doubt(key);
    let agenda = match agenda(due(&resource, &secrets, interval, begun), unowned) {
        Due::Later(_) if has_heard && hearsay::concerns(context, key, &resource, fence).await? => {
            hearsay::agenda(&resource)
        }
        Due::Later(next) => return Ok(next),
        Due::Now(agenda) => agenda,
    };

    let observation = Observation::new(Arc::new(resource), agenda, interval, context.waits, begun);
    let span = spans::round(&key.namespace, &key.name);
    let next = carry_out(context, key, fence, observation).instrument(span).await;
    if has_heard && !fence.is_valid() {
        // It may not have come to its calls.
        context.store().keep_in_doubt(key);
    }
    next
}

/// A round for which there is a reason.
async fn carry_out(
    context: &Context,
    key: &ObjectKey,
    fence: &WriteFence,
    mut observation: Observation,
) -> Result<Option<Timestamp>, RoundError> {
    let (timer, begun, observing) = (context.metrics.round(), observation.now, spans::observe());
    let mut credentials = None;
    if observation.agenda.inputs {
        let api = Api::namespaced(context.client.clone(), &key.namespace);
        // Other keys may have to be opened before this one: what need not be waited for any more is not.
        let reading = secrets::read(&observation.resource, &api).instrument(observing.clone());
        let Some(opened) = fence.run(reading).await else {
            timer.end(RoundOutcome::Dropped);
            return Ok(None);
        };
        let opened = opened?;
        observation.inputs = Some(opened.inputs);
        credentials = opened.credentials;
    }
    observation.now = Timestamp::now();
    let _reservation = Reservation { context, key };
    let writer = StatusWriter::new(context, key, fence, Arc::clone(&observation.resource));
    let mut checkpoints = Checkpoints::new(writer, &observation);
    // Boxed, as is what follows: a round then takes as much memory as the step it is at, not as both.
    let reading = read_numbers(context, key, &mut observation, credentials.clone(), fence, &mut checkpoints);
    Box::pin(reading).instrument(observing).await;
    let plan = plan(&observation);
    // What is uploaded is known from the status alone: where that may not be stored, nothing is uploaded again.
    let must_write =
        needs_status_before_upload(&observation, &plan) || (!plan.uploads.is_empty() && context.queue.has_failed(key));
    if must_write && fence.is_valid() {
        let status = summarize(&observation, &[], Progress::Underway, Timestamp::now()).status;
        if checkpoints.writer.write(&status).await? == Written::Dropped {
            timer.end(RoundOutcome::Dropped);
            return Ok(None);
        }
    }
    let span = spans::execute(plan.uploads.len());
    let executing = Box::pin(execute(context, key, &observation, credentials.as_ref(), &plan, fence, &mut checkpoints));
    let outcomes = executing.instrument(span).await;
    let progress = Progress::of(fence.is_valid(), &observation, &plan, &outcomes);
    let summary = summarize(&observation, &outcomes, progress, Timestamp::now());
    hearsay::spread(context, key, &observation.resource, &summary.status);
    if checkpoints.writer.write_until_stored(&summary.status, !outcomes.is_empty()).await? == Written::Dropped {
        timer.end(RoundOutcome::Dropped);
        return Ok(None);
    }
    timer.end(if checkpoints.writer.has_written() { RoundOutcome::Written } else { RoundOutcome::Unchanged });
    report(key, &observation, &outcomes, &summary, begun);
    context.publisher.publish(&observation.resource, &summary.notes).await;
    Ok(summary.next)
}

/// What a round has reserved until its status is stored.
struct Reservation<'a> {
    context: &'a Context,
    key: &'a ObjectKey,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.context.store().finish_round(self.key);
    }
}

/// Reads the numbers that are due, and settles whose they are. The status tells in between how far the reading is.
async fn read_numbers(
    context: &Context,
    key: &ObjectKey,
    observation: &mut Observation,
    credentials: Option<Credentials>,
    fence: &WriteFence,
    checkpoints: &mut Checkpoints<'_>,
) {
    let settle = |observation: &mut Observation, readings: &[NumberReading]| {
        observation.note(readings, Timestamp::now());
        claim_numbers(&mut context.store(), observation, key);
    };
    let graph = context.graph.reader();
    let mut readings = Vec::new();
    if let Some(credentials) = credentials.filter(|_| observation.can_ask()) {
        let so_far = |readings: &[NumberReading]| {
            let mut so_far = observation.clone();
            settle(&mut so_far, readings);
            summarize(&so_far, &[], Progress::Underway, Timestamp::now()).status
        };
        let asking = reads::readings(observation, credentials, &graph, fence);
        readings = checkpoints.collect(asking, so_far).await;
    }
    settle(observation, &readings);
}

/// Makes the uploads. The status tells in between how far they are.
async fn execute(
    context: &Context,
    key: &ObjectKey,
    observation: &Observation,
    credentials: Option<&Credentials>,
    plan: &Plan,
    fence: &WriteFence,
    checkpoints: &mut Checkpoints<'_>,
) -> Vec<Outcome> {
    let wanted = observation.expected();
    let is_own = |id: &str| context.store().owner(id, key, wanted, Timestamp::now()) == Ownership::Uncontested;
    let outcomes = Execution::new(observation, credentials, plan, &context.graph, fence, &is_own).outcomes();
    let outcomes = outcomes.inspect(|outcome| count_upload(&context.metrics, outcome));
    let so_far = |outcomes: &[_]| summarize(observation, outcomes, Progress::Underway, Timestamp::now()).status;
    checkpoints.collect(outcomes, so_far).await
}

fn count_upload(metrics: &Metrics, outcome: &Outcome) {
    let result = match &outcome.upload.answer {
        UploadAnswer::Paused { .. } => return,
        _ if outcome.state == NumberState::Valid => UploadResult::Valid,
        UploadAnswer::Accepted => UploadResult::NotValid,
        UploadAnswer::Failed(_) => UploadResult::Failed,
    };
    metrics.uploaded(outcome.reason, result);
}

/// One line for a round that changed something; it stands for all its numbers, of which there may be hundreds.
fn report(key: &ObjectKey, observation: &Observation, outcomes: &[Outcome], summary: &Summary, begun: Timestamp) {
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
