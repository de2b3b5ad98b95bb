//! The Flow endpoint, and what a process knows of it. A proof shows one moment: the endpoint may change at any moment
//! after it.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use waflows_core::api::crd::{FlowsEncryptionKey, ObservedSecret};
use waflows_core::endpoint::{ProbeFinding, ProbeOutcome};
use waflows_core::proof::{EndpointProof, ProbeKeys, TargetProof};
use waflows_core::reconcile::work_due::{urgency_after_proof, with_rotation};
use waflows_core::schedule::due::Schedule;

use crate::objects::{key, key_number};
use crate::setup::{Mutation, Setup};
use crate::world::World;

/// What a process knows of the endpoint of one resource.
#[derive(Debug, Clone, Default)]
pub(crate) struct Probing {
    pub(crate) proof: Option<Arc<EndpointProof>>,
    pub(crate) asked: Option<Asked>,
    /// Incomplete proofs in a row.
    pub(crate) failures: i32,
    pub(crate) timer: Option<Timestamp>,
}

/// What a proof depends on. The endpoint is asked at once if any of this changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    generation: Option<i64>,
    key: Option<String>,
    rotation: Option<[String; 2]>,
    /// Names and versions.
    secrets: Vec<(String, String)>,
}

impl Asked {
    fn of(resource: &FlowsEncryptionKey) -> Option<Self> {
        let status = resource.status.as_ref().filter(|status| status.public_key.is_some())?;
        let rotation = status.rotation_under_way();
        Some(Self {
            generation: resource.metadata.generation,
            key: status.public_key_fingerprint.clone(),
            rotation: rotation.map(|rotation| [rotation.from.clone(), rotation.to.clone()]),
            secrets: status.observed_secrets.iter().map(version).collect(),
        })
    }
}

impl Probing {
    /// Whether the endpoint is to be asked now.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.timer.is_some_and(|timer| timer <= now)
    }

    /// Whether every target opened the key when it was last asked.
    pub(crate) fn has_proven(&self, number: usize) -> bool {
        self.proof.as_ref().is_some_and(|proof| proof.tally(*key(number).fingerprint()).is_open())
    }
}

fn version(secret: &ObservedSecret) -> (String, String) {
    (secret.name.clone(), secret.resource_version.clone())
}

fn finding(keys: &BTreeSet<usize>, asked: Option<usize>) -> ProbeFinding {
    match asked.is_some_and(|key| keys.contains(&key)) {
        true => ProbeFinding::answered(ProbeOutcome::Proven, 200),
        false => ProbeFinding::answered(ProbeOutcome::WrongKey, 421),
    }
}

/// As if every target opened every key.
pub(crate) fn open_everything(proof: &mut EndpointProof) {
    for target in proof.targets.iter_mut().flatten() {
        target.finding = ProbeFinding::answered(ProbeOutcome::Proven, 200);
        target.other = target.other.map(|_| target.finding);
    }
}

impl World {
    /// What there is to do for a resource, where the resource and its Secrets alone call for `due`.
    pub(crate) fn due_with_endpoint(&mut self, setup: &Setup, replica: usize, x: usize, due: Schedule) -> Schedule {
        let Some(resource) = self.replicas[replica].cached[x].clone().filter(|it| it.spec.has_rotations()) else {
            return due;
        };
        let proof = self.replicas[replica].probing[x].proof.as_ref();
        let due = with_rotation(due, &resource, proof, setup.waits(), self.now);
        let is_rotating = resource.status.as_ref().is_some_and(|status| status.rotation_under_way().is_some());
        if matches!(due, Schedule::Later(_)) && is_rotating && self.replicas[replica].probing[x].asked.is_none() {
            self.follow(setup, replica, x);
        }
        due
    }

    /// A reconcile has stored the resource. The endpoint is asked at once if what a proof depends on has changed.
    pub(crate) fn follow(&mut self, setup: &Setup, replica: usize, x: usize) {
        if setup.targets == 0 {
            return;
        }
        let asked = self.replicas[replica].cached[x].as_deref().and_then(Asked::of);
        let now = self.now;
        let probing = &mut self.replicas[replica].probing[x];
        if asked.is_none() {
            *probing = Probing::default();
        } else if probing.asked != asked {
            let is_first = probing.asked.is_none() || !setup.has(Mutation::ProbeOnce);
            (probing.asked, probing.failures, probing.timer) = (asked, 0, is_first.then_some(now));
        }
    }

    /// The process asks the endpoint.
    pub(crate) fn probe(&mut self, setup: &Setup, replica: usize, x: usize) {
        let now = self.now;
        self.replicas[replica].probing[x].timer = None;
        let Some(resource) = self.replicas[replica].cached[x].clone() else { return };
        let Some(status) = &resource.status else { return };
        let Some(keys) = ProbeKeys::of(status) else { return };
        let number = |key: &waflows_key::PublicKey| key_number(&key.fingerprint().to_string());
        let targets = self.targets.iter().enumerate().map(|(target, opened)| TargetProof {
            target: format!("pod/flows-{target}"),
            finding: finding(opened, number(&keys.key)),
            other: keys.other.as_ref().map(|other| finding(opened, number(other))),
            unknown_key: Some(finding(opened, None)),
            refusals: Default::default(),
        });
        let other_key = keys.other.as_ref().map(|other| *other.fingerprint());
        let proof = EndpointProof { key: *keys.key.fingerprint(), other_key, targets: Ok(targets.collect()), at: now };
        let probing = &mut self.replicas[replica].probing[x];
        let proof = Arc::new(proof.after(probing.proof.as_deref()));
        probing.failures = if proof.is_complete() { 0 } else { probing.failures.saturating_add(1) };
        let rotation = status.rotation_under_way();
        let wait = proof.next_probe_after(probing.failures, rotation, setup.interval, &setup.waits());
        probing.timer = (!setup.has(Mutation::ProbeOnce)).then_some(now + wait);
        let earlier = probing.proof.replace(Arc::clone(&proof));
        let urgency = urgency_after_proof(Arc::clone(&resource), earlier.as_deref(), &proof, setup.waits(), now);
        if let Some(urgency) = urgency {
            self.enqueue(replica, x, urgency);
        }
    }
}
