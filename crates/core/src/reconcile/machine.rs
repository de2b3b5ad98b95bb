//! One reconcile of one resource, without I/O.
//!
//! A driver asks [`Reconcile::next`] what may start, until the answer is None. It starts every [`Action`], and hands each
//! result to [`Reconcile::handle`]. A cancellation calls [`Reconcile::revoke`]: then no new read or upload starts, and
//! uploads under way finish. A number that was uploaded and never read back is read once more.
//! [`Reconcile::status_so_far`] is a checkpoint, possible at any time.
//!
//! ```text
//! ReadSecrets ─► (ListAccount …) ─► ReadNumber … ─► ClaimNumbers ─► (WriteStatus) ─► Upload, ReadBack … ─► WriteStatus ─► Publish ─► Done
//!                one, then         decides the     where users       the canary alone,      final
//!                8 side by side    uploads         must see it       then 8 side by side
//!                                                  before uploads
//! ```
//!
//! The operator, `check`, the model checker, the simulation, the fuzz target and the stories in
//! `crates/core/tests/stories` drive this one loop.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::action::{Action, End, Event, StatusWrite};
use super::announcement::needs_status_before_upload;
use super::claim_numbers::claim_numbers;
use super::reads::{PARALLEL_CALLS, Reads};
use crate::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeyStatus};
use crate::observation::{Inputs, Observation};
use crate::proof::EndpointProof;
use crate::rollout::outcome::Outcome;
use crate::rollout::plan::{Plan, plan};
use crate::rollout::progress::Progress;
use crate::rollout::rotation::course;
use crate::rollout::uploads::Uploads;
use crate::schedule::backoff::Waits;
use crate::schedule::due::Work;
use crate::status::summarize::{Summary, summarize, with_transition_times};
use crate::store::store::Store;
use crate::token::Inspection;

/// A long reconcile stores its status this often: users see how far it is, and little is lost with the process.
pub const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(10);
/// The first checkpoint, where someone has changed the resource or its key and waits to see that it was noticed.
const FIRST_AFTER_CHANGE: Duration = Duration::from_secs(1);

/// What a reconcile goes by, beside the resource.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The check interval.
    pub interval: Duration,
    /// The waits of the operator.
    pub waits: Waits,
    /// The last reconcile could not store its status. What it uploaded is known from the status alone, so a status is
    /// stored before anything is uploaded again.
    pub owes_status: bool,
}

/// One reconcile of one resource.
#[derive(Debug, Clone)]
pub struct Reconcile {
    observation: Arc<Observation>,
    /// The resource with the status that is stored.
    stored: Arc<FlowsEncryptionKey>,
    owes_status: bool,
    phase: Phase,
    /// An action of which only one runs at a time is under way.
    awaits_result: bool,
    is_revoked: bool,
    plan: Arc<Plan>,
    outcomes: Vec<Outcome>,
}

#[derive(Debug, Clone)]
enum Phase {
    Secrets,
    Listing(Reads),
    Reading(Reads),
    Claiming,
    /// The status is stored before the first upload.
    Announcing,
    Uploading(Uploads),
    Concluding(Arc<Summary>),
    Publishing(Arc<Summary>),
    Ended(End),
}

impl Reconcile {
    /// A reconcile that does this work, before anything was read.
    pub fn new(resource: Arc<FlowsEncryptionKey>, work: Work, settings: Settings, now: Timestamp) -> Self {
        let Settings { interval, waits, owes_status } = settings;
        let mut observation = Observation::new(Arc::clone(&resource), work, interval, waits, now);
        observation.course = course(&observation);
        Self {
            phase: if observation.work.inputs { Phase::Secrets } else { Phase::Reading(Reads::default()) },
            observation: Arc::new(observation),
            stored: resource,
            owes_status,
            awaits_result: false,
            is_revoked: false,
            plan: Arc::default(),
            outcomes: Vec::new(),
        }
    }

    /// The same with what the Flow endpoint last answered.
    #[must_use]
    pub fn with_proof(mut self, proof: Option<Arc<EndpointProof>>) -> Self {
        self.note_proof(proof);
        self
    }

    /// Takes in what the Flow endpoint last answered.
    pub fn note_proof(&mut self, proof: Option<Arc<EndpointProof>>) {
        let observation = Arc::make_mut(&mut self.observation);
        observation.proof = proof;
        observation.course = course(observation);
    }

    /// The same with what Meta said about the access token.
    #[must_use]
    pub fn with_token(mut self, token: Option<Arc<Inspection>>) -> Self {
        self.note_token(token);
        self
    }

    /// Adds what Meta said about the token that was just read.
    pub fn note_token(&mut self, token: Option<Arc<Inspection>>) {
        Arc::make_mut(&mut self.observation).token = token;
    }

    /// What the reconcile knows.
    pub fn observation(&self) -> &Arc<Observation> {
        &self.observation
    }

    /// The resource with the status that is stored.
    pub fn stored(&self) -> &Arc<FlowsEncryptionKey> {
        &self.stored
    }

    /// The planned uploads; none before the numbers are claimed.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The results of the uploads so far.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// The result of the reconcile. None before it is computed.
    pub fn summary(&self) -> Option<&Summary> {
        match &self.phase {
            Phase::Concluding(summary) | Phase::Publishing(summary) => Some(summary),
            _ => None,
        }
    }

    /// The uploads, while they are under way.
    pub fn uploads(&self) -> Option<&Uploads> {
        match &self.phase {
            Phase::Uploading(uploads) => Some(uploads),
            _ => None,
        }
    }

    /// Whether the reconcile was cancelled.
    pub fn is_revoked(&self) -> bool {
        self.is_revoked
    }

    /// Cancels the reconcile: nothing new starts. Uploads under way finish, and the results so far are stored. The reason is
    /// a change of the resource or its Secrets, a stop of the process, or a lost Lease.
    pub fn revoke(&mut self) {
        self.is_revoked = true;
        if let Phase::Secrets = self.phase {
            // Nothing was learnt. Another key may take seconds to be opened, so nobody waits for the Secrets.
            self.end(End::Dropped);
        }
    }

    /// How long after its begin a reconcile makes the first checkpoint. The next ones follow every
    /// [`CHECKPOINT_INTERVAL`].
    pub fn first_checkpoint(&self) -> Duration {
        if self.observation.changed_since_last() { FIRST_AFTER_CHANGE } else { CHECKPOINT_INTERVAL }
    }

    /// The status as it would be if the reconcile ended now, for a checkpoint. Once it is stored, the driver reports
    /// [`Event::CheckpointStored`].
    pub fn status_so_far(&mut self, store: &mut Store, now: Timestamp) -> FlowsEncryptionKeyStatus {
        // A number that was read belongs to the resource before its status says so.
        if let Phase::Reading(_) = self.phase {
            self.settle(|observation| claim_numbers(store, observation), now);
        }
        self.underway(now)
    }

    /// Lets all reads begin together. For credentials that Meta has just accepted: a refusal is unlikely now, and the
    /// resource is Ready one round trip earlier.
    pub fn trust_credentials(&mut self) {
        if let Phase::Listing(reads) | Phase::Reading(reads) = &mut self.phase {
            reads.trust();
        }
    }

    /// The next action that may start; none where results must come first.
    pub fn next(&mut self, now: Timestamp) -> Option<Action> {
        loop {
            if self.awaits_result {
                return None;
            }
            match &mut self.phase {
                Phase::Secrets => return Some(self.await_result(Action::ReadSecrets)),
                Phase::Listing(lists) => match lists.next(self.is_revoked) {
                    Some(position) => return Some(self.list_account(position)),
                    None if lists.is_over(self.is_revoked) => self.join(now),
                    None => return None,
                },
                Phase::Reading(reads) => match reads.next(self.is_revoked) {
                    Some(position) => return Some(self.read_number(position)),
                    None if reads.is_over(self.is_revoked) => self.phase = Phase::Claiming,
                    None => return None,
                },
                Phase::Claiming => return Some(self.await_result(Action::ClaimNumbers)),
                Phase::Announcing => {
                    if !self.is_revoked {
                        let status = self.underway(now);
                        return Some(self.write(StatusWrite { status, is_final: false, has_uploads: false }));
                    }
                    self.phase = Phase::Uploading(Uploads::of(&self.plan));
                }
                Phase::Uploading(uploads) => {
                    if let Some(step) = uploads.next(PARALLEL_CALLS, self.is_revoked) {
                        return Some(step.into());
                    }
                    if !uploads.is_over(self.is_revoked) {
                        return None;
                    }
                    self.conclude(now);
                }
                Phase::Concluding(summary) => {
                    let (status, has_uploads) = (summary.status.clone(), !self.outcomes.is_empty());
                    return Some(self.write(StatusWrite { status, is_final: true, has_uploads }));
                }
                Phase::Publishing(summary) => {
                    let notes = summary.notes.clone();
                    return Some(self.await_result(Action::Publish(notes)));
                }
                Phase::Ended(end) => {
                    let end = *end;
                    return Some(self.await_result(Action::Done(end)));
                }
            }
        }
    }

    /// Takes in a result. The outcome of an upload, if this result completes one.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Option<&Outcome> {
        match (event, &mut self.phase) {
            (Event::SecretsRead(inputs), Phase::Secrets) => self.ask(inputs, now),
            (Event::AccountListed(listing), Phase::Listing(lists)) => {
                lists.note_result();
                Arc::make_mut(&mut self.observation).note_list(listing);
            }
            (Event::NumberRead(reading), Phase::Reading(reads)) => {
                reads.note_result();
                Arc::make_mut(&mut self.observation).note(reading);
            }
            (Event::Uploaded { phone_number_id, call }, Phase::Uploading(uploads)) => {
                let outcome = uploads.uploaded(&self.observation, &phone_number_id, call)?;
                self.outcomes.push(outcome);
                return self.outcomes.last();
            }
            (Event::ReadBack { phone_number_id, reading, refusal }, Phase::Uploading(uploads)) => {
                let outcome = uploads.read_back(&self.observation, &phone_number_id, reading, refusal)?;
                self.outcomes.push(outcome);
                return self.outcomes.last();
            }
            (Event::CheckpointStored(resource), _) => self.stored = resource,
            (Event::StatusStored(resource), phase @ (Phase::Announcing | Phase::Concluding(_))) => {
                let next = match phase {
                    Phase::Concluding(summary) => Phase::Publishing(Arc::clone(summary)),
                    _ => Phase::Uploading(Uploads::of(&self.plan)),
                };
                self.stored = resource;
                self.enter(next);
            }
            (Event::StatusDropped, Phase::Announcing | Phase::Concluding(_)) => self.end(End::Dropped),
            (Event::Published, Phase::Publishing(summary)) => {
                let next = summary.next;
                self.end(End::Finished { next });
            }
            // The result of an action that nobody waits for any more.
            _ => {}
        }
        None
    }

    /// Settles who owns each number, and decides the uploads.
    pub fn claim_numbers(&mut self, store: &mut Store, now: Timestamp) {
        self.claim_numbers_by(|observation| claim_numbers(store, observation), plan, now);
    }

    /// The same with other rules, for `check`, which predicts who will own a number, and for tests that break a rule on
    /// purpose.
    pub fn claim_numbers_by(
        &mut self,
        claim: impl FnOnce(&mut Observation),
        plan: impl FnOnce(&Observation) -> Plan,
        now: Timestamp,
    ) {
        self.settle(claim, now);
        self.decide(plan(&self.observation));
    }

    /// Completes the observation with who owns each number.
    fn settle(&mut self, claim: impl FnOnce(&mut Observation), now: Timestamp) {
        let observation = self.observation_at(now);
        claim(observation);
        // Who owns a number tells whether a rotation waits for the number.
        observation.course = course(observation);
    }

    /// The observation, complete at this time.
    fn observation_at(&mut self, now: Timestamp) -> &mut Observation {
        let observation = Arc::make_mut(&mut self.observation);
        observation.now = now;
        observation.course = course(observation);
        observation
    }

    fn read_number(&self, position: usize) -> Action {
        let phone_number_id = self.observation.numbers[position].before.phone_number_id.clone();
        Action::ReadNumber { position, phone_number_id }
    }

    fn list_account(&self, position: usize) -> Action {
        Action::ListAccount { position, account_id: self.observation.accounts[position].before.id.clone() }
    }

    /// Takes the numbers from the lists of the accounts. Every account that could be listed has been.
    fn join(&mut self, now: Timestamp) {
        self.observation_at(now).join();
        self.read();
    }

    /// What the Secrets hold is known: the accounts are listed, if there are any, and then the numbers are read.
    fn ask(&mut self, inputs: Inputs, now: Timestamp) {
        let observation = Arc::make_mut(&mut self.observation);
        (observation.inputs, observation.now) = (Some(inputs), now);
        match observation.unlisted() {
            waiting if waiting.is_empty() => self.read(),
            waiting => self.enter(Phase::Listing(Reads::of(waiting))),
        }
    }

    fn read(&mut self) {
        let waiting = self.observation.unread();
        self.enter(Phase::Reading(Reads::of(waiting)));
    }

    fn decide(&mut self, plan: Plan) {
        let owes_status = self.owes_status && !plan.uploads.is_empty();
        let must_store = owes_status || needs_status_before_upload(&self.observation, &plan);
        let phase = if must_store { Phase::Announcing } else { Phase::Uploading(Uploads::of(&plan)) };
        self.plan = Arc::new(plan);
        self.enter(phase);
    }

    fn conclude(&mut self, now: Timestamp) {
        let progress = Progress::of(!self.is_revoked, &self.observation, &self.plan, &self.outcomes);
        let mut summary = summarize(&self.observation, &self.outcomes, progress, now);
        with_transition_times(self.stored.status.as_ref(), &mut summary.status, now);
        self.enter(Phase::Concluding(Arc::new(summary)));
    }

    /// The status so far, with the times of transition as they follow from what is stored.
    fn underway(&self, now: Timestamp) -> FlowsEncryptionKeyStatus {
        let mut status = summarize(&self.observation, &self.outcomes, Progress::Underway, now).status;
        with_transition_times(self.stored.status.as_ref(), &mut status, now);
        status
    }

    fn write(&mut self, write: StatusWrite) -> Action {
        self.await_result(Action::WriteStatus(Box::new(write)))
    }

    fn await_result(&mut self, action: Action) -> Action {
        self.awaits_result = true;
        action
    }

    fn enter(&mut self, phase: Phase) {
        (self.phase, self.awaits_result) = (phase, false);
    }

    fn end(&mut self, end: End) {
        self.enter(Phase::Ended(end));
    }
}
