//! What users see of the Flow endpoint: `status.endpoint`, the conditions `EndpointReady` and `Available`, and their
//! sentences. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use waflows_key::Fingerprint;

use super::input_condition::{Input, carried_or};
use super::number::{sentence, trouble};
use crate::api::conditions::{self, ConditionReason, ConditionStatus, ConditionType, Reason};
use crate::api::crd::{
    EndpointStatus, FailingTarget, FlowsEncryptionKey, FlowsEncryptionKeyStatus, NumberState, PhoneNumberStatus,
    RotationPhase,
};
use crate::endpoint::{ProbeFinding, ProbeOutcome};
use crate::observation::Observation;
use crate::proof::{EndpointProof, TargetProof};

/// Count of failing targets in the status and in messages.
const MAX_FAILING: usize = 5;

const NOT_ASKED: &str = "The endpoint was not asked with this key yet.";

/// The proof for the key that the numbers should have for now, and the key, if there is one.
fn proof(observation: &Observation) -> Option<(&EndpointProof, Fingerprint)> {
    let expected = observation.expected()?;
    observation.proof.as_deref().filter(|proof| proof.is_about(expected)).map(|proof| (proof, expected))
}

/// `status.endpoint` after a reconcile, beside the rest of the status. The stored one if nothing new is known.
pub fn status(observation: &Observation, after: &FlowsEncryptionKeyStatus) -> Option<EndpointStatus> {
    observation.resource.spec.endpoint.as_ref()?;
    let stored = observation.status().and_then(|status| status.endpoint.as_ref());
    let expected = observation.expected().map(|key| key.to_string());
    let Some((proof, key)) = proof(observation) else {
        // What is stored about another key says nothing about this one.
        return stored.filter(|stored| stored.public_key_fingerprint == expected).cloned();
    };
    Some(reported(&Basis { proof, key, after }, stored))
}

/// What `status.endpoint` is made from, beside the stored one.
struct Basis<'a> {
    proof: &'a EndpointProof,
    key: Fingerprint,
    after: &'a FlowsEncryptionKeyStatus,
}

/// Whether a proof says something that the stored status does not say yet.
pub fn changes_status(resource: &FlowsEncryptionKey, proof: &EndpointProof) -> bool {
    let stored = resource.status.as_ref().filter(|stored| stored.fingerprint() == Some(proof.key));
    let key = proof.key;
    let is_asked = resource.spec.endpoint.is_some() && !resource.spec.is_suspended();
    let Some(stored) = stored.filter(|_| is_asked) else { return false };
    let ready = judged(proof, key);
    let is_shown = conditions::find(&stored.conditions, ConditionType::EndpointReady).is_some_and(|condition| {
        condition.status == ready.status.as_str() && condition.reason == ready.why.reason.as_str()
    });
    let basis = Basis { proof, key, after: stored };
    !is_shown || Some(reported(&basis, stored.endpoint.as_ref())) != stored.endpoint
}

/// The status for a proof. The stored one if only the time differs: nothing is written only because the targets answered
/// the same again.
fn reported(basis: &Basis<'_>, stored: Option<&EndpointStatus>) -> EndpointStatus {
    let status = basis.status(stored);
    let is_same = |stored: &&EndpointStatus| {
        status == EndpointStatus { last_probe_time: status.last_probe_time.clone(), ..(*stored).clone() }
    };
    stored.filter(is_same).cloned().unwrap_or(status)
}

impl Basis<'_> {
    fn status(&self, stored: Option<&EndpointStatus>) -> EndpointStatus {
        let Self { proof, key, .. } = *self;
        let targets = proof.targets();
        let (opens_key_in_use, opens_new_key) = self.opened();
        let count = |opened: usize| format!("{opened}/{}", targets.len());
        let worst = proof.worst(key).map(|(_, finding)| finding);
        EndpointStatus {
            public_key_fingerprint: Some(key.to_string()),
            targets: i32::try_from(targets.len()).unwrap_or(i32::MAX),
            opens_key_in_use: opens_key_in_use.filter(|_| !targets.is_empty()).map(count),
            opens_new_key: opens_new_key.filter(|_| !targets.is_empty()).map(count),
            recovers_clients: proof.recovers_clients(),
            outcome: worst.map(|finding| finding.outcome),
            http_status: worst.and_then(|finding| finding.http_status).map(i32::from),
            failing: failing(proof, key)
                .take(MAX_FAILING)
                .map(|(target, finding)| failing_target(target, finding.outcome, proof, stored))
                .collect(),
            last_probe_time: Some(Time(proof.at)),
        }
    }

    /// Counts of targets that open the keys in use, and the new key. Between the first and the last upload of a rotation
    /// both keys are in use.
    fn opened(&self) -> (Option<usize>, Option<usize>) {
        let opened = |key| self.proof.tally(key).opened;
        let is_in_use = self.after.phone_numbers.iter().any(|number| holds(number, self.key));
        match self.after.rotation.as_ref().map(|rotation| (rotation.phase, rotation.to.parse())) {
            Some((RotationPhase::Staged, Ok(to))) if to != self.key => (Some(opened(self.key)), Some(opened(to))),
            Some((RotationPhase::Canary | RotationPhase::RollingOut, Ok(to))) => {
                (Some(self.proof.opened_both()), Some(opened(to)))
            }
            _ if is_in_use => (Some(opened(self.key)), None),
            _ => (None, Some(opened(self.key))),
        }
    }
}

fn holds(number: &PhoneNumberStatus, key: Fingerprint) -> bool {
    number.state == NumberState::Valid || number.key_fingerprint.as_deref().is_some_and(|held| key.is_written(held))
}

fn failing(proof: &EndpointProof, key: Fingerprint) -> impl Iterator<Item = (&TargetProof, ProbeFinding)> {
    proof.findings(key).filter(|(_, finding)| !finding.outcome.is_proof())
}

fn failing_target(
    target: &TargetProof,
    outcome: ProbeOutcome,
    proof: &EndpointProof,
    stored: Option<&EndpointStatus>,
) -> FailingTarget {
    let before = stored.into_iter().flat_map(|stored| &stored.failing);
    let same = before.into_iter().find(|before| before.target == target.target && before.outcome == outcome);
    let since = same.map_or(Time(proof.at), |same| same.since.clone());
    FailingTarget { target: target.target.clone(), outcome, since }
}

/// `EndpointReady` and `Available`; none without `spec.endpoint`.
pub(super) fn conditions(
    observation: &Observation,
    before: &[Condition],
    numbers: &[PhoneNumberStatus],
) -> Option<[(ConditionType, Input); 2]> {
    observation.resource.spec.endpoint.as_ref()?;
    let endpoint = endpoint_ready(observation, before);
    let available = available(observation, &endpoint, numbers);
    Some([(ConditionType::EndpointReady, endpoint), (ConditionType::Available, available)])
}

fn endpoint_ready(observation: &Observation, before: &[Condition]) -> Input {
    let waiting = ConditionReason::new(Reason::WaitingForEndpoint, NOT_ASKED);
    let Some((proof, key)) = proof(observation) else {
        let before = if observation.has_new_key() { &[] } else { before };
        return carried_or(before, ConditionType::EndpointReady, waiting);
    };
    judged(proof, key)
}

/// What a proof means for `EndpointReady`, if the numbers should have this key.
fn judged(proof: &EndpointProof, key: Fingerprint) -> Input {
    let why = opens(proof, key);
    let status = match why.reason {
        Reason::EndpointProven => ConditionStatus::True,
        _ => ConditionStatus::False,
    };
    Input { status, why }
}

/// Whether the endpoint opens a key, as a reason and a sentence.
pub(super) fn opens(proof: &EndpointProof, key: Fingerprint) -> ConditionReason {
    match &proof.targets {
        Err(reason) => reason.clone(),
        Ok(targets) if targets.is_empty() => {
            ConditionReason::new(Reason::EndpointUnreachable, "The Service of the endpoint has no ready pod.")
        }
        Ok(targets) => match proof.worst(key).filter(|(_, finding)| !finding.outcome.is_proof()) {
            None => ConditionReason::new(Reason::EndpointProven, all_open(targets.len())),
            Some((_, worst)) => ConditionReason::new(reason_of(worst.outcome), some_do_not_open(proof, key, worst)),
        },
    }
}

/// The reason of an outcome that is no proof.
fn reason_of(outcome: ProbeOutcome) -> Reason {
    use ProbeOutcome as O;
    match outcome {
        O::Proven => Reason::EndpointProven,
        O::TimedOut | O::Unreachable => Reason::EndpointUnreachable,
        O::SignatureRefused => Reason::EndpointRefusesSignature,
        O::BadPayload | O::NotEncrypted | O::NotReadable | O::BadStatus => Reason::EndpointAnswerWrong,
        O::WrongKey => Reason::EndpointLacksKey,
    }
}

fn all_open(targets: usize) -> String {
    match targets {
        1 => "The endpoint opens what is encrypted with the key.".to_owned(),
        count => format!("All {count} targets of the endpoint open what is encrypted with the key."),
    }
}

fn some_do_not_open(proof: &EndpointProof, key: Fingerprint, worst: ProbeFinding) -> String {
    let same: Vec<_> = failing(proof, key).filter(|(_, finding)| finding.outcome == worst.outcome).collect();
    let named: Vec<_> = same.iter().take(MAX_FAILING).map(|(target, _)| target.target.as_str()).collect();
    let more = match same.len() - named.len() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    let (found, remedy) = found_and_remedy(worst.outcome);
    let http = same.first().and_then(|(_, finding)| finding.http_status);
    let http = http.map(|status| format!(" (HTTP {status})")).unwrap_or_default();
    let opened = match proof.tally(key).opened {
        0 => String::new(),
        count => format!(" {count} of {} targets open the key.", proof.targets().len()),
    };
    format!("{}{more}: {found}{http}. {remedy}{opened}", named.join(", "))
}

fn found_and_remedy(outcome: ProbeOutcome) -> (&'static str, &'static str) {
    use ProbeOutcome as O;
    match outcome {
        O::Proven => ("opens the key", ""),
        O::TimedOut => ("no answer within 10 seconds", "Meta gives up as well: see what the endpoint waits for."),
        O::Unreachable => ("no connection", "Check the port, NetworkPolicies and the certificate."),
        O::SignatureRefused => (
            "the endpoint refuses the signature",
            "Put the secret of the app that is connected to the Flow into spec.endpoint.appSecretRef.",
        ),
        O::BadStatus => {
            ("an unexpected HTTP status", "See the log of the endpoint. `waflows-operator ping` explains it.")
        }
        O::NotEncrypted => ("the answer is not encrypted", "The endpoint must encrypt its answers."),
        O::NotReadable => (
            "the answer does not open",
            "The endpoint must encrypt with the AES key of the request, and flip every bit of the IV.",
        ),
        O::BadPayload => ("the answer is none to a health check", "The endpoint must answer the action ping."),
        O::WrongKey => (
            "the endpoint lacks the private half of the key",
            "Give it the private key that belongs to the public key of this resource, and let it read the key again.",
        ),
    }
}

/// Whether clients are served: every number holds a VALID key that every target opens, whichever key of a rotation.
fn available(observation: &Observation, endpoint: &Input, numbers: &[PhoneNumberStatus]) -> Input {
    let Some((proof, key)) = proof(observation) else { return endpoint.clone() };
    let held = |number: &PhoneNumberStatus| valid_key(number).filter(|held| proof.is_about(*held));
    let is_closed = |held: &Fingerprint| !proof.tally(*held).is_open();
    if let Some(closed) = numbers.iter().filter_map(held).find(is_closed) {
        return judged(proof, closed);
    }
    let served = numbers.iter().filter(|number| held(number).is_some()).count();
    if served == numbers.len() && proof.targets.is_ok() {
        let why = ConditionReason::new(Reason::EndpointProven, all_open(proof.targets().len()));
        return Input { status: ConditionStatus::True, why };
    }
    if judged(proof, key).status != ConditionStatus::True && served == 0 {
        return endpoint.clone();
    }
    let criteria = observation.criteria();
    let others = numbers.iter().filter(|number| held(number).is_none());
    let found: Vec<_> = others.filter_map(|number| Some((trouble(number, &criteria)?, number))).collect();
    let Some((reason, _)) = found.iter().min_by_key(|(_, number)| holds_unproven_key(number)) else {
        return endpoint.clone();
    };
    let concerned: Vec<_> = found.iter().filter(|(other, _)| other == reason).map(|(_, number)| *number).collect();
    // The endpoint may open the key that these numbers hold, but was not asked with it.
    let is_open = found.iter().all(|(_, number)| holds_unproven_key(number));
    let status = if is_open { ConditionStatus::Unknown } else { ConditionStatus::False };
    Input { status, why: ConditionReason::new(*reason, sentence(&concerned)) }
}

/// The key that clients encrypt with, if the number has one and its last state still counts.
fn valid_key(number: &PhoneNumberStatus) -> Option<Fingerprint> {
    let counts = !matches!(number.state, NumberState::Unreachable | NumberState::Pending);
    let key = number.key_fingerprint.as_ref().or(number.uploaded_fingerprint.as_ref());
    key.filter(|_| counts && number.is_signed())?.parse().ok()
}

/// Whether the number holds a VALID key with which the endpoint was not asked, or was never read.
fn holds_unproven_key(number: &PhoneNumberStatus) -> bool {
    number.state == NumberState::Pending || number.is_signed()
}
