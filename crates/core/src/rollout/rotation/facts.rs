//! What a rotation is decided from: the numbers, the endpoint, the Secret, the spec and the stored status.

use std::time::Duration;

use jiff::Timestamp;
use waflows_key::Fingerprint;

use crate::api::conditions::{self, ConditionType};
use crate::api::crd::{
    ABORT_ANNOTATION, AccountState, FlowsEncryptionKeyStatus, Gate, Mode, NumberState, OnFailure, PROCEED_ANNOTATION,
    PhoneNumberStatus, RotationStatus,
};
use crate::number::{Ownership, Reading};
use crate::observation::{NumberObservation, Observation};
use crate::proof::Tally;
use crate::replacement::decision::{Decision, decide};
use crate::replacement::held::{Held, unreported};
use crate::schedule::due::request;

/// The inputs of a rotation.
#[derive(Debug, Clone)]
pub(super) struct Facts<'a> {
    pub(super) status: &'a FlowsEncryptionKeyStatus,
    /// The key of the resource, which the numbers should have in the end.
    pub(super) to: Fingerprint,
    /// The same as PEM, if it was just read.
    pub(super) to_public_key: Option<String>,
    /// Whether uploads may follow. A reconcile that did not read the Secrets leaves the rotation as it is.
    pub(super) can_upload: bool,
    pub(super) numbers: Vec<Held>,
    pub(super) gate: Option<Gate>,
    pub(super) soak: Duration,
    pub(super) overlap: Duration,
    pub(super) progress_deadline: Duration,
    pub(super) on_failure: OnFailure,
    pub(super) proceed_request: Option<String>,
    pub(super) abort_request: Option<String>,
    pub(super) now: Timestamp,
    observation: &'a Observation,
}

impl<'a> Facts<'a> {
    /// The facts of a resource that may have rotations.
    pub(super) fn of(observation: &'a Observation) -> Option<Self> {
        let spec = &observation.resource.spec;
        if !spec.has_rotations() || spec.mode != Mode::Enforce || spec.is_suspended() {
            return None;
        }
        let (to, to_public_key) = match observation.inputs.as_ref().map(|inputs| inputs.key.as_ref()) {
            Some(Ok(key)) => (*key.fingerprint(), Some(key.pem().to_owned())),
            Some(Err(_)) | None => (stored_key(observation.status()?)?, None),
        };
        let policy = spec.rotation.clone().unwrap_or_default();
        let can_upload = to_public_key.is_some();
        let is_reset = observation.criteria().reset_backoff;
        let held = |number: &NumberObservation| {
            let held = Held::of(number, to, observation.now, is_reset);
            takes_part(observation, &number.before.phone_number_id, &held, to).then_some(held)
        };
        Some(Self {
            can_upload,
            status: observation.status_or_default(),
            to,
            to_public_key,
            numbers: observation.numbers.iter().filter_map(held).collect(),
            gate: spec.gate(),
            soak: policy.soak(),
            overlap: policy.overlap(),
            progress_deadline: policy.progress_deadline(),
            on_failure: policy.on_failure.unwrap_or_default(),
            proceed_request: request(&observation.resource, PROCEED_ANNOTATION),
            abort_request: request(&observation.resource, ABORT_ANNOTATION),
            now: observation.now,
            observation,
        })
    }

    /// The facts of a reconcile that would read the Secrets and find them as they were, if they were usable.
    pub(super) fn if_read(observation: &'a Observation) -> Option<Self> {
        let is = |status: &FlowsEncryptionKeyStatus, kind, expected| {
            conditions::find(&status.conditions, kind).is_some_and(|condition| condition.status == expected)
        };
        let facts = Self::of(observation)?;
        let is_usable = is(facts.status, ConditionType::KeyLoaded, "True")
            && !is(facts.status, ConditionType::TokenAccepted, "False");
        is_usable.then_some(Self { can_upload: true, ..facts })
    }

    /// The same after uploads: with these numbers.
    pub(super) fn with_numbers(self, numbers: &[PhoneNumberStatus]) -> Self {
        let held = |number: &PhoneNumberStatus| {
            let held = Held::after(number, self.to, self.now);
            takes_part(self.observation, &number.phone_number_id, &held, self.to).then_some(held)
        };
        Self { numbers: numbers.iter().filter_map(held).collect(), ..self }
    }

    /// What the endpoint does with a key; nothing is known where the proof is too old.
    pub(super) fn tally(&self, key: Fingerprint) -> Tally {
        let proof = self.observation.proof.as_deref().filter(|proof| proof.is_fresh(self.now));
        proof.map(|proof| proof.tally(key)).unwrap_or_default()
    }

    /// What may happen to the numbers that hold another valid key than the new one. An earlier proof may be of the new key
    /// alone, if the numbers held this key before. It does not say what the endpoint does since the numbers hold another.
    pub(super) fn decision(&self, rotation: &RotationStatus) -> Decision {
        let in_use = rotation.from.parse().map(|from| self.tally(from)).unwrap_or_default();
        let is_earlier = rotation.from_public_key.is_some() && in_use.targets == 0;
        let new = if is_earlier { Tally::default() } else { self.tally(self.to) };
        decide(self.gate, in_use, new)
    }

    /// Whether a target has refused the new key three times over two minutes.
    pub(super) fn has_lost_key(&self) -> bool {
        let proof = self.observation.proof.as_deref().filter(|_| self.gate == Some(Gate::Required));
        proof.is_some_and(|proof| proof.has_lost(self.to, &self.observation.waits))
    }

    /// Whether the old key may go back to the numbers.
    pub(super) fn may_go_back(&self, rotation: &RotationStatus) -> bool {
        let is_known = rotation.from_public_key.is_some();
        let is_open = rotation.from.parse().is_ok_and(|from| self.tally(from).is_open());
        is_known && (is_open || self.gate != Some(Gate::Required))
    }

    /// Whether clients do without the old key: every target opens the new one, and answers 421 to a key that nobody has, so
    /// that clients find the new one. It must have done so at this time or later.
    pub(super) fn serves_without_old_key(&self, since: Timestamp) -> bool {
        let proof = self.observation.proof.as_deref().filter(|proof| proof.at >= since);
        self.gate.is_none() || proof.is_some_and(|proof| proof.tally(self.to).is_open() && proof.recovers_all_clients())
    }

    /// Whether the resource has more numbers than it shows, because an account is too large.
    pub(super) fn has_hidden_numbers(&self) -> bool {
        self.observation.account_statuses().iter().any(|account| account.state == AccountState::TooLarge)
    }

    /// The numbers that hold a valid key other than the new one.
    pub(super) fn others(&self) -> impl Iterator<Item = &Held> {
        let to = self.to;
        self.numbers.iter().filter(move |number| number.is_valid && !number.holds(to))
    }

    /// Whether some number of the resource holds the new key with a valid signature.
    pub(super) fn has_valid(&self) -> bool {
        self.numbers.iter().any(|number| number.is_own && number.is_valid && number.holds(self.to))
    }

    /// Whether some number of the resource holds the new key, with a valid signature or not.
    pub(super) fn has_new(&self) -> bool {
        self.numbers.iter().any(|number| number.is_own && number.holds(self.to))
    }

    /// Whether a number waits for nothing but a reconcile to get the old key back.
    pub(super) fn awaits_old_key(&self, number: &Held, rotation: &RotationStatus) -> bool {
        let is_back = number.key.as_deref() == Some(&*rotation.from);
        number.awaits_upload() && !is_back && !number.had_before(self.to, rotation)
    }

    /// Whether some number holds the old key, whoever owns the number: the endpoint may be the same.
    pub(super) fn has_old(&self, rotation: &RotationStatus) -> bool {
        self.numbers.iter().any(|number| number.key.as_deref() == Some(&*rotation.from))
    }

    /// Whether the key belonged to the resource before. A key of somebody else is not put back where it is lost.
    pub(super) fn is_own(&self, key: &str) -> bool {
        self.observation.is_own(key)
    }
}

/// Whether a number takes part in rotations. A valid key of somebody else that must stay is never replaced, so it is not the
/// old key of a rotation.
fn takes_part(observation: &Observation, phone_number_id: &str, held: &Held, to: Fingerprint) -> bool {
    let is_own = |key: &str| to.is_written(key) || observation.is_own(key);
    !held.is_valid || !observation.is_guarded(phone_number_id) || held.key.as_deref().is_some_and(is_own)
}

impl Held {
    /// `is_reset`: a person changed something, so that a contest is over.
    fn of(number: &NumberObservation, to: Fingerprint, now: Timestamp, is_reset: bool) -> Self {
        let held = Self::after(&number.before, to, now);
        let is_free = number.ownership == Ownership::Uncontested;
        let Reading::Answered { reported, .. } = &number.reading else {
            return Self { is_own: held.is_own && is_free, is_workable: held.is_workable && is_free, ..held };
        };
        let is_valid = reported.is_valid();
        let uploaded = number.before.uploaded_fingerprint.clone().filter(|_| is_valid);
        Self {
            key: reported.key.map(|key| key.text()).or(uploaded).or_else(|| unreported(is_valid)),
            public_key: reported.public_key.clone(),
            is_valid,
            is_own: is_free,
            is_workable: is_free && (is_reset || number.before.state != NumberState::Contested),
            has_failed: held.has_failed && !is_valid,
            ..held
        }
    }
}

/// The key of the resource when its Secret was last read.
fn stored_key(status: &FlowsEncryptionKeyStatus) -> Option<Fingerprint> {
    status.last_read_key().and_then(|key| key.parse().ok()).or_else(|| status.fingerprint())
}
