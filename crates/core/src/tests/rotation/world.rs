//! One resource, its numbers at Meta, its endpoint and its clients, in simulated time. The reconciles are those of the
//! operator; what asks the endpoint and wakes the resource is played here.

use fastrand::Rng;

use super::super::meta::{Model, number_of};
use super::super::player;
use super::super::*;
use super::clients::Clients;
use crate::api::crd::{Endpoint, EndpointService, Gate, Rotation, RotationPhase, RotationStatus};
use crate::endpoint::{ProbeFinding, ProbeOutcome};
use crate::number::Ownership;
use crate::proof::{EndpointProof, ProbeKeys, TargetProof};
use crate::reconcile::action::{Action, Event};
use crate::reconcile::machine::{Reconcile, Settings};
use crate::reconcile::work_due::{urgency_after_proof, with_rotation};
use crate::status::summarize::MIN_PAUSE;

/// Key numbers.
pub(super) const OLD: usize = 1;
pub(super) const NEW: usize = 2;
pub(super) const IDS: [&str; 3] = ["1", "2", "3"];

/// Time between two requests of clients, in seconds.
const TRAFFIC: i64 = 5;

/// A pod of the endpoint.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) keys: Vec<usize>,
    pub(super) answers_421: bool,
    pub(super) is_silent: bool,
}

impl Target {
    pub(super) fn opens(&self, key: usize) -> bool {
        self.keys.contains(&key) && !self.is_silent
    }

    fn finding(&self, key: Option<usize>) -> ProbeFinding {
        let refused = match self.answers_421 {
            true => ProbeFinding::answered(ProbeOutcome::WrongKey, 421),
            false => ProbeFinding::answered(ProbeOutcome::BadStatus, 500),
        };
        match key {
            _ if self.is_silent => ProbeFinding::unanswered(ProbeOutcome::Unreachable),
            Some(key) if self.opens(key) => ProbeFinding::answered(ProbeOutcome::Proven, 200),
            Some(_) | None => refused,
        }
    }
}

/// What a proof depends on: the key, the keys of the rotation, the generation, the end of an overlap.
type Asked = (Option<String>, Option<[String; 2]>, Option<i64>, Option<Time>);

/// Everything there is.
#[derive(Clone)]
pub(super) struct World {
    pub(super) random: Rng,
    pub(super) now: Timestamp,
    pub(super) stage: Stage,
    pub(super) meta: Model,
    pub(super) targets: Vec<Target>,
    /// What users saw fail.
    pub(super) failures: Vec<String>,
    /// The reasons of the events.
    pub(super) events: Vec<&'static str>,
    /// A number that another resource owns.
    pub(super) of_another: Option<&'static str>,
    /// The process ends after so many actions of the next reconcile.
    pub(super) dies_after: Option<usize>,
    clients: Clients,
    pub(super) proof: Option<Arc<EndpointProof>>,
    failed_proofs: i32,
    asked: Option<Asked>,
    probe_at: Option<Timestamp>,
    wake_at: Option<Timestamp>,
}

/// A soak of ten minutes and an overlap of twenty.
pub(super) fn policy() -> Option<Rotation> {
    Some(Rotation { soak: Some("10m".into()), overlap: Some("20m".into()), ..Rotation::default() })
}

impl World {
    /// Two targets and three numbers with the old key, settled and proven.
    pub(super) fn new(seed: u64, rotation: Option<Rotation>) -> Self {
        let mut stage = Stage::new(&IDS);
        stage.key = Ok(key(OLD));
        stage.interval = 10 * MINUTE;
        let service = EndpointService { name: "flow-endpoint".into(), ..EndpointService::default() };
        stage.resource.spec.endpoint = Some(Endpoint { service: Some(service), ..Endpoint::default() });
        stage.resource.spec.rotation = rotation;
        let target =
            |name: &str| Target { name: format!("pod/{name}"), keys: vec![OLD], answers_421: true, is_silent: false };
        let mut world = Self {
            random: Rng::with_seed(seed),
            now: at(0),
            stage,
            meta: Model::new(&IDS),
            targets: vec![target("a"), target("b")],
            failures: Vec::new(),
            events: Vec::new(),
            of_another: None,
            dies_after: None,
            clients: Clients::default(),
            proof: None,
            failed_proofs: 0,
            asked: None,
            probe_at: None,
            wake_at: Some(at(0)),
        };
        world.pass(5 * MINUTE);
        assert_eq!((world.stage.ready(), world.meta.uploads()), ("AllNumbersValid", IDS.len()));
        world
    }

    /// Time goes by: clients send requests, the endpoint is asked, the operator works.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_secs(1);
            if self.probe_at.is_some_and(|at| at <= self.now) {
                self.probe();
            }
            if self.wake_at.is_some_and(|at| at <= self.now) {
                self.reconcile();
            }
            if self.now.as_second() % TRAFFIC == 0 {
                let failure = self.clients.request(&mut self.random, &self.meta, &self.targets, self.now);
                self.failures.extend(failure.map(|it| format!("{} s: {it}", self.now.duration_since(at(0)).as_secs())));
            }
        }
    }

    /// Time goes by until the condition holds.
    pub(super) fn pass_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let end = self.now + 24 * HOUR;
        while !is_so(self) {
            assert!(self.now < end, "never: {what}: {:#?}", self.stage.resource.status);
            self.pass(Duration::from_secs(1));
        }
    }

    /// Someone changes the resource or its Secrets.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Stage)) {
        change(&mut self.stage);
        self.wake_at = Some(self.now);
    }

    /// A person asks for something with an annotation.
    pub(super) fn annotate(&mut self, annotation: &str, value: impl ToString) {
        let (annotation, value) = (annotation.to_owned(), value.to_string());
        self.change(|stage| {
            stage.resource.metadata.annotations.get_or_insert_default().insert(annotation, value);
        });
    }

    /// The process ends, and another one takes over. It knows what is stored.
    pub(super) fn restart(&mut self) {
        (self.proof, self.asked, self.probe_at, self.failed_proofs) = (None, None, None, 0);
        self.wake_at = Some(self.now);
    }

    pub(super) fn rotation(&self) -> Option<&RotationStatus> {
        self.stage.resource.status.as_ref()?.rotation.as_ref()
    }

    pub(super) fn phase(&self) -> Option<RotationPhase> {
        self.rotation().map(|rotation| rotation.phase)
    }

    pub(super) fn holds(&self, key: usize) -> usize {
        self.meta.lines.values().filter(|line| line.is_valid(key)).count()
    }

    fn probe(&mut self) {
        self.probe_at = None;
        if self.stage.resource.spec.endpoint.is_none() {
            return;
        }
        let Some(keys) = self.stage.resource.status.as_ref().and_then(ProbeKeys::of) else {
            // Without a key nobody asks, until a reconcile stores one.
            (self.proof, self.asked) = (None, None);
            return;
        };
        let targets = self.targets.iter().map(|target| TargetProof {
            target: target.name.clone(),
            finding: target.finding(Some(number_of(&keys.key))),
            other: keys.other.as_ref().map(|key| target.finding(Some(number_of(key)))),
            unknown_key: (!target.is_silent).then(|| target.finding(None)),
            refusals: Default::default(),
        });
        let other_key = keys.other.as_ref().map(|key| *key.fingerprint());
        let proof =
            EndpointProof { key: *keys.key.fingerprint(), other_key, targets: Ok(targets.collect()), at: self.now };
        let proof = Arc::new(proof.after(self.proof.as_deref()));
        self.failed_proofs = if proof.is_complete() { 0 } else { self.failed_proofs + 1 };
        let wait = proof.next_probe_after(self.failed_proofs, self.rotation(), self.stage.interval, &Waits::default());
        let resource = Arc::new(self.stage.resource.clone());
        let urgency = urgency_after_proof(resource, self.proof.as_deref(), &proof, Waits::default(), self.now);
        (self.probe_at, self.proof) = (Some(self.now + wait), Some(proof));
        if urgency.is_some() {
            self.wake_at = Some(self.now);
        }
    }

    fn reconcile(&mut self) {
        self.wake_at = None;
        self.stage.now = self.now;
        let resource = Arc::new(self.stage.resource.clone());
        match with_rotation(self.stage.due(), &resource, self.proof.as_ref(), Waits::default(), self.now) {
            Schedule::Later(next) => {
                let status = self.stage.resource.status.as_ref();
                if status.is_some_and(|status| status.rotation_under_way().is_some()) && self.asked.is_none() {
                    self.follow();
                }
                self.wake_at = next;
            }
            Schedule::Now(work) => self.work(work),
        }
    }

    fn work(&mut self, work: Work) {
        let settings = Settings { interval: self.stage.interval, waits: Waits::default(), owes_status: false };
        let resource = Arc::new(self.stage.resource.clone());
        let mut reconcile = Reconcile::new(resource, work, settings, self.now).with_proof(self.proof.clone());
        let mut actions = 0..self.dies_after.take().unwrap_or(usize::MAX);
        loop {
            let action = reconcile.next(self.now).expect("nothing is under way");
            let is_over = actions.next().is_none();
            if is_over && !matches!(action, Action::Upload(_)) {
                return self.restart();
            }
            match action {
                Action::ReadSecrets => drop(reconcile.handle(Event::SecretsRead(self.stage.inputs()), self.now)),
                Action::ClaimNumbers => {
                    reconcile.note_proof(self.proof.clone());
                    reconcile.claim_numbers_by(|observation| self.claim(observation), plan, self.now);
                }
                Action::WriteStatus(write) => {
                    self.stage.store(&write.status);
                    reconcile.handle(Event::StatusStored(Arc::new(self.stage.resource.clone())), self.now);
                    self.follow();
                }
                Action::Publish(notes) => {
                    self.events.extend(notes.iter().map(|note| note.reason));
                    self.wake_at = reconcile.summary().and_then(|summary| summary.next);
                    self.wake_at = self.wake_at.map(|at| at.max(self.now + MIN_PAUSE));
                    return;
                }
                action => {
                    if let Action::Upload(upload) = &action {
                        self.check_rule(&reconcile, upload);
                    }
                    let event = player::call(&reconcile, action, &mut self.meta, self.now).expect("a call");
                    if is_over {
                        // The request has left. Nobody hears of its answer.
                        return self.restart();
                    }
                    reconcile.handle(event, self.now);
                }
            }
        }
    }

    fn claim(&self, observation: &mut Observation) {
        for number in &mut observation.numbers {
            number.ownership = match self.of_another {
                Some(id) if id == number.before.phone_number_id => Ownership::Other { owner: None },
                _ => Ownership::Uncontested,
            };
        }
    }

    /// A valid key is replaced by another only while every target opens the other.
    fn check_rule(&self, reconcile: &Reconcile, upload: &Upload) {
        let uploaded = number_of(reconcile.observation().key().expect("no upload without a key"));
        let line = &self.meta.lines[&upload.phone_number_id];
        let replaces = line.key.is_some_and(|held| held != uploaded && line.is_valid(held));
        let is_gated = self.stage.resource.spec.gate() == Some(Gate::Required);
        let is_open = self.targets.iter().all(|target| target.opens(uploaded));
        assert!(!replaces || !is_gated || is_open, "{upload:?} with key {uploaded}: {:#?}", self.targets);
    }

    /// If the keys or the spec have changed, the endpoint is asked at once.
    fn follow(&mut self) {
        let status = self.stage.status();
        let rotation = status.rotation_under_way();
        let overlap = rotation.and_then(RotationStatus::overlap_end).cloned();
        let keys = rotation.map(|it| [it.from.clone(), it.to.clone()]);
        let asked = (status.public_key_fingerprint.clone(), keys, self.stage.resource.metadata.generation, overlap);
        if self.asked.as_ref() != Some(&asked) {
            (self.asked, self.probe_at, self.failed_proofs) = (Some(asked), Some(self.now), 0);
        }
    }
}
