//! The steps of a round. Every decision in them is the operator's own; what stands here is what its asynchronous shell
//! does between them, one step at a time.

use std::sync::Arc;

use waflows_core::api::conditions;
use waflows_core::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeyStatus, Mode};
use waflows_core::number::{Ownership, Reading};
use waflows_core::observation::Inputs;
use waflows_core::observation::Observation;
use waflows_core::reconcile::machine::needs_status_before_upload;
use waflows_core::reconcile::ownership::{agenda, claim_numbers, unowned_numbers};
use waflows_core::rollout::canary::Next;
use waflows_core::rollout::outcome::Outcome;
use waflows_core::rollout::plan::{Plan, Upload, plan};
use waflows_core::rollout::progress::Progress;
use waflows_core::schedule::due::{Due, due};
use waflows_core::status::summarize::summarize;
use waflows_core::store::store::Change;
use waflows_core::upload::UploadReason;
use waflows_core::upload::{UploadAnswer, Uploaded};
use waflows_operator::controller::queue::Urgency;

use crate::objects::{key, key_number, object_key, reported, resource_number, secrets, transient};
use crate::setup::{Mutation, Setup};
use crate::world::{CALL_TIMEOUT, Entry, InFlight, Round, World};

impl World {
    /// Whether the process may begin something new, as far as the Lease goes.
    pub(crate) fn leads(&self, setup: &Setup, replica: usize) -> bool {
        let replica = &self.replicas[replica];
        let is_current = replica.election.as_ref().is_none_or(|election| {
            election.leads(self.clock()) || (setup.has(Mutation::IgnoreExpiry) && election.leads_until().is_some())
        });
        replica.term.is_some() && is_current
    }

    fn has_permit(&self, setup: &Setup, replica: usize, round: &Round) -> bool {
        self.may_write(setup, replica, round) && (!round.is_revoked || setup.has(Mutation::IgnoreChanges))
    }

    fn may_write(&self, setup: &Setup, replica: usize, round: &Round) -> bool {
        self.leads(setup, replica) && !round.is_orphaned
    }

    /// The queue hands out a resource: everything up to the plan.
    pub(crate) fn begin(&mut self, setup: &Setup, replica: usize, x: usize) {
        self.replicas[replica].queue[x] = Entry::default();
        let name = object_key(x);
        let store = Arc::clone(&self.replicas[replica].store);
        // The same as `store.resource`, and far faster than to unpack it.
        let Some(resource) = self.replicas[replica].known[x].clone() else { return };
        let unowned = unowned_numbers(&store, &resource, &name, self.now);
        let due = due(&resource, &store.referenced_secrets(&resource), setup.interval, self.now);
        let agenda = match agenda(due, unowned) {
            Due::Later(next) => {
                self.replicas[replica].queue[x].timer = next;
                return;
            }
            Due::Now(agenda) => agenda,
        };
        let mut observation =
            self.observe(x, Observation::new(resource, agenda, setup.interval, setup.waits(), self.now));
        claim_numbers(Arc::make_mut(&mut self.replicas[replica].store), &mut observation, &name);
        let plan = planned(setup, &observation);
        let round = Round {
            written: Arc::clone(&observation.resource),
            waiting: plan.uploads.clone(),
            in_flight: None,
            outcomes: Vec::new(),
            in_canary: plan.is_canary && !setup.has(Mutation::SkipTrial),
            is_revoked: false,
            is_orphaned: false,
            observation: Arc::new(observation),
            plan: Arc::new(plan),
        };
        let announces = needs_status_before_upload(&round.observation, &round.plan);
        let status = announces.then(|| summarize(&round.observation, &[], Progress::Underway, self.now).status);
        self.replicas[replica].rounds[x] = Some(round);
        if let Some(status) = status {
            self.write(setup, replica, x, status);
        }
    }

    fn observe(&mut self, x: usize, mut observation: Observation) -> Observation {
        if observation.agenda.inputs {
            let (n, version) = self.keys[x];
            let missing =
                conditions::ConditionReason::new(conditions::Reason::SecretNotFound, "The Secret is not there.");
            observation.inputs = Some(Inputs {
                key: n.map(|n| key(n).clone()).ok_or(missing),
                credentials: Ok(()),
                secrets: secrets(x, version, n.is_some()),
            });
        }
        if observation.can_ask() {
            let due = observation.agenda.numbers.clone();
            for number in observation.numbers.iter_mut().filter(|n| due.contains(&n.before.phone_number_id)) {
                number.reading = self.read(x, number.before.phone_number_id.parse().unwrap());
            }
        }
        observation
    }

    fn read(&mut self, x: usize, number: usize) -> Reading {
        let line = &self.lines[number];
        if line.is_down {
            return Reading::Failed { error: transient(), at: self.now };
        }
        let (key, signed) = line.shown();
        self.history.tell(x, number, key, signed);
        Reading::Answered { reported: reported(key, signed), at: self.now }
    }

    /// The next upload begins, or none where the permit is revoked.
    pub(crate) fn send(&mut self, setup: &Setup, replica: usize, x: usize) {
        let Some(mut round) = self.replicas[replica].rounds[x].take() else { return };
        if self.has_permit(setup, replica, &round) {
            let upload = round.waiting.remove(0);
            let key = uploaded_key(&round);
            // Much can change while an upload waits for its turn.
            let store = &self.replicas[replica].store;
            let wanted = round.observation.expected();
            let ownership = store.owner(&upload.phone_number_id, &object_key(x), wanted, self.now);
            if ownership == Ownership::Uncontested || setup.has(Mutation::IgnoreOwnership) {
                self.judge_upload(replica, x, upload.phone_number_id.parse().unwrap(), key);
                round.in_flight = Some(InFlight { upload, sent: self.now, has_arrived: false, is_given_up: false });
            }
        } else {
            round.waiting.clear();
        }
        self.replicas[replica].rounds[x] = Some(round);
    }

    /// The upload reaches Meta.
    pub(crate) fn arrive(&mut self, replica: usize, x: usize, lags: bool) {
        let Some(round) = &mut self.replicas[replica].rounds[x] else { return };
        let key = uploaded_key(round);
        let Some(in_flight) = &mut round.in_flight else { return };
        let line = &mut self.lines[in_flight.upload.phone_number_id.parse::<usize>().unwrap()];
        if line.is_down {
            in_flight.is_given_up = true;
            return;
        }
        in_flight.has_arrived = true;
        line.stale = lags.then_some((line.key, line.signed, self.now));
        line.upload(key);
    }

    /// The upload is over and read back.
    pub(crate) fn answer(&mut self, setup: &Setup, replica: usize, x: usize) {
        let Some(mut round) = self.replicas[replica].rounds[x].take() else { return };
        if let Some(in_flight) = round.in_flight.take() {
            let failed = in_flight.is_given_up || self.since(in_flight.sent) >= CALL_TIMEOUT;
            let may_be_crossed = self.replicas[replica].term.is_some_and(|(since, is_seized)| {
                is_seized && self.since(since) < setup.waits().after_unknown_outcome()
            });
            let upload = Uploaded {
                at: in_flight.sent,
                answer: if failed { UploadAnswer::Failed(transient()) } else { UploadAnswer::Accepted },
                may_be_crossed,
            };
            let number = in_flight.upload.phone_number_id.parse().unwrap();
            let after = if setup.has(Mutation::TrustUploads) && !failed {
                Reading::Answered { reported: reported(Some(uploaded_key(&round)), true), at: self.now }
            } else if self.may_write(setup, replica, &round) {
                self.read(x, number)
            } else {
                Reading::NotAsked
            };
            self.conclude(&mut round, in_flight.upload, upload, after);
        }
        self.replicas[replica].rounds[x] = Some(round);
    }

    fn conclude(&self, round: &mut Round, planned: Upload, upload: Uploaded, after: Reading) {
        let observation = &round.observation;
        let number = observation.number(&planned.phone_number_id).unwrap();
        let (outcome, next) = Outcome::judge(number, &observation.criteria(), planned.reason, upload, after, None);
        if round.in_canary {
            match next {
                Next::All => round.in_canary = false,
                Next::One => {}
                Next::None => round.waiting.clear(),
            }
        }
        round.outcomes.push(outcome);
    }

    /// The round is summed up, and its status written.
    pub(crate) fn finish(&mut self, setup: &Setup, replica: usize, x: usize) {
        let Some(round) = self.replicas[replica].rounds[x].clone() else { return };
        let is_permitted = self.has_permit(setup, replica, &round);
        let progress = Progress::of(is_permitted, &round.observation, &round.plan, &round.outcomes);
        let mut summary = summarize(&round.observation, &round.outcomes, progress, self.now);
        break_status(setup, &round, &mut summary.status);
        let next = summary.next.filter(|_| !setup.has(Mutation::ForgetNextRound));
        let is_stored = self.write(setup, replica, x, summary.status);
        if !is_stored {
            // Nobody knows of its uploads any more.
            round.outcomes.iter().for_each(|it| self.history.call_for(it.phone_number_id.parse().unwrap()));
        }
        let state = &mut self.replicas[replica];
        Arc::make_mut(&mut state.store).finish_round(&object_key(x));
        state.rounds[x] = None;
        if is_stored && next.is_some() {
            state.queue[x].timer = next;
        }
    }

    /// Stores the status if it is still that process's to write. False where it is dropped.
    fn write(&mut self, setup: &Setup, replica: usize, x: usize, mut status: FlowsEncryptionKeyStatus) -> bool {
        let Some(round) = self.replicas[replica].rounds[x].as_ref() else { return false };
        let may_write = self.may_write(setup, replica, round) || setup.has(Mutation::WriteAsFollower);
        let mut written = Arc::clone(&round.written);
        let shown = written.status.as_ref().map(|shown| shown.conditions.as_slice()).unwrap_or_default();
        conditions::follow(shown, &mut status.conditions, self.now);
        if written.status.as_ref() == Some(&status) {
            return true;
        }
        let Some(current) = self.resources[x].clone() else { return false };
        if !may_write {
            return false;
        }
        if current.metadata.resource_version != written.metadata.resource_version {
            if current.status != written.status {
                self.learn(replica, x);
                self.enqueue(replica, x, Urgency::Changed);
                return false;
            }
            written = current;
        }
        let mut stored = FlowsEncryptionKey { status: Some(status), ..FlowsEncryptionKey::clone(&written) };
        renew_version(&mut stored);
        let stored = Arc::new(stored);
        self.resources[x] = Some(Arc::clone(&stored));
        if let Some(round) = &mut self.replicas[replica].rounds[x] {
            round.written = stored;
        }
        self.judge_status(replica, x);
        self.learn(replica, x);
        true
    }

    /// The process sees the resource as it is now.
    pub(crate) fn learn(&mut self, replica: usize, x: usize) {
        let now = self.now;
        let state = &mut self.replicas[replica];
        let before = std::mem::replace(&mut state.known[x], self.resources[x].clone());
        let store = Arc::make_mut(&mut state.store);
        let change = match &self.resources[x] {
            Some(resource) => store.apply_resource(resource, now),
            None => Change { spec_changed: false, vacated: store.delete_resource(&object_key(x), now) },
        };
        if change.vacated.is_some() {
            let status = before.and_then(|before| before.status.clone());
            state.vacated[x] = Some((now, status.and_then(|status| status.public_key_fingerprint)));
        }
        if change.spec_changed {
            self.enqueue(replica, x, Urgency::Changed);
        }
        for contender in change.vacated.iter().flat_map(|vacated| &vacated.contenders) {
            self.enqueue(replica, resource_number(contender), Urgency::Due);
        }
    }

    /// The resource is queued; a round of it under way learns of a change.
    pub(crate) fn enqueue(&mut self, replica: usize, x: usize, urgency: Urgency) {
        let state = &mut self.replicas[replica];
        let entry = &mut state.queue[x];
        entry.queued = entry.queued.max(Some(urgency));
        if let Some(round) = state.rounds[x].as_mut().filter(|_| urgency == Urgency::Changed) {
            round.is_revoked = true;
        }
    }
}

/// The key that the round uploads.
pub(crate) fn uploaded_key(round: &Round) -> usize {
    round.observation.key().and_then(|key| key_number(&key.fingerprint().to_string())).unwrap()
}

/// The resource changes in the API server.
pub(crate) fn renew_version(resource: &mut FlowsEncryptionKey) {
    let version = resource.metadata.resource_version.as_ref().and_then(|version| version.parse::<u64>().ok());
    resource.metadata.resource_version = Some((version.unwrap_or_default() + 1).to_string());
}

fn planned(setup: &Setup, observation: &Observation) -> Plan {
    let mut seen = observation.clone();
    match setup.mutation {
        Some(Mutation::IgnoreOwnership) => {
            seen.numbers.iter_mut().for_each(|number| number.ownership = Default::default());
        }
        Some(Mutation::IgnoreMode) => Arc::make_mut(&mut seen.resource).spec.mode = Mode::Enforce,
        Some(Mutation::UploadAlways) => {
            let read = seen.numbers.iter().filter(|number| matches!(number.reading, Reading::Answered { .. }));
            let uploads = read.map(|number| Upload {
                phone_number_id: number.before.phone_number_id.clone(),
                reason: UploadReason::Missing,
            });
            return Plan { uploads: uploads.filter(|_| seen.key().is_some()).collect(), is_canary: false };
        }
        _ => return plan(observation),
    }
    plan(&seen)
}

fn break_status(setup: &Setup, round: &Round, status: &mut FlowsEncryptionKeyStatus) {
    match setup.mutation {
        Some(Mutation::ForgetAttempts) => status.phone_numbers.iter_mut().for_each(|n| n.upload_attempts = 0),
        Some(Mutation::KeepReady) => {
            let before = round.written.status.as_ref().map(|before| before.conditions.as_slice()).unwrap_or_default();
            if conditions::find(before, conditions::ConditionType::Ready).is_some_and(|ready| ready.status == "True") {
                status.conditions = before.to_vec();
            }
        }
        Some(Mutation::StallWhileReconciling) => {
            let reconciling = conditions::find(&status.conditions, conditions::ConditionType::Reconciling).cloned();
            status.conditions.extend(reconciling.map(|mut condition| {
                condition.type_ = "Stalled".into();
                condition
            }));
        }
        _ => {}
    }
}
