//! The state of an account after a reconcile. Its `message` is made in `status/accounts.rs`. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::listing::Listing;
use crate::api::crd::{AccountState, BusinessAccountStatus, FlowsEncryptionKey, NumberError};
use crate::meta::GraphError;
use crate::number::number_error;
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
    /// The status after the list, with the former message. `is_too_large` says that the resource would have too many numbers.
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
            }
            Listing::Held { limit, until } => {
                account.next_attempt_time = Some(Time(*until));
                account.error = limit.as_ref().map(failed_list);
            }
        }
        let is_refused = account.state == AccountState::Refused;
        // The numbers of an account that was too large stay hidden while Meta refuses its list.
        let stays_hidden = !is_refused || self.before.state == AccountState::TooLarge;
        if is_too_large && stays_hidden {
            account.state = AccountState::TooLarge;
        } else if account.state == AccountState::TooLarge {
            account.state = AccountState::Listed;
        }
        account
    }
}

fn failed_list(error: &GraphError) -> NumberError {
    NumberError { call: None, ..number_error(error) }
}
