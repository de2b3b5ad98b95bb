//! Takes resources from the queue through their rounds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use kube::{Api, Client};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::events::Note;
use super::execute::{Execution, Outcome};
use super::hearsay;
use super::index::{Change, Index, ObjectKey};
use super::inputs::ReadSecretError;
use super::number::{Ownership, UploadAnswer};
use super::observe::{NumberReading, Observation};
use super::ownership::{agenda, claim_numbers, unowned_numbers};
use super::permit::Permit;
use super::plan::{Plan, plan};
use super::publisher::Publisher;
use super::queue::{Queue, Urgency};
use super::schedule::{Due, Waits, due};
use super::summarize::{MIN_PAUSE, Progress, Summary, summarize};
use super::watch::{self, Scope};
use super::writer::{Checkpoints, StatusWriter, WriteStatusError, Written};
use crate::conditions::{self, ConditionType, Reason, Standing};
use crate::crd::NumberState;
use crate::graph;
use crate::health::Health;
use crate::leader::{Leader, Term};
use crate::metrics::{Metrics, RoundOutcome, UploadResult};
use crate::telemetry::spans;

/// Field manager of the status.
pub const FIELD_MANAGER: &str = "waflows-operator";

/// What every round needs.
pub struct Context {
    /// The API server, for single requests: bounded in time, and not repeated by the client itself.
    pub client: Client,
    /// The API server, for watches, which stay silent for long.
    pub watch_client: Client,
    /// Meta.
    pub graph: graph::Client,
    /// Publishes events.
    pub publisher: Publisher,
    /// What exists.
    pub index: Mutex<Index>,
    /// What is worked on next.
    pub queue: Queue,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether the process lives and sees the cluster.
    pub health: Health,
    /// Whether everything was listed and the queue was filled.
    pub started: AtomicBool,
    /// The check interval of resources that give none.
    pub default_check_interval: Duration,
    /// The waits.
    pub waits: Waits,
    /// Resources worked on at once.
    pub concurrency: usize,
}

impl Context {
    /// The index, locked. Never held across an await.
    pub fn index(&self) -> MutexGuard<'_, Index> {
        // Every method of the index leaves it consistent.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues whatever a change of a resource calls for.
    pub fn react(&self, key: &ObjectKey, change: Change) {
        if change.asks_for_more {
            self.queue.add(key, Urgency::Changed);
        }
        for contender in change.vacated.iter().flat_map(|vacated| &vacated.contenders) {
            self.queue.add(contender, Urgency::Due);
        }
    }
}

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
        let keys = { context.index().keys() };
        for key in keys {
            context.queue.add(&key, Urgency::Due);
        }
    }
    context.queue.open();
    let pulse = context.health.begin("the loop that takes from the queue");
    // Rounds end early for either reason.
    let rounds = term.lost().child_token();
    let slots = Arc::new(Semaphore::new(context.concurrency));
    let mut running = JoinSet::new();
    let taking = async {
        // The semaphore is never closed, so it always yields a permit.
        while let Ok(slot) = pulse.rest(Arc::clone(&slots).acquire_owned()).await {
            let (key, round) = pulse.rest(context.queue.next(&rounds)).await;
            let (context, permit) = (Arc::clone(context), Permit::new(round, term.clone()));
            running.spawn(async move {
                let _turn = Turn { context: &context, key: &key };
                reconcile(&context, &key, &permit).await;
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

/// A resource's turn, given back however the round ends.
struct Turn<'a> {
    context: &'a Context,
    key: &'a ObjectKey,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.context.queue.done(self.key);
        if std::thread::panicking() {
            // A fault of the operator's own: not again at once, and not never.
            self.context.queue.add_at(self.key, Instant::now() + self.context.waits.after_refusal(1));
        }
    }
}

/// One round, and the time of the next.
async fn reconcile(context: &Context, key: &ObjectKey, permit: &Permit) {
    match round(context, key, permit).await {
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

async fn round(context: &Context, key: &ObjectKey, permit: &Permit) -> Result<Option<Timestamp>, RoundError> {
    let (resource, secrets) = {
        let index = context.index();
        let Some(resource) = index.resource(key) else {
            return Ok(None);
        };
        let secrets = index.referenced_secrets(&resource);
        (resource, secrets)
    };
    if resource.metadata.deletion_timestamp.is_some() {
        return Ok(None);
    }
    let begun = Timestamp::now();
    let interval = resource.spec.check_interval_or(context.default_check_interval);
    let unowned = unowned_numbers(&context.index(), &resource, key, begun);
    let has_heard = context.index().take_doubt(key);
    let agenda = match agenda(due(&resource, &secrets, interval, begun), unowned) {
        Due::Later(_) if has_heard && hearsay::concerns(context, key, &resource).await? => hearsay::agenda(&resource),
        Due::Later(next) => return Ok(next),
        Due::Now(agenda) => agenda,
    };

    let observation = Observation::new(Arc::new(resource), agenda, interval, context.waits, begun);
    let span = spans::round(&key.namespace, &key.name);
    carry_out(context, key, permit, observation).instrument(span).await
}

/// A round for which there is a reason.
async fn carry_out(
    context: &Context,
    key: &ObjectKey,
    permit: &Permit,
    mut observation: Observation,
) -> Result<Option<Timestamp>, RoundError> {
    let (timer, begun, observing) = (context.metrics.round(), observation.now, spans::observe());
    let secrets = Api::namespaced(context.client.clone(), &key.namespace);
    // Other keys may have to be opened before this one: what need not be waited for any more is not.
    let reading = observation.read_secrets(&secrets).instrument(observing.clone());
    let Some(read) = permit.run(reading).await else {
        timer.end(RoundOutcome::Dropped);
        return Ok(None);
    };
    read?;
    let _reservation = Reservation { context, key };
    let writer = StatusWriter::new(context, key, permit, Arc::clone(&observation.resource));
    let mut checkpoints = Checkpoints::new(writer, &observation);
    // Boxed, as is what follows: a round then takes as much memory as the step it is at, not as both.
    Box::pin(read_numbers(context, key, &mut observation, permit, &mut checkpoints)).instrument(observing).await;
    let plan = plan(&observation);
    // What is uploaded is known from the status alone: where that may not be stored, nothing is uploaded again.
    let must_write = must_announce(&observation, &plan) || (!plan.uploads.is_empty() && context.queue.has_failed(key));
    if must_write && permit.is_valid() {
        checkpoints.writer.write(&summarize(&observation, &[], Progress::Underway, Timestamp::now()).status).await?;
    }
    let span = spans::execute(plan.uploads.len());
    let executing = Box::pin(execute(context, key, &observation, &plan, permit, &mut checkpoints));
    let outcomes = executing.instrument(span).await;
    let progress = Progress::of(permit.is_valid(), &observation, &plan, &outcomes);
    let summary = summarize(&observation, &outcomes, progress, Timestamp::now());
    hearsay::spread(context, key, &observation.resource, &summary.status);
    if checkpoints.writer.write_surely(&summary.status, !outcomes.is_empty()).await? == Written::Dropped {
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
        self.context.index().finish_round(self.key);
    }
}

/// Reads the numbers that are due, and settles whose they are. The status tells in between how far the reading is.
async fn read_numbers(
    context: &Context,
    key: &ObjectKey,
    observation: &mut Observation,
    permit: &Permit,
    checkpoints: &mut Checkpoints<'_>,
) {
    let settle = |observation: &mut Observation, readings: &[NumberReading]| {
        observation.note(readings, Timestamp::now());
        claim_numbers(&mut context.index(), observation, key);
    };
    let graph = context.graph.reader();
    let mut readings = Vec::new();
    if let Some(credentials) = observation.credentials_to_ask_with() {
        let so_far = |readings: &[NumberReading]| {
            let mut so_far = observation.clone();
            settle(&mut so_far, readings);
            summarize(&so_far, &[], Progress::Underway, Timestamp::now()).status
        };
        let asking = observation.readings(credentials, &graph, permit);
        readings = checkpoints.collect(asking, so_far).await;
    }
    settle(observation, &readings);
}

/// Makes the uploads. The status tells in between how far they are.
async fn execute(
    context: &Context,
    key: &ObjectKey,
    observation: &Observation,
    plan: &Plan,
    permit: &Permit,
    checkpoints: &mut Checkpoints<'_>,
) -> Vec<Outcome> {
    let wanted = observation.expected();
    let is_own = |id: &str| context.index().owner(id, key, wanted, Timestamp::now()) == Ownership::Own;
    let outcomes = Execution::new(observation, plan, &context.graph, permit, &is_own).outcomes();
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

/// Whether users must see that a new key is under way before its first upload: `Ready` is still True for the old one.
pub fn must_announce(observation: &Observation, plan: &Plan) -> bool {
    let conditions = observation.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let is_ready = conditions::find(conditions, ConditionType::Ready).is_some_and(|ready| ready.status == "True");
    is_ready && observation.has_new_key() && !plan.uploads.is_empty()
}

/// One line for a round that changed something; it stands for all its numbers, of which there may be hundreds.
fn report(key: &ObjectKey, observation: &Observation, outcomes: &[Outcome], summary: &Summary, begun: Timestamp) {
    let ready = conditions::find(&summary.status.conditions, ConditionType::Ready);
    let before = observation.status().and_then(|status| conditions::find(&status.conditions, ConditionType::Ready));
    let valid = summary.status.valid.as_deref().unwrap_or_default();
    let is_change = ready.map(|c| &c.reason) != before.map(|c| &c.reason)
        || Some(valid) != observation.status().and_then(|status| status.valid.as_deref());
    let is_news = is_change || !outcomes.is_empty();
    let duration_ms = Timestamp::now().duration_since(begun).as_millis();
    let reason = ready.map(|condition| condition.reason.as_str()).unwrap_or_default();
    let detail = detail(summary, ready.map(|condition| condition.message.as_str()).unwrap_or_default());
    let uploads = outcomes.iter().filter(|outcome| outcome.upload.answer == UploadAnswer::Accepted).count();
    let failed = outcomes.iter().filter(|outcome| outcome.upload.answer.error().is_some()).count();
    if is_change && needs_a_person(reason) {
        tracing::warn!(resource = %key, reason, valid, uploads, failed, duration_ms, detail, "not ready until a person acts");
    } else if is_news {
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
        reason => reason.standing() == Standing::Stalled,
    })
}
