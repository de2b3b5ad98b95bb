//! The numbers of a resource: those that the spec lists, and those that were found in an account of the spec.

use std::collections::BTreeSet;

use super::crd::{
    Adopt, BusinessAccount, FlowsEncryptionKey, FlowsEncryptionKeySpec, FlowsEncryptionKeyStatus, MAX_PHONE_NUMBERS,
    NumberState, PhoneNumberStatus,
};

/// The phone number IDs of a resource: the listed ones in the order of the spec, then the discovered ones in order.
///
/// The status holds the discovered ones. Without `businessAccounts` the status has no part in the result.
pub fn phone_number_ids(resource: &FlowsEncryptionKey) -> Vec<&String> {
    let listed = || resource.spec.phone_number_ids.iter();
    let stored = resource.status.as_ref().map(|status| status.phone_numbers.as_slice()).unwrap_or_default();
    let discovered = discovered(&resource.spec, stored);
    if listed().len() + discovered.len() > MAX_PHONE_NUMBERS {
        return listed().collect();
    }
    listed().chain(discovered).collect()
}

/// How many numbers a resource has.
pub fn count(resource: &FlowsEncryptionKey) -> usize {
    if resource.spec.business_accounts.is_empty() {
        return resource.spec.phone_number_ids.len();
    }
    phone_number_ids(resource).len()
}

/// The IDs in the status that are there only because an account of the spec has them.
fn discovered<'a>(spec: &FlowsEncryptionKeySpec, stored: &'a [PhoneNumberStatus]) -> BTreeSet<&'a String> {
    if spec.business_accounts.is_empty() {
        return BTreeSet::new();
    }
    let listed: BTreeSet<_> = spec.phone_number_ids.iter().collect();
    stored
        .iter()
        .filter(|number| account_of(spec, number).is_some_and(|account| may_join(account, &number.phone_number_id)))
        .map(|number| &number.phone_number_id)
        .filter(|id| !listed.contains(id))
        .collect()
}

/// The account of the spec in which the number was found.
pub fn account_of<'a>(spec: &'a FlowsEncryptionKeySpec, number: &PhoneNumberStatus) -> Option<&'a BusinessAccount> {
    let id = number.business_account_id.as_ref()?;
    spec.business_accounts.iter().find(|account| account.id == *id)
}

/// Whether a number of the account belongs to the resource.
pub fn may_join(account: &BusinessAccount, phone_number_id: &String) -> bool {
    !account.exclude_phone_number_ids.contains(phone_number_id)
}

/// Whether nobody has consented that the operator replaces a valid key of somebody else on this number: it is not listed,
/// and its account has no `adopt: All`.
pub fn is_guarded(spec: &FlowsEncryptionKeySpec, number: &PhoneNumberStatus) -> bool {
    account_of(spec, number).is_some_and(|account| account.adopt.unwrap_or_default() == Adopt::Unkeyed)
        && !spec.phone_number_ids.contains(&number.phone_number_id)
}

/// Whether the number counts: one that is not connected counts neither for nor against `Ready`.
pub fn counts(number: &PhoneNumberStatus) -> bool {
    number.state != NumberState::Unregistered
}

/// The last known status of a number of the resource. None for a number that the status does not have.
pub fn stored<'a>(status: Option<&'a FlowsEncryptionKeyStatus>, id: &str) -> Option<&'a PhoneNumberStatus> {
    status?.phone_numbers.iter().find(|number| number.phone_number_id == id)
}
