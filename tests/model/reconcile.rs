//! The steps of a reconcile. The operator's own code makes every decision. The code here takes the place of the
//! operator's driver, one step at a time.

use std::sync::Arc;

use waflows_core::api::conditions;
use waflows_core::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeyStatus, Mode};
use waflows_core::number::{Ownership, Reading};
use waflows_core::observation::{Inputs, NumberReading, Observation};
use waflows_core::queue::Urgency;
use waflows_core::reconcile::action::{Action, Event};
use waflows_core::reconcile::claim_numbers::claim_numbers;
use waflows_core::reconcile::machine::{Reconcile, Settings};
use waflows_core::reconcile::work_due::work_due;
use waflows_core::rollout::plan::{Plan, Upload, plan};
use waflows_core::rollout::uploads::UploadCall;
use waflows_core::schedule::due::Schedule;
use waflows_core::store::store::Change;
use waflows_core::upload::{UploadAnswer, UploadReason, Uploaded};

use crate::endpoint::open_everything;
use crate::objects::{key, key_number, object_key, reported, resource_number, secrets, transient};
use crate::setup::{Mutation, Setup};
use crate::world::{CALL_TIMEOUT, Entry, InFlight, Replica, RunningReconcile, World};

impl World {
    /// Whether the process may begin something new, as far as the Lease goes.
    pub(crate) fn leads(&self, setup: &Setup, replica: usize) -> bool {
        let replica = &self.replicas[replica];
        let is_current = replica.election.as_ref().is_none_or(|election| {
            election.leads(self.clock()) || (setup.has(Mutation::IgnoreExpiry) && election.leads_until().is_some())
        });
        replica.term.is_some() && is_current
    }

    fn has_valid_fence(&self, setup: &Setup, replica: usize, reconcile: &RunningReconcile) -> bool {
        self.may_write(setup, replica, reconcile) && (!reconcile.is_revoked || setup.has(Mutation::IgnoreChanges))
    }

    fn may_write(&self, setup: &Setup, replica: usize, reconcile: &RunningReconcile) -> bool {
        self.leads(setup, replica) && !reconcile.is_orphaned
    }

    /// The queue hands out a resource: everything up to the uploads.
    pub(crate) fn begin(&mut self, setup: &Setup, replica: usize, x: usize) {
        self.replicas[replica].queue[x] = Entry::default();
        let store = Arc::clone(&self.replicas[replica].store);
        // The same resource as in the store, which would have to unpack it.
        let Some(resource) = self.replicas[replica].cached[x].clone() else { return };
        let due = work_due(&store, &resource, &store.referenced_secrets(&resource), setup.interval, self.now);
        let due = self.due_with_endpoint(setup, replica, x, due);
        let work = match due {
            Schedule::Later(next) => {
                self.replicas[replica].queue[x].timer = next;
                return;
            }
            Schedule::Now(work) => work,
        };
        let settings = Settings { interval: setup.interval, waits: setup.waits(), owes_status: false };
        let mut proof = self.replicas[replica].probing[x].proof.clone();
        if setup.has(Mutation::IgnoreEndpoint) {
            proof.iter_mut().for_each(|proof| open_everything(Arc::make_mut(proof)));
        }
        let machine = Reconcile::new(resource, work, settings, self.now).with_proof(proof);
        let reconcile = RunningReconcile { machine, in_flight: None, is_revoked: false, is_orphaned: false };
        self.replicas[replica].reconciles[x] = Some(reconcile);
        while let Some(action) = self.next_before_uploads(replica, x) {
            self.prepare(setup, replica, x, action);
        }
    }

    /// What the reconcile does next before its uploads. None once the uploads may begin, or if the reconcile is over.
    fn next_before_uploads(&mut self, replica: usize, x: usize) -> Option<Action> {
        let machine = &mut self.replicas[replica].reconciles[x].as_mut()?.machine;
        if machine.uploads().is_some() { None } else { machine.next(self.now) }
    }

    fn prepare(&mut self, setup: &Setup, replica: usize, x: usize, action: Action) {
        let event = match action {
            Action::ReadSecrets => Event::SecretsRead(self.inputs(x)),
            Action::ReadNumber { position, phone_number_id } => {
                let reading = self.read(x, phone_number_id.parse().unwrap());
                Event::NumberRead(NumberReading { position, reading, refusal: None })
            }
            Action::ClaimNumbers => {
                let Replica { reconciles, store, .. } = &mut self.replicas[replica];
                let claim = |observation: &mut Observation| claim_numbers(Arc::make_mut(store), observation);
                let Some(reconcile) = &mut reconciles[x] else { return };
                reconcile.machine.claim_numbers_by(claim, |observation| planned(setup, observation), self.now);
                return;
            }
            Action::WriteStatus(write) => match self.write(setup, replica, x, write.status) {
                true => return,
                false => Event::StatusDropped,
            },
            Action::Done(_) => return self.end(replica, x),
            // No resource of the model has an account.
            Action::ListAccount { .. } | Action::Upload(_) | Action::ReadBack(_) | Action::Publish(_) => {
                panic!("{action:?} before the uploads")
            }
        };
        self.handle(replica, x, event);
    }

    /// Whether the event completed an upload.
    fn handle(&mut self, replica: usize, x: usize, event: Event) -> bool {
        let now = self.now;
        let reconcile = self.replicas[replica].reconciles[x].as_mut();
        reconcile.is_some_and(|reconcile| reconcile.machine.handle(event, now).is_some())
    }

    fn inputs(&self, x: usize) -> Inputs {
        let (n, version) = self.keys[x];
        let missing = conditions::ConditionReason::new(conditions::Reason::SecretNotFound, "The Secret is not there.");
        Inputs {
            key: n.map(|n| key(n).clone()).ok_or(missing),
            credentials: Ok(()),
            secrets: secrets(x, version, n.is_some()),
        }
    }

    fn read(&mut self, x: usize, number: usize) -> Reading {
        let line = &self.lines[number];
        if line.is_down {
            return Reading::Failed { error: transient(), at: self.now };
        }
        let (key, signed) = line.shown();
        self.history.note_answer(x, number, key, signed);
        Reading::Answered { reported: reported(key, signed), at: self.now }
    }

    /// The next upload begins, or none where the fence is revoked.
    pub(crate) fn send(&mut self, setup: &Setup, replica: usize, x: usize) {
        let Some(mut reconcile) = self.replicas[replica].reconciles[x].take() else { return };
        if !self.has_valid_fence(setup, replica, &reconcile) {
            reconcile.machine.revoke();
        } else if let Some(Action::Upload(upload)) = reconcile.machine.next(self.now) {
            // Much can change while an upload waits for its turn.
            let store = &self.replicas[replica].store;
            let wanted = reconcile.machine.observation().expected();
            let ownership = store.owner(&upload.phone_number_id, &object_key(x), wanted, self.now);
            if ownership == Ownership::Uncontested || setup.has(Mutation::IgnoreOwnership) {
                self.judge_upload(replica, x, upload.phone_number_id.parse().unwrap(), uploaded_key(&reconcile));
                reconcile.in_flight = Some(InFlight { upload, sent: self.now, has_arrived: false, is_given_up: false });
            } else {
                let event = Event::Uploaded { phone_number_id: upload.phone_number_id, call: None };
                reconcile.machine.handle(event, self.now);
            }
        }
        self.replicas[replica].reconciles[x] = Some(reconcile);
    }

    /// The upload reaches Meta.
    pub(crate) fn arrive(&mut self, replica: usize, x: usize, lags: bool) {
        let Some(reconcile) = &mut self.replicas[replica].reconciles[x] else { return };
        let key = uploaded_key(reconcile);
        let Some(in_flight) = &mut reconcile.in_flight else { return };
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
        let Some(reconcile) = &mut self.replicas[replica].reconciles[x] else { return };
        let Some(in_flight) = reconcile.in_flight.take() else { return };
        let key = uploaded_key(reconcile);
        let failed = in_flight.is_given_up || self.since(in_flight.sent) >= CALL_TIMEOUT;
        let may_be_crossed = self.replicas[replica]
            .term
            .is_some_and(|(since, is_seized)| is_seized && self.since(since) < setup.waits().after_unknown_outcome());
        let answer = if failed { UploadAnswer::Failed(transient()) } else { UploadAnswer::Accepted };
        let phone_number_id = in_flight.upload.phone_number_id;
        let number = phone_number_id.parse().unwrap();
        let call = UploadCall { uploaded: Uploaded { at: in_flight.sent, answer, may_be_crossed }, refusal: None };
        let mut event = Event::Uploaded { phone_number_id: phone_number_id.clone(), call: Some(call) };
        while !self.handle(replica, x, event) {
            let Some(reconcile) = &mut self.replicas[replica].reconciles[x] else { return };
            let Some(Action::ReadBack(_)) = reconcile.machine.next(self.now) else { return };
            let reconcile = self.replicas[replica].reconciles[x].clone().unwrap();
            let reading = if setup.has(Mutation::TrustUploads) && !failed {
                Reading::Answered { reported: reported(Some(key), true), at: self.now }
            } else if self.may_write(setup, replica, &reconcile) {
                self.read(x, number)
            } else {
                Reading::NotAsked
            };
            event = Event::ReadBack { phone_number_id: phone_number_id.clone(), reading, refusal: None };
        }
    }

    /// The reconcile is summed up, and its status written.
    pub(crate) fn finish(&mut self, setup: &Setup, replica: usize, x: usize) {
        let Some(mut reconcile) = self.replicas[replica].reconciles[x].take() else { return };
        if !self.has_valid_fence(setup, replica, &reconcile) {
            reconcile.machine.revoke();
        }
        let Some(Action::WriteStatus(mut write)) = reconcile.machine.next(self.now) else {
            panic!("a status to write")
        };
        break_status(setup, &reconcile, &mut write.status);
        let next = reconcile.machine.summary().and_then(|summary| summary.next);
        let next = next.filter(|_| !setup.has(Mutation::ForgetNextReconcile));
        let uploaded: Vec<_> = reconcile.machine.outcomes().iter().map(|it| it.phone_number_id.clone()).collect();
        self.replicas[replica].reconciles[x] = Some(reconcile);
        let is_stored = self.write(setup, replica, x, write.status);
        if !is_stored {
            // Nobody knows of its uploads any more.
            uploaded.iter().for_each(|id| self.history.call_for(id.parse().unwrap()));
        }
        self.end(replica, x);
        if is_stored {
            self.follow(setup, replica, x);
            self.replicas[replica].queue[x].timer = next;
        }
    }

    fn end(&mut self, replica: usize, x: usize) {
        let state = &mut self.replicas[replica];
        Arc::make_mut(&mut state.store).finish_reconcile(&object_key(x));
        state.reconciles[x] = None;
    }

    /// Stores the status if the process may still write it. False if the status is dropped.
    fn write(&mut self, setup: &Setup, replica: usize, x: usize, status: FlowsEncryptionKeyStatus) -> bool {
        let Some(reconcile) = self.replicas[replica].reconciles[x].as_ref() else { return false };
        let may_write = self.may_write(setup, replica, reconcile) || setup.has(Mutation::WriteAsFollower);
        let mut written = Arc::clone(reconcile.machine.stored());
        if written.status.as_ref() == Some(&status) {
            self.handle(replica, x, Event::StatusStored(written));
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
        self.handle(replica, x, Event::StatusStored(stored));
        self.judge_status(replica, x);
        self.learn(replica, x);
        true
    }

    /// The process sees the resource as it is now.
    pub(crate) fn learn(&mut self, replica: usize, x: usize) {
        let now = self.now;
        let state = &mut self.replicas[replica];
        let before = std::mem::replace(&mut state.cached[x], self.resources[x].clone());
        let store = Arc::make_mut(&mut state.store);
        let change = match &self.resources[x] {
            Some(resource) => store.apply_resource(resource, now),
            None => Change { spec_changed: false, released: store.delete_resource(&object_key(x), now) },
        };
        if change.released.is_some() {
            let status = before.and_then(|before| before.status.clone());
            state.released[x] = Some((now, status.and_then(|status| status.public_key_fingerprint)));
        }
        if change.spec_changed {
            self.enqueue(replica, x, Urgency::Changed);
        }
        for claimant in change.released.iter().flatten() {
            self.enqueue(replica, resource_number(claimant), Urgency::Due);
        }
    }

    /// The resource is queued. After a change, the reconcile under way is revoked.
    pub(crate) fn enqueue(&mut self, replica: usize, x: usize, urgency: Urgency) {
        let state = &mut self.replicas[replica];
        let entry = &mut state.queue[x];
        entry.queued = entry.queued.max(Some(urgency));
        if let Some(reconcile) = state.reconciles[x].as_mut().filter(|_| urgency == Urgency::Changed) {
            reconcile.is_revoked = true;
        }
    }
}

/// The key that the reconcile uploads.
pub(crate) fn uploaded_key(reconcile: &RunningReconcile) -> usize {
    reconcile.machine.observation().key().and_then(|key| key_number(&key.fingerprint().to_string())).unwrap()
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
            return Plan { uploads: uploads.filter(|_| seen.key().is_some()).collect(), ..Plan::default() };
        }
        Some(Mutation::SkipCanary) => return Plan { is_canary: false, ..plan(observation) },
        _ => return plan(observation),
    }
    plan(&seen)
}

fn break_status(setup: &Setup, reconcile: &RunningReconcile, status: &mut FlowsEncryptionKeyStatus) {
    match setup.mutation {
        Some(Mutation::ForgetAttempts) => status.phone_numbers.iter_mut().for_each(|n| n.upload_attempts = 0),
        Some(Mutation::KeepReady) => {
            let before = reconcile
                .machine
                .stored()
                .status
                .as_ref()
                .map(|before| before.conditions.as_slice())
                .unwrap_or_default();
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
