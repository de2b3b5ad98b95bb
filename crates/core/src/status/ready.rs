//! The conditions of a resource, with their messages. Pure.

use std::borrow::Cow;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::input_condition::{Input, carried};
use super::number::{STALLED, rank, sentence, trouble};
use super::token::{self, has_same_credentials};
use super::{accounts, endpoint, rotation};
use crate::api::conditions::{self, ConditionReason, ConditionStatus, ConditionType, ReadyEffect, Reason};
use crate::api::crd::{BusinessAccountStatus, FlowsEncryptionKeyStatus, NumberState, PhoneNumberStatus};
use crate::api::members;
use crate::api::text::{clock, phone_numbers, utc};
use crate::meta::{ErrorClass, GraphError};
use crate::number::{Reading, is_rate_limit};
use crate::observation::Observation;
use crate::replacement::course::Direction;
use crate::rollout::outcome::Outcome;
use crate::rollout::progress::Progress;
use crate::rollout::rotation::is_overdue;
use crate::schedule::due::spec_digest;

/// The conditions after a reconcile, from what else the status says `after` it.
pub fn conditions(
    observation: &Observation,
    outcomes: &[Outcome],
    after: &FlowsEncryptionKeyStatus,
    progress: Progress,
    now: Timestamp,
) -> Vec<Condition> {
    let before = &observation.status_or_default().conditions;
    let key = key_loaded(observation, before);
    let mut token = token_accepted(observation, outcomes, before);
    if token.status == ConditionStatus::True
        && let Some(why) = token::warning(observation, after.token.as_ref(), now)
    {
        token.why = why;
    }
    let ready = ready(observation, [&key, &token], after, progress, now);
    list(observation, before, &after.phone_numbers, &ready, [key, token], now)
}

/// `Ready` with what is beside it, the key, the token, and the endpoint if there is one.
fn list(
    observation: &Observation,
    before: &[Condition],
    numbers: &[PhoneNumberStatus],
    ready: &ConditionReason,
    [key, token]: [Input; 2],
    now: Timestamp,
) -> Vec<Condition> {
    let inputs = [(ConditionType::KeyLoaded, key), (ConditionType::TokenAccepted, token)];
    let endpoint = endpoint::conditions(observation, before, &counted(numbers));
    let mut wanted = conditions::ready(ready);
    let further = inputs.iter().chain(endpoint.iter().flatten());
    wanted.extend(further.map(|(kind, input)| (*kind, input.status, &input.why)));
    let generation = observation.resource.metadata.generation.unwrap_or_default();
    conditions::list(before, &wanted, generation, now)
}

/// The conditions of a suspended resource: unchanged, unless the spec was changed or somebody else altered them.
pub fn suspended(observation: &Observation, before: &FlowsEncryptionKeyStatus, now: Timestamp) -> Vec<Condition> {
    let spec = &observation.resource.spec;
    let generation = observation.resource.metadata.generation.unwrap_or_default();
    let same_numbers =
        before.phone_numbers.iter().map(|n| &n.phone_number_id).eq(members::phone_number_ids(&observation.resource));
    let accounts = before.business_accounts.iter().map(|account| &account.id);
    let same_accounts = accounts.eq(spec.business_accounts.iter().map(|account| &account.id));
    let is_as_reconciled =
        same_numbers && same_accounts && before.observed_spec_digest.as_deref() == Some(&spec_digest(spec));
    let shown = conditions::find(&before.conditions, ConditionType::Ready);
    let can_stay = shown.is_some_and(|ready| ready.reason != Reason::Suspended.as_str())
        && !conditions::are_altered(&before.conditions);
    if is_as_reconciled && can_stay {
        let mut conditions = before.conditions.clone();
        conditions.retain(|condition| ConditionType::ALL.iter().any(|kind| condition.type_ == kind.as_str()));
        for condition in &mut conditions {
            condition.observed_generation = Some(generation);
        }
        return conditions;
    }
    let [key, token] = [ConditionType::KeyLoaded, ConditionType::TokenAccepted]
        .map(|kind| carried(&before.conditions, kind, "Suspended before it was read."));
    let why = if is_as_reconciled {
        // The spec is again as before the suspension: the known state of the numbers counts again.
        ready(observation, [&key, &token], before, Progress::Finished, now)
    } else if before.observed_spec_digest.is_none() {
        ConditionReason::new(
            Reason::Suspended,
            "Nothing was checked yet: work on this resource is suspended. Set spec.suspend to false to begin.",
        )
    } else {
        ConditionReason::new(
            Reason::Suspended,
            "Work on this resource is suspended, and its spec has changed since; set spec.suspend to false to go on.",
        )
    };
    list(observation, &before.conditions, &before.phone_numbers, &why, [key, token], now)
}

fn key_loaded(observation: &Observation, before: &[Condition]) -> Input {
    let Some(inputs) = &observation.inputs else {
        return carried(before, ConditionType::KeyLoaded, "The key was not read yet.");
    };
    match &inputs.key {
        Ok(key) => Input {
            status: ConditionStatus::True,
            why: ConditionReason::new(Reason::KeyLoaded, format!("The public key is {}.", key.fingerprint())),
        },
        Err(why) => {
            let mut why = why.clone();
            let was_rejected = conditions::find(before, ConditionType::KeyLoaded).is_some_and(|condition| {
                let rejections = [Reason::PassphraseRejected.as_str(), Reason::PassphraseWrong.as_str()];
                rejections.contains(&condition.reason.as_str())
            });
            let same_secrets = observation.status().is_some_and(|status| status.observed_secrets == inputs.secrets);
            if why.reason == Reason::PassphraseRejected && was_rejected && same_secrets {
                why.reason = Reason::PassphraseWrong;
            }
            Input { status: ConditionStatus::False, why }
        }
    }
}

fn token_accepted(observation: &Observation, outcomes: &[Outcome], before: &[Condition]) -> Input {
    let not_asked = "Meta was not asked with this access token yet.";
    let Some(inputs) = &observation.inputs else {
        return carried(before, ConditionType::TokenAccepted, not_asked);
    };
    if let Err(why) = &inputs.credentials {
        return Input { status: ConditionStatus::False, why: why.clone() };
    }
    let refused_later = || outcomes.iter().find_map(|outcome| outcome.refusal.as_ref());
    if let Some(error) = observation.refusal.as_ref().or_else(refused_later) {
        return Input { status: ConditionStatus::False, why: refusal(observation, error) };
    }
    let is_accepted = observation.accounts.iter().any(|account| account.listing.accepts_credentials())
        || observation.numbers.iter().any(|number| number.reading.accepts_credentials());
    if is_accepted {
        let why = ConditionReason::new(Reason::TokenAccepted, "Meta accepts the access token.");
        Input { status: ConditionStatus::True, why }
    } else {
        let before = if has_same_credentials(&observation.resource, &inputs.secrets) { before } else { &[] };
        let known = carried(before, ConditionType::TokenAccepted, not_asked);
        if known.status != ConditionStatus::Unknown {
            return known;
        }
        let has_failed = observation.numbers.iter().any(|number| matches!(number.reading, Reading::Failed { .. }));
        match limit(observation) {
            Some(why) => Input { why, ..known },
            // The token was tried, and the reported limit is over.
            None if has_failed => Input { why: ConditionReason::new(Reason::NotAsked, not_asked), ..known },
            None => known,
        }
    }
}

fn refusal(observation: &Observation, error: &GraphError) -> ConditionReason {
    let spec = &observation.resource.spec;
    let namespace = observation.resource.metadata.namespace.as_deref().unwrap_or_default();
    let (reason, what, reference) = match (&error.class, &spec.app_secret_ref) {
        (ErrorClass::AppSecretProof, Some(reference)) => (Reason::AppSecretRefused, "this app secret", reference),
        (ErrorClass::AppSecretProof, None) => {
            (Reason::AppSecretRefused, "calls with the token alone", &spec.access_token_secret_ref)
        }
        _ => (Reason::TokenRefused, "this token", &spec.access_token_secret_ref),
    };
    let place = reference.place(namespace);
    let remedy = error.class.remedy().unwrap_or("see what Meta says");
    ConditionReason::new(reason, format!("{place}: {remedy}; Meta refuses {what}. {}", error.brief()))
}

/// The rate limit that holds calls with the token, if there is one.
fn limit(observation: &Observation) -> Option<ConditionReason> {
    observation.numbers.iter().find_map(|number| match &number.reading {
        Reading::Held { limit: Some(limit), until } => Some(ConditionReason::new(
            Reason::RateLimited,
            format!("Meta limits the rate of calls; the access token is tried at {}. {}", clock(*until), limit.brief()),
        )),
        Reading::Held { limit: None, .. } | Reading::NotAsked | Reading::Answered { .. } | Reading::Failed { .. } => {
            None
        }
    })
}

fn ready(
    observation: &Observation,
    inputs: [&Input; 2],
    after: &FlowsEncryptionKeyStatus,
    progress: Progress,
    now: Timestamp,
) -> ConditionReason {
    let numbers = &*counted(&after.phone_numbers);
    let rotation = after.rotation.as_ref();
    let holds = observation.course.direction == Direction::Hold;
    if progress == Progress::Underway && observation.changed_since_last() && !holds {
        let done = numbers.iter().filter(|number| number.state == NumberState::Valid).count();
        let reason = if observation.has_new_key() { Reason::RollingOut } else { Reason::Progressing };
        return ConditionReason::new(
            reason,
            format!("The key is being put on the numbers: {done} of {} are done.", numbers.len()),
        );
    }
    if let Some(input) = inputs.iter().find(|input| input.status == ConditionStatus::False) {
        return input.why.clone();
    }
    let why = numbers_and_rotation(observation, inputs, after, now);
    match rotation {
        Some(rotation) if is_overdue(rotation, &observation.resource.spec, now) && may_pass(why.reason) => {
            rotation::overdue(rotation, &why)
        }
        Some(_) | None => why,
    }
}

/// What the numbers, the accounts and the rotation say, where key and credentials are in order.
fn numbers_and_rotation(
    observation: &Observation,
    inputs: [&Input; 2],
    after: &FlowsEncryptionKeyStatus,
    now: Timestamp,
) -> ConditionReason {
    let (numbers, rotation) = (&*counted(&after.phone_numbers), after.rotation.as_ref());
    let criteria = observation.criteria();
    let found: Vec<_> = numbers.iter().filter_map(|number| Some((trouble(number, &criteria)?, number))).collect();
    // Among reasons of the same rank the first number in the spec wins, so the order of calls does not matter.
    let worst = found.iter().map(|(reason, _)| *reason).reduce(|a, b| if rank(b) > rank(a) { b } else { a });
    if let Some(why) = worst_account(observation, &after.business_accounts, worst) {
        return why;
    }
    let waiting = rotation.and_then(|it| rotation::waiting(observation, it, now));
    let [_, token] = inputs;
    match (worst, waiting) {
        // While a rotation waits, the numbers that it holds have no other trouble.
        (worst, Some(waiting)) if worst.is_none_or(|worst| rank(worst) < STALLED || is_held(worst)) => waiting,
        // The stored state of the numbers was read with other credentials.
        (None, _) if token.status == ConditionStatus::Unknown => token.why.clone(),
        (None, _) => {
            let old_key = rotation.map(|it| rotation::old_key(observation, it, now)).unwrap_or_default();
            ConditionReason::new(Reason::AllNumbersValid, all_valid(numbers) + &old_key)
        }
        (Some(worst), _) => {
            let concerned: Vec<_> = found.into_iter().filter(|(reason, _)| *reason == worst).map(|(_, n)| n).collect();
            ConditionReason::new(worst, sentence(&concerned))
        }
    }
}

/// Whether the reason may pass by itself.
fn may_pass(reason: Reason) -> bool {
    matches!(reason.ready_effect(), ReadyEffect::Waiting | ReadyEffect::Underway)
}

/// The trouble of an account that is worse than the worst of the numbers.
fn worst_account(
    observation: &Observation,
    accounts: &[BusinessAccountStatus],
    numbers: Option<Reason>,
) -> Option<ConditionReason> {
    let of_numbers = numbers.map_or(0, rank);
    let troubles =
        accounts.iter().filter_map(|account| accounts::trouble(account, observation.interval, observation.now));
    let worst = troubles.reduce(|a, b| if rank(b.reason) > rank(a.reason) { b } else { a })?;
    (rank(worst.reason) > of_numbers).then_some(worst)
}

/// The numbers that count. See [`members::counts`].
fn counted(numbers: &[PhoneNumberStatus]) -> Cow<'_, [PhoneNumberStatus]> {
    if numbers.iter().all(members::counts) {
        return Cow::Borrowed(numbers);
    }
    Cow::Owned(numbers.iter().filter(|number| members::counts(number)).cloned().collect())
}

/// Whether a rotation explains the reason.
fn is_held(reason: Reason) -> bool {
    matches!(reason, Reason::KeyOutdated | Reason::KeyForeign | Reason::UploadsWithoutEffect)
}

fn all_valid(numbers: &[PhoneNumberStatus]) -> String {
    let all = match numbers.len() {
        0 => return "The accounts have no connected number yet.".to_owned(),
        1 => "The number holds the key with a valid signature".to_owned(),
        count => format!("All {count} numbers hold the key with a valid signature"),
    };
    let silent: Vec<_> = numbers.iter().filter(|number| number.error.is_some()).collect();
    let Some(as_of) = silent.iter().filter_map(|number| number.last_read_time.as_ref()).min() else {
        return all + ".";
    };
    let as_of = utc(as_of.0);
    let since = match silent.iter().filter_map(|number| number.error.as_ref()).all(is_rate_limit) {
        true => "Meta has limited the rate of calls since",
        false => "Meta has not answered since",
    };
    if silent.len() == numbers.len() {
        return format!("{all} as of {as_of}; {since}.");
    }
    let ids: Vec<_> = silent.iter().map(|number| &number.phone_number_id).collect();
    format!("{all}, {} as of {as_of}; for {} {since}.", phone_numbers(&ids), if ids.len() == 1 { "it" } else { "them" })
}
