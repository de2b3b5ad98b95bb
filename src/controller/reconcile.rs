//! Takes resources from the queue through their rounds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Api, Client, Resource};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::events::Note;
use super::execute::{Execution, Outcome};
use super::index::{Change, Index, ObjectKey};
use super::inputs::ReadSecretError;
use super::number::{Ownership, Reading};
use super::observe::{Observation, observe};
use super::permit::Permit;
use super::plan::{Plan, plan};
use super::queue::{Queue, Urgency};
use super::schedule::{Agenda, Due, Waits, due};
use super::summarize::{MIN_PAUSE, Progress, Summary, summarize};
use super::watch::{self, Scope};
use crate::apiserver::describe;
use crate::conditions::{self, ConditionType};
use crate::crd::{FlowsEncryptionKey, FlowsEncryptionKeyStatus, Mode, NumberState};
use crate::graph;
use crate::leader::{Leader, Term};

/// Field manager of the status.
pub const FIELD_MANAGER: &str = "waflows-operator";

const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(10);

/// What every round needs.
pub struct Context {
    /// The API server, for single requests: bounded in time, and not repeated by the client itself.
    pub client: Client,
    /// The API server, for watches, which stay silent for long.
    pub watch_client: Client,
    /// Meta.
    pub graph: graph::Client,
    /// Publishes events.
    pub recorder: Recorder,
    /// What exists.
    pub index: Mutex<Index>,
    /// What is worked on next.
    pub queue: Queue,
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
    #[error("writing the status: {}", describe(.0))]
    WriteStatus(#[source] kube::Error),
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
    // Rounds end early for either reason.
    let rounds = term.lost().child_token();
    let slots = Arc::new(Semaphore::new(context.concurrency));
    let mut running = JoinSet::new();
    let taking = async {
        // The semaphore is never closed, so it always yields a permit.
        while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
            let (key, round) = context.queue.next(&rounds).await;
            let (context, permit) = (Arc::clone(context), Permit::new(round, term.clone()));
            running.spawn(async move {
                let _turn = Turn { context: &context, key: &key };
                reconcile(&context, &key, &permit).await;
                drop(slot);
            });
            while running.try_join_next().is_some() {}
        }
    };
    tokio::select! {
        () = taking => {}
        () = stop.cancelled() => {}
        () = term.lost().cancelled() => {}
    }
    rounds.cancel();
    while let Some(ended) = running.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a round ended by a fault of the operator");
        }
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
    }
}

/// One round, and the time of the next.
async fn reconcile(context: &Context, key: &ObjectKey, permit: &Permit) {
    let next = match round(context, key, permit).await {
        Ok(next) => next,
        Err(error) => {
            tracing::warn!(resource = %key, error = %error, "the round could not be finished and is tried again");
            Some(Timestamp::now() + context.waits.after_api_failure())
        }
    };
    if let Some(next) = next {
        let wait = Duration::try_from(next.duration_since(Timestamp::now())).unwrap_or_default();
        context.queue.add_at(key, Instant::now() + wait.max(MIN_PAUSE));
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
    let agenda = match due(&resource, &secrets, interval, begun) {
        Due::Later(next) if unowned.free.is_empty() => return Ok([next, unowned.next].into_iter().flatten().min()),
        Due::Later(_) => Agenda { inputs: true, numbers: unowned.free, afresh: false },
        Due::Now(mut agenda) => {
            agenda.inputs |= !unowned.free.is_empty();
            agenda.numbers.extend(unowned.free);
            agenda
        }
    };

    let api: Api<Secret> = Api::namespaced(context.client.clone(), &key.namespace);
    let observation = Observation::new(resource, agenda, interval, context.waits, begun);
    let mut observation = observe(observation, &api, &context.graph, permit).await?;
    claim_numbers(&mut context.index(), &mut observation, key);
    let _reservation = Reservation { context, key };
    let plan = plan(&observation);
    let mut writer = StatusWriter { context, key, permit, resource: Arc::clone(&observation.resource) };
    if must_announce(&observation, &plan) && permit.is_valid() {
        writer.write(&summarize(&observation, &[], Progress::Underway, Timestamp::now()).status).await?;
    }
    let outcomes = execute(context, &observation, &plan, permit, &mut writer).await;
    let summary = summarize(&observation, &outcomes, Progress::Finished, Timestamp::now());
    if writer.write_surely(&summary.status, !outcomes.is_empty()).await? == Written::Dropped {
        return Ok(None);
    }
    report(key, &observation, &outcomes, &summary, begun);
    publish(context, &observation.resource, &summary.notes).await;
    Ok(summary.next)
}

/// Numbers that another resource owned when they were last looked at, and that nobody owns now.
#[derive(Default)]
struct Unowned {
    /// Those that may be taken.
    free: Vec<String>,
    /// When the next one may be.
    next: Option<Timestamp>,
}

fn unowned_numbers(index: &Index, resource: &FlowsEncryptionKey, key: &ObjectKey, now: Timestamp) -> Unowned {
    let mut unowned = Unowned::default();
    let numbers = resource.status.as_ref().map(|status| status.phone_numbers.as_slice()).unwrap_or_default();
    for number in numbers.iter().filter(|number| number.state == NumberState::Conflict) {
        let id = &number.phone_number_id;
        if resource.spec.is_suspended() || !resource.spec.phone_number_ids.contains(id) {
            continue;
        }
        match index.owner(id, key, now) {
            Ownership::Own => unowned.free.push(id.clone()),
            Ownership::Vacant { until } => unowned.next = Some(unowned.next.map_or(until, |next| next.min(until))),
            Ownership::Other { .. } => {}
        }
    }
    unowned
}

/// Settles whose each number is. One that was just read with the resource's own token becomes its own where nobody
/// else owns it.
fn claim_numbers(index: &mut Index, observation: &mut Observation, key: &ObjectKey) {
    if observation.resource.spec.mode != Mode::Enforce {
        return;
    }
    let may_claim = observation.key().is_some();
    let now = observation.now;
    for number in &mut observation.numbers {
        let id = number.before.phone_number_id.as_str();
        number.ownership = match number.reading {
            Reading::Answered { .. } if may_claim => index.claim(id, key, now),
            _ => index.owner(id, key, now),
        };
    }
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

/// Makes the uploads. The status tells every ten seconds how far they are.
async fn execute(
    context: &Context,
    observation: &Observation,
    plan: &Plan,
    permit: &Permit,
    writer: &mut StatusWriter<'_>,
) -> Vec<Outcome> {
    let mut execution = Execution::new(observation, plan, &context.graph, permit);
    let mut outcomes = Vec::with_capacity(plan.uploads.len());
    let mut clock = tokio::time::interval_at(Instant::now() + CHECKPOINT_INTERVAL, CHECKPOINT_INTERVAL);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            outcome = execution.next() => match outcome {
                Some(outcome) => outcomes.push(outcome),
                None => return outcomes,
            },
            _ = clock.tick() => {
                let status = summarize(observation, &outcomes, Progress::Underway, Timestamp::now()).status;
                let mut writing = std::pin::pin!(writer.write(&status));
                // Calls under way are not left waiting for the API server: their answers would come too late.
                let written = loop {
                    tokio::select! {
                        written = &mut writing => break written,
                        Some(outcome) = execution.next() => outcomes.push(outcome),
                    }
                };
                if let Err(error) = written {
                    tracing::warn!(resource = observation.resource_name(), %error, "the status of a long round could not be written; the next write holds it too");
                }
            }
        }
    }
}

/// Whether users must see that a new key is under way before its first upload: `Ready` is still True for the old one.
fn must_announce(observation: &Observation, plan: &Plan) -> bool {
    let conditions = observation.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let is_ready = conditions::find(conditions, ConditionType::Ready).is_some_and(|ready| ready.status == "True");
    is_ready && observation.has_new_key() && !plan.uploads.is_empty()
}

/// What became of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// It is stored, or was so already.
    Stored,
    /// It is left out: the resource is gone, another process wrote meanwhile, or this one does not lead any more.
    Dropped,
}

/// Writes the status of one resource, again and again as a round goes on.
struct StatusWriter<'a> {
    context: &'a Context,
    key: &'a ObjectKey,
    permit: &'a Permit,
    /// The resource that the status was computed from, with the status that was last written.
    resource: Arc<FlowsEncryptionKey>,
}

impl StatusWriter<'_> {
    /// Writes the status if it differs from what is there.
    ///
    /// The write carries the resource version it was computed from. Where that is no longer the current one, but the
    /// status is still the one it was computed from (someone changed the spec or a label meanwhile), it is written
    /// onto the current version. Otherwise another process works on the resource, and this status is dropped.
    async fn write(&mut self, status: &FlowsEncryptionKeyStatus) -> Result<Written, RoundError> {
        let mut status = status.clone();
        let shown = self.resource.status.as_ref().map(|shown| shown.conditions.as_slice()).unwrap_or_default();
        conditions::follow(shown, &mut status.conditions, Timestamp::now());
        if self.resource.status.as_ref() == Some(&status) {
            return Ok(Written::Stored);
        }
        let api: Api<FlowsEncryptionKey> = Api::namespaced(self.context.client.clone(), &self.key.namespace);
        // Who does not lead any more leaves the word to who does.
        while self.permit.is_leading() {
            match self.patch(&api, &status).await {
                Ok(written) => {
                    let written = stripped(written);
                    self.resource = Arc::new(written.clone());
                    // The answer may bring a change of the spec before the watch does.
                    let change = { self.context.index().status_written(written, Timestamp::now()) };
                    self.context.react(self.key, change);
                    return Ok(Written::Stored);
                }
                Err(kube::Error::Api(answer)) if answer.code == 404 => return Ok(Written::Dropped),
                Err(kube::Error::Api(answer)) if answer.code == 409 => {
                    if !self.catch_up(&api).await? {
                        tracing::info!(resource = %self.key, "the status was written by another process meanwhile; this round's is dropped");
                        self.context.queue.add(self.key, Urgency::Changed);
                        return Ok(Written::Dropped);
                    }
                }
                Err(error) => return Err(RoundError::WriteStatus(error)),
            }
        }
        Ok(Written::Dropped)
    }

    /// The same, again and again if the status tells of uploads: were it lost, they would be repeated without a wait.
    async fn write_surely(
        &mut self,
        status: &FlowsEncryptionKeyStatus,
        has_uploads: bool,
    ) -> Result<Written, RoundError> {
        for attempt in 1.. {
            match self.write(status).await {
                // Not once the round is revoked: the process may be asked to stop.
                Err(error) if has_uploads && self.permit.is_valid() => {
                    tracing::warn!(resource = %self.key, %error, "what was uploaded could not be noted yet; trying again");
                    self.permit.run(tokio::time::sleep(self.context.waits.after_failure(attempt))).await;
                }
                result => return result,
            }
        }
        Ok(Written::Dropped)
    }

    async fn patch(
        &self,
        api: &Api<FlowsEncryptionKey>,
        status: &FlowsEncryptionKeyStatus,
    ) -> Result<FlowsEncryptionKey, kube::Error> {
        let body = serde_json::json!({
            "apiVersion": FlowsEncryptionKey::api_version(&()),
            "kind": FlowsEncryptionKey::kind(&()),
            "metadata": {
                "name": &*self.key.name,
                "uid": self.resource.metadata.uid,
                "resourceVersion": self.resource.metadata.resource_version,
            },
            "status": status,
        });
        api.patch_status(&self.key.name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(body)).await
    }

    /// Moves on to the current version of the resource. False where its status is not the one that was last seen.
    async fn catch_up(&mut self, api: &Api<FlowsEncryptionKey>) -> Result<bool, RoundError> {
        let current = api.get_opt(&self.key.name).await.map_err(RoundError::WriteStatus)?;
        let Some(current) = current.filter(|current| current.metadata.uid == self.resource.metadata.uid) else {
            return Ok(false);
        };
        let is_ours = current.status == self.resource.status;
        self.resource = Arc::new(current.clone());
        if !is_ours {
            // The next round starts from what is there, also before the watch brings it.
            let change = { self.context.index().status_written(stripped(current), Timestamp::now()) };
            self.context.react(self.key, change);
        }
        Ok(is_ours)
    }
}

fn report(key: &ObjectKey, observation: &Observation, outcomes: &[Outcome], summary: &Summary, begun: Timestamp) {
    let ready = conditions::find(&summary.status.conditions, ConditionType::Ready);
    let before = observation.status().and_then(|status| conditions::find(&status.conditions, ConditionType::Ready));
    let is_news = !outcomes.is_empty() || ready.map(|c| &c.reason) != before.map(|c| &c.reason);
    let duration_ms = Timestamp::now().duration_since(begun).as_millis();
    let valid = summary.status.valid.as_deref().unwrap_or_default();
    let reason = ready.map(|condition| condition.reason.as_str()).unwrap_or_default();
    let message = ready.map(|condition| condition.message.as_str()).unwrap_or_default();
    if is_news {
        tracing::info!(resource = %key, reason, valid, uploads = outcomes.len(), duration_ms, detail = message, "reconciled");
    } else {
        tracing::debug!(resource = %key, reason, valid, duration_ms, "reconciled");
    }
}

async fn publish(context: &Context, resource: &FlowsEncryptionKey, notes: &[Note]) {
    let reference = resource.object_ref(&());
    for note in notes {
        let event = Event {
            type_: if note.is_warning { EventType::Warning } else { EventType::Normal },
            reason: note.reason.to_owned(),
            note: Some(note.text.clone()),
            action: note.action.to_owned(),
            secondary: None,
        };
        if let Err(error) = context.recorder.publish(&event, &reference).await {
            tracing::warn!(reason = note.reason, error = describe(&error), "an event could not be published");
        }
    }
}

fn stripped(mut resource: FlowsEncryptionKey) -> FlowsEncryptionKey {
    watch::strip(&mut resource);
    resource
}
