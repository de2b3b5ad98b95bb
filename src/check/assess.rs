//! Turns an observation into the verdicts of `check`. Pure, and based on the operator's own decisions: `plan` for the
//! uploads, `summarize` for the status.

use std::collections::BTreeMap;

use waflows_core::api::conditions::{self, ConditionType, ReadyEffect, Reason};
use waflows_core::api::crd::{
    BusinessAccountStatus, FlowsEncryptionKeySpec, FlowsEncryptionKeyStatus, Mode, NumberState, PhoneNumberStatus,
    SecretKeyRef,
};
use waflows_core::number::{Criteria, Ownership, Reading, upload_reason};
use waflows_core::observation::{NumberObservation, Observation};
use waflows_core::reconcile::machine::Reconcile;
use waflows_core::rollout::plan::Plan;
use waflows_core::rollout::progress::Progress;
use waflows_core::status::accounts;
use waflows_core::status::number::{self, trouble};
use waflows_core::status::summarize::summarize;
use waflows_core::store::object_key::ObjectKey;

use super::report::{AccountReport, Action, NumberReport, Outcome, ResourceReport};

/// `check` sends no request to the endpoint.
const AWAITS_ENDPOINT: &str = "The number holds another valid key. The operator replaces it once every target of the endpoint \
                              opens the key of the Secret; whether they do: waflows-operator ping.";

/// The unknown inputs of an observation, and how they count.
#[derive(Debug, Clone, Default)]
pub(super) struct Unknowns {
    /// `--offline`: Meta was not asked.
    pub(super) offline: bool,
    /// Secrets that may or may not exist: name, and a sentence that says why this is unknown.
    pub(super) unseen: BTreeMap<String, String>,
    /// `--allow-missing-secrets`: such a Secret is no failure.
    pub(super) allow_unseen: bool,
}

/// The reason why a number is not Valid.
#[derive(Debug, Clone)]
struct Finding {
    reason: Reason,
    message: String,
    outcome: Outcome,
}

/// What would become of a resource in a reconcile that has read this much.
pub(super) fn assess(reconcile: &Reconcile, origin: &str, unknowns: &Unknowns) -> ResourceReport {
    let observation = reconcile.observation();
    let status = summarize(observation, &[], Progress::Finished, observation.now).status;
    let is_suspended = observation.resource.spec.is_suspended();
    let general = if is_suspended { Some(suspended()) } else { of_inputs(observation, &status, unknowns) };
    let assessment =
        Assessment { criteria: observation.criteria(), plan: reconcile.plan(), general, observation, unknowns };
    // Of a suspended resource the status keeps what was last known of the numbers, also of those that have gone.
    let stored = || observation.numbers.iter().map(|number| number.before.clone()).collect();
    let numbers = if is_suspended { stored() } else { status.phone_numbers };
    let phone_numbers: Vec<_> =
        observation.numbers.iter().zip(numbers).map(|(observed, number)| assessment.number(observed, number)).collect();
    let business_accounts: Vec<_> = status.business_accounts.iter().map(|known| assessment.account(known)).collect();
    let of_accounts = business_accounts.iter().map(|account| account.outcome);
    let key = ObjectKey::of(&observation.resource.metadata);
    ResourceReport {
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
        origin: origin.to_owned(),
        outcome: phone_numbers.iter().map(|number| number.outcome).chain(of_accounts).max().unwrap_or_default(),
        public_key_fingerprint: observation.key().map(|key| key.fingerprint().to_string()),
        business_accounts,
        phone_numbers,
    }
}

fn suspended() -> Finding {
    let message = "Work on this resource is suspended.".to_owned();
    Finding { reason: Reason::Suspended, message, outcome: Outcome::Fine }
}

fn not_asked() -> Finding {
    Finding { reason: Reason::NotAsked, message: "Meta was not asked.".to_owned(), outcome: Outcome::Fine }
}

/// The error of the key or the credentials, which affects all numbers.
fn of_inputs(observation: &Observation, status: &FlowsEncryptionKeyStatus, unknowns: &Unknowns) -> Option<Finding> {
    let spec = &observation.resource.spec;
    [ConditionType::KeyLoaded, ConditionType::TokenAccepted]
        .into_iter()
        .filter_map(|kind| of_input(kind, spec, status, unknowns))
        .reduce(|first, second| {
            let message = format!("{} {}", first.message, second.message);
            let worst = if second.outcome > first.outcome { second } else { first };
            Finding { message, ..worst }
        })
}

fn of_input(
    kind: ConditionType,
    spec: &FlowsEncryptionKeySpec,
    status: &FlowsEncryptionKeyStatus,
    unknowns: &Unknowns,
) -> Option<Finding> {
    let condition = conditions::find(&status.conditions, kind).filter(|condition| condition.status == "False")?;
    let reason = match Reason::parse(&condition.reason)? {
        // The operator retries, because both Secrets may be changing. The inputs of `check` do not change.
        Reason::PassphraseRejected => Reason::PassphraseWrong,
        reason => reason,
    };
    let unseen =
        references(kind, spec).into_iter().flatten().find_map(|reference| unknowns.unseen.get(&reference.name));
    if let Some(why) = unseen.filter(|_| reason == Reason::SecretNotFound) {
        let outcome = if unknowns.allow_unseen { Outcome::Fine } else { Outcome::Unknown };
        return Some(Finding { reason, message: why.clone(), outcome });
    }
    Some(Finding { reason, message: condition.message.clone(), outcome: outcome_of(reason) })
}

/// The Secrets on which a condition depends.
fn references(kind: ConditionType, spec: &FlowsEncryptionKeySpec) -> [Option<&SecretKeyRef>; 3] {
    match kind {
        ConditionType::KeyLoaded => [
            spec.private_key_secret_ref.as_ref(),
            spec.certificate_secret_ref.as_ref(),
            spec.passphrase_secret_ref.as_ref(),
        ],
        _ => [Some(&spec.access_token_secret_ref), spec.app_secret_ref.as_ref(), None],
    }
}

/// The verdict for a reason, if no upload is planned.
fn outcome_of(reason: Reason) -> Outcome {
    match reason.ready_effect() {
        ReadyEffect::Ready | ReadyEffect::Suspended => Outcome::Fine,
        ReadyEffect::Stalled => Outcome::ActionNeeded,
        ReadyEffect::Waiting | ReadyEffect::Underway => match reason {
            // The operator waits for these, and a person must create them.
            Reason::SecretNotFound | Reason::SecretKeyNotFound => Outcome::ActionNeeded,
            _ => Outcome::Unknown,
        },
    }
}

/// The inputs that are the same for all numbers of a resource.
struct Assessment<'a> {
    observation: &'a Observation,
    unknowns: &'a Unknowns,
    criteria: Criteria,
    plan: &'a Plan,
    /// What is wrong with the resource as a whole.
    general: Option<Finding>,
}

impl Assessment<'_> {
    fn number(&self, observed: &NumberObservation, mut number: PhoneNumberStatus) -> NumberReport {
        if number.next_attempt_time.take().is_some() && !self.observation.resource.spec.is_suspended() {
            // `check` does not retry, so the message must not name the time of the next try.
            number.message = number::message(&number, observed, None, &self.criteria);
        }
        if number.state == NumberState::Pending && matches!(observed.ownership, Ownership::Other { .. }) {
            // The operator would notice the conflict at its first read. Manifests already show the conflict.
            number.state = NumberState::Conflict;
            number.message = number::message(&number, observed, None, &self.criteria);
        }
        let action = self.action(observed, &number);
        let own = self.finding(observed, &number, action);
        let finding = match (&self.general, own) {
            // The general error explains why there is no answer about this number, but does not explain a conflict.
            (Some(general), Some(own)) if own.outcome == Outcome::ActionNeeded && own.outcome > general.outcome => {
                Some(own)
            }
            (Some(general), _) => Some(general.clone()),
            (None, own) => own,
        };
        NumberReport {
            action,
            reason: finding.as_ref().map(|finding| finding.reason.as_str()),
            outcome: finding.as_ref().map_or(Outcome::Fine, |finding| finding.outcome),
            message: finding.map_or(number.message, |finding| finding.message),
            phone_number_id: number.phone_number_id,
            state: number.state,
            signature_status: number.signature_status,
            key_fingerprint: number.key_fingerprint,
            error: number.error,
        }
    }

    /// An account whose list says something, or that could not be listed because of the Secrets.
    fn account(&self, status: &BusinessAccountStatus) -> AccountReport {
        let Observation { interval, now, resource, .. } = self.observation;
        let trouble = accounts::trouble(status, *interval, *now).filter(|_| !resource.spec.is_suspended());
        let finding = match (&self.general, trouble) {
            (_, None) => None,
            (Some(general), Some(_)) => Some(general.clone()),
            (None, Some(_)) if self.unknowns.offline => Some(not_asked()),
            (None, Some(trouble)) => Some(Finding {
                reason: trouble.reason,
                message: status.message.clone(),
                outcome: outcome_of(trouble.reason),
            }),
        };
        AccountReport {
            id: status.id.clone(),
            state: status.state,
            reason: finding.as_ref().map(|finding| finding.reason.as_str()),
            outcome: finding.as_ref().map_or(Outcome::Fine, |finding| finding.outcome),
            message: finding.map(|finding| finding.message).unwrap_or_default(),
        }
    }

    fn action(&self, observed: &NumberObservation, number: &PhoneNumberStatus) -> Action {
        let is_planned = self.plan.uploads.iter().any(|upload| upload.phone_number_id == number.phone_number_id);
        let was_read = matches!(observed.reading, Reading::Answered { .. });
        let may_upload = self.criteria.mode == Mode::Enforce
            && self.observation.key().is_some()
            && observed.ownership == Ownership::Uncontested;
        let is_called_for = was_read && may_upload && upload_reason(number, &self.criteria).is_some();
        if is_planned {
            Action::Upload
        } else if self.awaits_endpoint(number) || is_called_for {
            Action::UploadLater
        } else {
            Action::None
        }
    }

    /// Whether the number keeps another valid key until the endpoint opens the new one.
    fn awaits_endpoint(&self, number: &PhoneNumberStatus) -> bool {
        let new = self.observation.inputs.as_ref().and_then(|inputs| inputs.key.as_ref().ok());
        let is_other =
            new.is_some_and(|new| !new.fingerprint().is_written(number.key_fingerprint.as_deref().unwrap_or_default()));
        let is_held = self.observation.course.decision.is_some_and(|decision| !decision.allows());
        is_held && is_other && number.is_signed() && !self.criteria.keeps_foreign_key(number)
    }

    fn finding(&self, observed: &NumberObservation, number: &PhoneNumberStatus, action: Action) -> Option<Finding> {
        if self.observation.resource.spec.is_suspended() {
            return None;
        }
        let was_read = matches!(observed.reading, Reading::Answered { .. });
        if self.unknowns.offline && number.state == NumberState::Pending {
            return Some(not_asked());
        }
        if self.awaits_endpoint(number) {
            return Some(Finding {
                reason: Reason::WaitingForEndpoint,
                message: AWAITS_ENDPOINT.to_owned(),
                outcome: Outcome::Fine,
            });
        }
        let reason = match trouble(number, &self.criteria) {
            Some(reason) => reason,
            // The number was Valid at its last read, but now the read failed.
            None if !was_read && !self.unknowns.offline && self.general.is_none() => match observed.reading {
                Reading::Held { .. } => Reason::RateLimited,
                Reading::NotAsked | Reading::Answered { .. } | Reading::Failed { .. } => Reason::GraphUnreachable,
            },
            None => return None,
        };
        let outcome = match outcome_of(reason) {
            Outcome::Unknown if action != Action::None || self.unknowns.offline => Outcome::Fine,
            outcome => outcome,
        };
        Some(Finding { reason, message: number.message.clone(), outcome })
    }
}
