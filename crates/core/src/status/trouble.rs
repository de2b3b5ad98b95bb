//! Why a number is not Valid: the reason and the sentence for a condition. Pure.

use crate::api::conditions::{ReadyEffect, Reason};
use crate::api::crd::{Mode, NumberState, PhoneNumberStatus};
use crate::api::text::{capitalized, phone_numbers};
use crate::number::{Criteria, UPLOADS_BEFORE_STALLED, is_rate_limit};

/// The reason why a number is not Valid.
pub fn trouble(number: &PhoneNumberStatus, criteria: &Criteria) -> Option<Reason> {
    let drift = |reason| match criteria.mode {
        Mode::Observe => Reason::DriftObserved,
        Mode::Enforce if number.upload_attempts >= UPLOADS_BEFORE_STALLED => Reason::UploadsWithoutEffect,
        Mode::Enforce => reason,
    };
    match number.state {
        NumberState::Valid | NumberState::Unregistered => None,
        _ if criteria.keeps_foreign_key(number) => Some(Reason::NumberNotAdopted),
        NumberState::Pending => Some(match &number.error {
            Some(error) if is_rate_limit(error) => Reason::RateLimited,
            Some(_) => Reason::GraphUnreachable,
            None => Reason::Progressing,
        }),
        NumberState::Mismatch => Some(drift(Reason::SignatureLost)),
        NumberState::Missing => Some(drift(Reason::KeyMissing)),
        NumberState::Outdated => Some(drift(Reason::KeyOutdated)),
        NumberState::Foreign => Some(drift(Reason::KeyForeign)),
        // Not DriftObserved in mode Observe: an upload would not resolve this state.
        NumberState::Unreported => Some(Reason::StatusUnknown),
        NumberState::Conflict if criteria.is_handed_over(number) => Some(Reason::NumberHandover),
        NumberState::Conflict => Some(Reason::NumberConflict),
        NumberState::Contested => Some(Reason::NumberContested),
        NumberState::Refused => Some(Reason::NumberRefused),
        NumberState::Unreachable => Some(Reason::CheckOverdue),
    }
}

/// The rank of a reason that needs a person.
pub(super) const STALLED: u8 = 3;

/// The rank of a reason if numbers differ: reasons that need a person before reasons that pass by themselves.
pub(super) fn rank(reason: Reason) -> u8 {
    match reason.ready_effect() {
        ReadyEffect::Stalled => STALLED,
        ReadyEffect::Waiting => 2,
        ReadyEffect::Underway => 1,
        ReadyEffect::Ready | ReadyEffect::Suspended => 0,
    }
}

/// The sentence about numbers that have the same trouble.
pub(super) fn sentence(concerned: &[&PhoneNumberStatus]) -> String {
    let Some(first) = concerned.first() else {
        return String::new();
    };
    let ids: Vec<_> = concerned.iter().map(|number| &number.phone_number_id).collect();
    let detail = if first.message.is_empty() { "not asked yet." } else { &first.message };
    format!("{}: {detail}", capitalized(&phone_numbers(&ids)))
}
