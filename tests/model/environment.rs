//! What happens around the operator: people, Meta, other writers, time, and the ends of processes.

use std::sync::Arc;
use std::time::Duration;

use jiff::{RoundMode, TimestampRound};
use waflows_core::api::crd::{ABORT_ANNOTATION, FlowsEncryptionKey, Mode, PROCEED_ANNOTATION, SYNC_ANNOTATION};
use waflows_core::queue::Urgency;
use waflows_operator::leader::election::{Action as Step, Outcome};
use waflows_operator::leader::record::{Claim, Record};

use crate::objects::{FOREIGN, key_secret, second_key, secret_metadata, secrets};
use crate::reconcile::{renew_version, uploaded_key};
use crate::setup::Setup;
use crate::world::{Entry, Ghost, LATEST_ARRIVAL, LONGEST_LAG, RunningReconcile, World};

/// The step of time where two processes compete: half the renew deadline, a third of the Lease's duration.
pub(crate) const STEP: Duration = Duration::from_secs(5);

/// How a request about the Lease ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    /// It took effect, and the sender does not know.
    AnswerLost,
    /// It had no effect, and the sender does not know.
    RequestLost,
}

impl World {
    /// Someone else writes a key of theirs.
    pub(crate) fn write_foreign(&mut self, number: usize) {
        let line = &mut self.lines[number];
        (line.key, line.signed, line.stale) = (Some(FOREIGN), true, None);
        self.history.call_for(number);
    }

    /// Meta loses its signature.
    pub(crate) fn lose_signature(&mut self, number: usize) {
        let line = &mut self.lines[number];
        (line.signed, line.stale) = (false, None);
        self.history.call_for(number);
    }

    /// The Secret gets another key, or goes.
    pub(crate) fn set_key(&mut self, x: usize, key: Option<usize>) {
        self.keys[x] = (key, self.keys[x].1 + 1);
        self.history.call_for_all();
        let secrets = secrets(x, self.keys[x].1, key.is_some());
        for replica in 0..self.replicas.len() {
            let store = Arc::make_mut(&mut self.replicas[replica].store);
            let mut concerned: Vec<_> =
                secrets.iter().flat_map(|secret| store.apply_secret(&secret_metadata(secret))).collect();
            if key.is_none() {
                concerned.extend(store.delete_secret(&key_secret(x)));
            }
            for resource in concerned {
                self.enqueue(replica, crate::objects::resource_number(&resource), Urgency::Changed);
            }
        }
    }

    fn edit(&mut self, x: usize, change: impl FnOnce(&mut FlowsEncryptionKey)) {
        let Some(resource) = &self.resources[x] else { return };
        let mut resource = FlowsEncryptionKey::clone(resource);
        change(&mut resource);
        renew_version(&mut resource);
        self.resources[x] = Some(Arc::new(resource));
        self.history.call_for_all();
        (0..self.replicas.len()).for_each(|replica| self.learn(replica, x));
    }

    pub(crate) fn toggle_suspend(&mut self, x: usize) {
        self.edit(x, |resource| {
            resource.spec.suspend = (resource.spec.suspend != Some(true)).then_some(true);
            *resource.metadata.generation.get_or_insert_default() += 1;
        });
    }

    pub(crate) fn toggle_mode(&mut self, x: usize) {
        self.edit(x, |resource| {
            resource.spec.mode = if resource.spec.mode == Mode::Enforce { Mode::Observe } else { Mode::Enforce };
            *resource.metadata.generation.get_or_insert_default() += 1;
        });
    }

    pub(crate) fn request_sync(&mut self, x: usize) {
        self.annotate(x, SYNC_ANNOTATION, self.budget.sync_requests);
    }

    pub(crate) fn abort(&mut self, x: usize) {
        self.annotate(x, ABORT_ANNOTATION, self.budget.aborts);
    }

    pub(crate) fn proceed(&mut self, x: usize) {
        self.annotate(x, PROCEED_ANNOTATION, self.budget.proceeds);
    }

    fn annotate(&mut self, x: usize, annotation: &str, value: u8) {
        self.edit(x, |resource| {
            resource.metadata.annotations.get_or_insert_default().insert(annotation.into(), value.to_string());
        });
    }

    /// A pod of the endpoint is replaced by one with other keys.
    pub(crate) fn change_keys(&mut self, target: usize, keys: [bool; 2]) {
        let keys = [0, second_key(0)].into_iter().zip(keys).filter(|(_, has)| *has).map(|(key, _)| key);
        self.targets[target] = keys.collect();
        self.history.call_for_all();
    }

    pub(crate) fn delete(&mut self, x: usize) {
        self.resources[x] = None;
        self.history.call_for_all();
        for replica in 0..self.replicas.len() {
            self.learn(replica, x);
            let state = &mut self.replicas[replica];
            state.queue[x] = Entry::default();
            if let Some(reconcile) = &mut state.reconciles[x] {
                reconcile.is_revoked = true;
            }
        }
    }

    /// The process ends, and another starts. What it had sent may still arrive.
    pub(crate) fn crash(&mut self, setup: &Setup, replica: usize) {
        for x in 0..self.resources.len() {
            self.leave_behind(replica, x);
        }
        self.history.lives += 1;
        self.history.call_for_all();
        self.replicas[replica] = self.started(setup, replica, self.history.lives);
    }

    /// Nobody waits for the upload under way any more.
    pub(crate) fn leave_behind(&mut self, replica: usize, x: usize) {
        let Some(reconcile) = &mut self.replicas[replica].reconciles[x] else { return };
        let key = uploaded_key_if_any(reconcile);
        let Some(in_flight) = &mut reconcile.in_flight else { return };
        in_flight.is_given_up = true;
        if let Some(key) =
            key.filter(|_| !in_flight.has_arrived && self.ghost.is_none() && self.budget.late_arrivals > 0)
        {
            self.budget.late_arrivals -= 1;
            let number = in_flight.upload.phone_number_id.parse().unwrap();
            self.ghost = Some(Ghost { number, key, sent: in_flight.sent });
        }
    }

    /// The upload that nobody waits for takes effect.
    pub(crate) fn arrive_late(&mut self) {
        if let Some(ghost) = self.ghost.take() {
            self.lines[ghost.number].upload(ghost.key);
            self.lines[ghost.number].stale = None;
            self.history.call_for(ghost.number);
        }
    }

    /// The next time at which something happens by itself, once the processes have done all their work.
    pub(crate) fn next_event(&self) -> Option<jiff::Timestamp> {
        let timers = self.replicas.iter().flat_map(|replica| replica.queue.iter().filter_map(|entry| entry.timer));
        let ghost = self.ghost.iter().map(|ghost| ghost.sent + LATEST_ARRIVAL);
        let lags = self.lines.iter().filter_map(|line| Some(line.stale?.2 + LONGEST_LAG));
        let probes = self.replicas.iter().flat_map(|replica| replica.probing.iter().filter_map(|it| it.timer));
        timers.chain(probes).chain(ghost).chain(lags).filter(|at| *at > self.now).min()
    }

    /// Time goes by.
    pub(crate) fn pass_until(&mut self, time: jiff::Timestamp) {
        let round = TimestampRound::new().smallest(self.grain).mode(RoundMode::Ceil);
        let now = time.round(round).unwrap();
        self.now = now;
        for line in &mut self.lines {
            line.stale = line.stale.filter(|(.., since)| now < *since + LONGEST_LAG);
        }
    }

    /// Whether time may go by: a late upload must arrive before the latest time.
    pub(crate) fn may_pass(&self) -> bool {
        self.ghost.as_ref().is_none_or(|ghost| self.since(ghost.sent) < LATEST_ARRIVAL)
    }

    /// Whether a process has something to do at once.
    pub(crate) fn is_busy(&self) -> bool {
        self.replicas.iter().any(|replica| {
            let is_ready = replica.queue.iter().any(|entry| entry.is_ready(self.now));
            let has_probe = replica.probing.iter().any(|probing| probing.is_due(self.now));
            is_ready || has_probe || replica.reconciles.iter().any(Option::is_some)
        })
    }

    /// The process does what its election says, up to the next wait.
    pub(crate) fn elect(&mut self, replica: usize, fate: Fate) {
        let Some(mut election) = self.replicas[replica].election.take() else { return };
        let clock = self.clock();
        loop {
            let is_seized = election.other_holder().is_some();
            let step = election.next(clock, self.now);
            let served = match &step {
                Step::Wait(_) | Step::Done => break,
                Step::StepDown => {
                    self.end_term(replica);
                    continue;
                }
                Step::Read => Outcome::Found(self.lease.clone()),
                Step::Create(_) | Step::Replace { .. } if fate == Fate::RequestLost => Outcome::Failed,
                Step::Create(claim) => self.serve(None, claim),
                Step::Replace { version, claim } => self.serve(Some(version), claim),
            };
            let is_lost = fate == Fate::AnswerLost && !matches!(step, Step::Read);
            election.handle(if is_lost { Outcome::Failed } else { served }, clock, clock);
            if election.leads_until().is_some() && self.replicas[replica].term.is_none() {
                self.replicas[replica].term = Some((self.now, is_seized));
                (0..self.resources.len()).for_each(|x| self.enqueue(replica, x, Urgency::Due));
            }
        }
        self.replicas[replica].election = Some(election);
    }

    /// Whether the election has something to do but wait.
    pub(crate) fn has_election_step(&self, replica: usize) -> bool {
        let election = self.replicas[replica].election.clone();
        election.is_some_and(|mut election| !matches!(election.next(self.clock(), self.now), Step::Wait(_)))
    }

    fn end_term(&mut self, replica: usize) {
        let state = &mut self.replicas[replica];
        state.term = None;
        for reconcile in state.reconciles.iter_mut().flatten() {
            (reconcile.is_revoked, reconcile.is_orphaned) = (true, true);
        }
    }

    fn serve(&mut self, version: Option<&String>, claim: &Claim) -> Outcome {
        match (&self.lease, version) {
            (Some(lease), version) if Some(&lease.version) != version => return Outcome::Conflict,
            (None, Some(_)) => return Outcome::Found(None),
            _ => {}
        }
        let number = self.lease.as_ref().map_or(0, |lease| lease.version.parse::<u32>().unwrap());
        let record = Record {
            version: (number + 1).to_string(),
            holder: Some(claim.holder.clone()).filter(|holder| !holder.is_empty()),
            duration: Some(Duration::from_secs(claim.duration_seconds.unsigned_abs().into())),
            acquired: Some(claim.acquired),
            transitions: claim.transitions,
        };
        self.lease = Some(record.clone());
        Outcome::Written(record)
    }

    /// Whether a process has not seen the resource as it is now.
    pub(crate) fn is_behind(&self, replica: usize, x: usize) -> bool {
        let version = |resource: &Option<Arc<FlowsEncryptionKey>>| {
            resource.as_ref().map(|resource| resource.metadata.resource_version.clone())
        };
        version(&self.replicas[replica].cached[x]) != version(&self.resources[x])
    }
}

fn uploaded_key_if_any(reconcile: &RunningReconcile) -> Option<usize> {
    reconcile.in_flight.is_some().then(|| uploaded_key(reconcile))
}
