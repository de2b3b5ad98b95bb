//! The status of an account after a reconcile, and why an account keeps a resource from being Ready. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::listing::Listing;
use crate::api::conditions::{ConditionReason, Reason};
use crate::api::crd::{
    AccountState, BusinessAccountStatus, FlowsEncryptionKey, MAX_NUMBER_TEXT, MAX_PHONE_NUMBERS, NumberError,
};
use crate::api::text::{capitalized, truncate};
use crate::meta::{ErrorClass, GraphError};
use crate::number::{is_rate_limit, number_error};
use crate::schedule::backoff::Waits;

/// The inputs of a reconcile about one account.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountObservation {
    /// Status of the account after the last reconcile.
    pub before: BusinessAccountStatus,
    /// Result of the list in this reconcile.
    pub listing: Listing,
}

/// The accounts of a resource, in the order of the spec, before anything was listed.
pub fn observations(resource: &FlowsEncryptionKey) -> Vec<AccountObservation> {
    let stored = resource.status.as_ref().map(|status| status.business_accounts.as_slice()).unwrap_or_default();
    let before = |id: &String| {
        let known = stored.iter().find(|account| account.id == *id).cloned();
        known.unwrap_or_else(|| BusinessAccountStatus { id: id.clone(), ..BusinessAccountStatus::default() })
    };
    let accounts = resource.spec.business_accounts.iter();
    accounts.map(|account| AccountObservation { before: before(&account.id), listing: Listing::NotAsked }).collect()
}

impl AccountObservation {
    /// The status after the list. `is_too_large` says that the resource would have too many numbers.
    pub fn status(&self, is_too_large: bool, resets_backoff: bool, waits: &Waits) -> BusinessAccountStatus {
        let mut account = self.before.clone();
        if resets_backoff {
            account.failures = 0;
        }
        match &self.listing {
            Listing::NotAsked => return account,
            Listing::Answered { reported: numbers, at } => {
                account.state = AccountState::Listed;
                account.phone_numbers = i32::try_from(numbers.len()).ok();
                account.last_list_time = Some(Time(*at));
                (account.next_attempt_time, account.failures, account.error) = (None, 0, None);
                account.message = String::new();
            }
            Listing::Failed { error, at } => {
                account.failures = account.failures.saturating_add(1);
                let wait = if error.class.refuses_number() {
                    account.state = AccountState::Refused;
                    waits.after_refusal(account.failures)
                } else {
                    waits.after_failure(account.failures)
                };
                account.next_attempt_time = Some(Time(*at + wait));
                account.error = Some(failed_list(error));
                account.message = failure(error);
            }
            Listing::Held { limit, until } => {
                account.next_attempt_time = Some(Time(*until));
                account.error = limit.as_ref().map(failed_list);
                account.message = limit.as_ref().map(failure).unwrap_or_default();
            }
        }
        let is_refused = account.state == AccountState::Refused;
        if is_too_large && is_refused && self.before.state == AccountState::TooLarge {
            // Its numbers stay hidden. The message says why it could not be listed.
            account.state = AccountState::TooLarge;
        } else if is_too_large && !is_refused {
            account.state = AccountState::TooLarge;
            account.message = format!(
                "With the numbers of the accounts the resource would have more than {MAX_PHONE_NUMBERS}; spread the accounts over several resources, or exclude numbers."
            );
        } else if account.state == AccountState::TooLarge {
            account.state = AccountState::Listed;
        }
        account
    }
}

fn failed_list(error: &GraphError) -> NumberError {
    NumberError { call: None, ..number_error(error) }
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
            AccountObservation { before, listing }.status(is_too_large, false, &Waits::default())
        };
        // Otherwise nobody would know any more that it has numbers that are not shown.
        let account = listed(AccountState::TooLarge, true);
        assert_eq!(account.state, AccountState::TooLarge);
        assert!(account.message.contains("Give the system user this account"), "{}", account.message);
        assert_eq!(listed(AccountState::Listed, true).state, AccountState::Refused);
        assert_eq!(listed(AccountState::TooLarge, false).state, AccountState::Refused);
    }
}
