//! What users read about a WhatsApp Business Account: its message, and why it keeps a resource from being Ready. Pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::conditions::{ConditionReason, Reason};
use crate::api::crd::{AccountState, BusinessAccountStatus, MAX_NUMBER_TEXT, MAX_PHONE_NUMBERS};
use crate::api::text::{capitalized, truncate};
use crate::discovery::account::AccountObservation;
use crate::discovery::listing::Listing;
use crate::meta::{ErrorClass, GraphError};
use crate::number::is_rate_limit;
use crate::observation::Observation;

/// The accounts after a reconcile, in the order of the spec.
pub fn statuses(observation: &Observation) -> Vec<BusinessAccountStatus> {
    let mut accounts = observation.account_statuses();
    // Before all lists are there, the accounts are as they were.
    for (account, observed) in accounts.iter_mut().zip(&observation.accounts).filter(|_| observation.has_joined()) {
        account.message = message(observed, account);
    }
    accounts
}

/// The `message` of an account in its new state.
fn message(observed: &AccountObservation, account: &BusinessAccountStatus) -> String {
    match &observed.listing {
        Listing::NotAsked => account.message.clone(),
        Listing::Failed { error, .. } if error.class.refuses_number() => failure(error),
        _ if account.state == AccountState::TooLarge => format!(
            "With the numbers of the accounts the resource would have more than {MAX_PHONE_NUMBERS}; spread the accounts \
             over several resources, or exclude numbers."
        ),
        Listing::Failed { error, .. } => failure(error),
        Listing::Answered { .. } => String::new(),
        Listing::Held { limit, .. } => limit.as_ref().map(failure).unwrap_or_default(),
    }
}

/// What failed, and what helps.
fn failure(error: &GraphError) -> String {
    let text = match remedy(error) {
        Some(remedy) => format!("{}. {}", capitalized(&remedy), error.brief()),
        None => format!("The numbers of the account could not be listed. {}", error.brief()),
    };
    truncate(&text, MAX_NUMBER_TEXT)
}

/// What helps when Meta refuses the list of an account's numbers. None if waiting is enough.
pub fn remedy(error: &GraphError) -> Option<String> {
    if let Some(kind) = wrong_kind(error) {
        return Some(format!(
            "this is the ID of a {kind}: set the ID of a WhatsApp Business Account, from the account's settings in Meta Business Suite"
        ));
    }
    let remedy = match error.class {
        ErrorClass::Permission => {
            "give the system user this account, and the token whatsapp_business_management (Advanced Access for another business)"
        }
        ErrorClass::UnknownId => {
            "this is not a WhatsApp Business Account that the token can see: correct the ID, or assign the account to the system user"
        }
        ErrorClass::NotRegistered | ErrorClass::Invalid => {
            "Meta does not list the numbers of this account: see what it says"
        }
        ErrorClass::Policy => "resolve the block in Meta's Business Support Home",
        ErrorClass::Token
        | ErrorClass::AppSecretProof
        | ErrorClass::RateLimited { .. }
        | ErrorClass::Transient
        | ErrorClass::Unexpected => return None,
    };
    Some(remedy.to_owned())
}

/// What the ID really names, where Meta says that such an object has no numbers. Source: Meta's answer, `(#100) Tried
/// accessing nonexisting field (phone_numbers) on node type (Business)`.
fn wrong_kind(error: &GraphError) -> Option<&'static str> {
    let (_, kind) = error.message.split_once("(phone_numbers) on node type (")?;
    match kind.split(')').next()? {
        "WhatsAppBusinessPhoneNumber" => Some("phone number"),
        "Business" => Some("business portfolio"),
        "WhatsAppFlow" | "Flow" => Some("Flow"),
        "Application" => Some("Meta app"),
        "User" => Some("user"),
        _ => Some("different kind of object"),
    }
}

/// Why the account keeps the resource from being Ready. None if it does not.
pub fn trouble(account: &BusinessAccountStatus, interval: Duration, now: Timestamp) -> Option<ConditionReason> {
    let reason = match (account.state, &account.error, &account.last_list_time) {
        (AccountState::Refused, ..) => Reason::AccountRefused,
        (AccountState::TooLarge, ..) => Reason::AccountTooLarge,
        (AccountState::Pending, Some(error), _) if is_rate_limit(error) => Reason::RateLimited,
        (AccountState::Pending, Some(_), _) => Reason::GraphUnreachable,
        (AccountState::Pending, None, _) => Reason::Progressing,
        // An older answer says nothing about the numbers that the account has now.
        (AccountState::Listed, Some(_), Some(listed)) if listed.0 + interval * 3 < now => Reason::CheckOverdue,
        (AccountState::Listed, ..) => return None,
    };
    let detail = if account.message.is_empty() { "not listed yet." } else { &account.message };
    Some(ConditionReason::new(reason, format!("WhatsApp Business Account {}: {detail}", account.id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::backoff::Waits;

    #[test]
    fn an_account_that_is_too_large_stays_so_while_meta_refuses_its_list() {
        let now = Timestamp::UNIX_EPOCH;
        let error = GraphError {
            class: ErrorClass::Permission,
            http_status: Some(403),
            code: Some(200),
            subcode: None,
            kind: None,
            message: "refused".to_owned(),
            trace_id: None,
        };
        let listed = |before, is_too_large| {
            let before =
                BusinessAccountStatus { id: "7".to_owned(), state: before, ..BusinessAccountStatus::default() };
            let listing = Listing::Failed { error: error.clone(), at: now };
            let observed = AccountObservation { before, listing };
            let after = observed.status(is_too_large, false, &Waits::default());
            let message = message(&observed, &after);
            BusinessAccountStatus { message, ..after }
        };
        // Otherwise nobody would know any more that it has numbers that are not shown.
        let account = listed(AccountState::TooLarge, true);
        assert_eq!(account.state, AccountState::TooLarge);
        assert!(account.message.contains("Give the system user this account"), "{}", account.message);
        assert_eq!(listed(AccountState::Listed, true).state, AccountState::Refused);
        assert_eq!(listed(AccountState::TooLarge, false).state, AccountState::Refused);
    }
}
