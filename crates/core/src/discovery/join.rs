//! Which numbers a resource has after its accounts were listed. Pure.
//!
//! A number joins at first sight. A number leaves with the second complete list without it, because a list that is read
//! page by page may miss a number that moved meanwhile. A list that failed changes nothing.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::account::AccountObservation;
use super::listing::Listing;
use crate::api::crd::{
    AccountState, FlowsEncryptionKeySpec, MAX_PHONE_NUMBERS, NumberState, PhoneNumberStatus, is_meta_id,
};
use crate::api::members::may_join;

/// The numbers of a resource after its accounts were listed.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    /// The numbers: the listed ones in the order of the spec, then the discovered ones in order.
    pub numbers: Vec<PhoneNumberStatus>,
    /// The numbers to read at once: nobody knows what they hold.
    pub unknown: Vec<String>,
    /// Whether there are more numbers than a resource may have. Then the discovered ones are left out.
    pub is_too_large: bool,
}

/// An account's list, for one number.
struct Found<'a> {
    account: &'a str,
    is_connected: bool,
}

/// The numbers of the resource. `numbers` are those that it had before, in order.
pub fn join(
    spec: &FlowsEncryptionKeySpec,
    numbers: impl IntoIterator<Item = PhoneNumberStatus>,
    accounts: &[AccountObservation],
) -> Joined {
    let found = found(spec, accounts);
    let is_listed: HashSet<&str> = spec.phone_number_ids.iter().map(String::as_str).collect();
    let (mut kept, mut discovered, mut unknown) = (Vec::new(), BTreeMap::new(), Vec::new());
    for mut number in numbers {
        let id = number.phone_number_id.clone();
        let was_unregistered = number.state == NumberState::Unregistered;
        match (found.get(id.as_str()), is_listed.contains(id.as_str())) {
            (Some(found), is_listed) => note_found(&mut number, found, is_listed),
            (None, true) => note_absent(&mut number, accounts),
            (None, false) if has_left(&mut number, accounts) => continue,
            (None, false) => {}
        }
        if was_unregistered && number.state != NumberState::Unregistered {
            unknown.push(id.clone());
        }
        if is_listed.contains(id.as_str()) { kept.push(number) } else { drop(discovered.insert(id, number)) }
    }
    let known: HashSet<String> =
        kept.iter().map(|number| number.phone_number_id.clone()).chain(discovered.keys().cloned()).collect();
    for (id, found) in found.iter().filter(|(id, _)| !known.contains(**id)) {
        let mut number = PhoneNumberStatus { phone_number_id: (*id).to_owned(), ..PhoneNumberStatus::default() };
        note_found(&mut number, found, false);
        if found.is_connected {
            unknown.push((*id).to_owned());
        }
        discovered.insert((*id).to_owned(), number);
    }
    let is_too_large = kept.len() + discovered.len() > MAX_PHONE_NUMBERS || stays_too_large(accounts);
    if is_too_large {
        unknown.retain(|id| is_listed.contains(id.as_str()));
    } else {
        kept.extend(discovered.into_values());
    }
    Joined { numbers: kept, unknown, is_too_large }
}

/// The numbers in the complete lists. The first account of the spec wins where two have the same number.
fn found<'a>(spec: &FlowsEncryptionKeySpec, accounts: &'a [AccountObservation]) -> BTreeMap<&'a str, Found<'a>> {
    let mut found: BTreeMap<&str, Found<'_>> = BTreeMap::new();
    for (of_spec, account) in spec.business_accounts.iter().zip(accounts) {
        let Listing::Answered { reported: numbers, .. } = &account.listing else { continue };
        for number in numbers.iter().filter(|number| is_meta_id(&number.id) && may_join(of_spec, &number.id)) {
            let is_connected = number.is_connected();
            let known = found.entry(&number.id).or_insert(Found { account: &account.before.id, is_connected });
            // A list may have a number twice, on two pages.
            known.is_connected |= is_connected;
        }
    }
    found
}

fn note_found(number: &mut PhoneNumberStatus, found: &Found<'_>, is_listed: bool) {
    number.business_account_id = Some(found.account.to_owned());
    number.unlisted_since = None;
    match number.state {
        NumberState::Unregistered if is_listed || found.is_connected => number.state = NumberState::Pending,
        NumberState::Unregistered => {}
        _ if !is_listed && !found.is_connected => {
            number.state = NumberState::Unregistered;
            (number.error, number.next_attempt_time, number.failures) = (None, None, 0);
        }
        _ => {}
    }
}

/// A number of the spec is in no list any more. It stays, because the spec has it.
fn note_absent(number: &mut PhoneNumberStatus, accounts: &[AccountObservation]) {
    if listed_without(number, accounts).is_some() {
        (number.business_account_id, number.unlisted_since) = (None, None);
    }
}

/// Notes that the list of its account lacks the number. Whether that is so for the second time.
fn has_left(number: &mut PhoneNumberStatus, accounts: &[AccountObservation]) -> bool {
    let Some(at) = listed_without(number, accounts) else { return false };
    if number.unlisted_since.is_some() {
        return true;
    }
    number.unlisted_since = Some(Time(at));
    false
}

/// When the account of the number was listed, if it was. The list does not have the number.
fn listed_without(number: &PhoneNumberStatus, accounts: &[AccountObservation]) -> Option<Timestamp> {
    let account = accounts.iter().find(|account| Some(&account.before.id) == number.business_account_id.as_ref())?;
    match account.listing {
        Listing::Answered { at, .. } => Some(at),
        Listing::NotAsked | Listing::Failed { .. } | Listing::Held { .. } => None,
    }
}

/// Whether there were too many numbers, and not every account was listed since: nobody knows how many there are now.
fn stays_too_large(accounts: &[AccountObservation]) -> bool {
    accounts.iter().any(|account| account.before.state == AccountState::TooLarge)
        && !accounts.iter().all(|account| matches!(account.listing, Listing::Answered { .. }))
}
