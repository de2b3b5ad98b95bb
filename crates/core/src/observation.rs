//! The inputs of a reconcile in one value: from Meta and from the Secrets. Never contains a credential.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;
use waflows_key::{Fingerprint, PublicKey};

use crate::api::conditions::ConditionReason;
use crate::api::crd::{
    BusinessAccountStatus, FlowsEncryptionKey, FlowsEncryptionKeyStatus, MAX_PREVIOUS_FINGERPRINTS, NumberState,
    ObservedSecret, PhoneNumberStatus,
};
use crate::api::members;
use crate::discovery::account::{self, AccountObservation};
use crate::discovery::join::join;
use crate::discovery::listing::Listing;
use crate::meta::GraphError;
use crate::number::{Criteria, Ownership, Reading};
use crate::proof::EndpointProof;
use crate::replacement::course::Course;
use crate::schedule::backoff::Waits;
use crate::schedule::due::{Work, is_resumed};
use crate::token::Inspection;
use crate::upload::Uploaded;

/// The inputs of a reconcile.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The resource at the start of the reconcile, with the status of the last reconcile.
    pub resource: Arc<FlowsEncryptionKey>,
    /// What there is to do, and why.
    pub work: Work,
    /// What the Secrets hold; none if this reconcile does not read them.
    pub inputs: Option<Inputs>,
    /// The numbers: the listed ones in the order of the spec, then those that were found in an account.
    pub numbers: Vec<NumberObservation>,
    /// The accounts, in the order of the spec.
    pub accounts: Vec<AccountObservation>,
    /// Whether the numbers are those of the lists in `accounts`. None before the lists are complete. Otherwise whether the
    /// resource would have too many numbers.
    joined: Option<bool>,
    /// The numbers whose valid key of somebody else must stay.
    guarded: Arc<BTreeSet<String>>,
    /// Meta's answer, if it refused the credentials.
    pub refusal: Option<GraphError>,
    /// What the Flow endpoint last answered. None if it was not asked since this process leads.
    pub proof: Option<Arc<EndpointProof>>,
    /// What Meta said about the access token. None if the token was not inspected since this process leads.
    pub token: Option<Arc<Inspection>>,
    /// The rotation of the key: what it allows in this reconcile.
    pub course: Course,
    /// The check interval.
    pub interval: Duration,
    /// The backoffs of the operator.
    pub waits: Waits,
    /// Time at which the observation was complete.
    pub now: Timestamp,
}

/// The contents of a resource's Secrets, or their errors. The credentials themselves stay with the caller of Meta.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The key that the numbers must hold.
    pub key: Result<PublicKey, ConditionReason>,
    /// Whether there are credentials for calls to Meta, or why not.
    pub credentials: Result<(), ConditionReason>,
    /// The versions of the Secrets that were read, ordered by name.
    pub secrets: Vec<ObservedSecret>,
}

/// The inputs of a reconcile about one number.
#[derive(Debug, Clone)]
pub struct NumberObservation {
    /// Status of the number after the last reconcile.
    pub before: PhoneNumberStatus,
    /// Result of the read in this reconcile.
    pub reading: Reading,
    /// Owner of the number.
    pub ownership: Ownership,
}

impl Observation {
    /// An observation before anything was read.
    pub fn new(
        resource: Arc<FlowsEncryptionKey>,
        work: Work,
        interval: Duration,
        waits: Waits,
        now: Timestamp,
    ) -> Self {
        let has_given_up = is_resumed(&resource);
        let numbers = members::phone_number_ids(&resource)
            .into_iter()
            .map(|id| {
                let mut before = known(&resource, id);
                if has_given_up {
                    before.owned_since = None;
                }
                NumberObservation::of(before)
            })
            .collect();
        let accounts = account::observations(&resource);
        let (inputs, refusal, proof, token) = (None, None, None, None);
        let course = Course::default();
        let (joined, guarded) = (None, Arc::default());
        let mut observation = Self {
            resource,
            work,
            inputs,
            numbers,
            accounts,
            joined,
            guarded,
            refusal,
            proof,
            token,
            course,
            interval,
            waits,
            now,
        };
        observation.guard();
        observation
    }

    /// Adds the result of listing an account.
    pub fn note_list(&mut self, AccountListing { position, listing, refusal }: AccountListing) {
        if let Some(account) = self.accounts.get_mut(position) {
            account.listing = listing;
        }
        self.refusal = self.refusal.take().or(refusal);
    }

    /// The positions of the accounts that are to be listed.
    pub fn unlisted(&self) -> VecDeque<usize> {
        let accounts = self.accounts.iter().enumerate().filter(|_| self.can_ask());
        let due = accounts.filter(|(_, account)| {
            account.listing == Listing::NotAsked && self.work.accounts.contains(&account.before.id)
        });
        due.map(|(position, _)| position).collect()
    }

    /// Makes the numbers those that the lists show. New ones are read in this reconcile.
    pub fn join(&mut self) {
        let before = std::mem::take(&mut self.numbers).into_iter().map(|number| number.before);
        let joined = join(&self.resource.spec, before, &self.accounts);
        self.numbers = joined.numbers.into_iter().map(NumberObservation::of).collect();
        self.joined = Some(joined.is_too_large);
        for id in joined.unknown {
            if !self.work.numbers.contains(&id) {
                self.work.numbers.push(id);
            }
        }
        self.guard();
    }

    /// Whether the lists of the accounts are complete, so that the numbers are those that the lists show.
    pub fn has_joined(&self) -> bool {
        self.joined.is_some()
    }

    /// Whether the number must keep a valid key of somebody else.
    pub fn is_guarded(&self, phone_number_id: &str) -> bool {
        self.guarded.contains(phone_number_id)
    }

    /// Notes which numbers must keep a valid key of somebody else.
    fn guard(&mut self) {
        let spec = &self.resource.spec;
        let guarded =
            self.numbers.iter().map(|number| &number.before).filter(|number| members::is_guarded(spec, number));
        self.guarded = Arc::new(guarded.map(|number| number.phone_number_id.clone()).collect());
    }

    /// The accounts after this reconcile, in the order of the spec.
    pub fn account_statuses(&self) -> Vec<BusinessAccountStatus> {
        let after = |account: &AccountObservation| match self.joined {
            Some(is_too_large) => account.status(is_too_large, self.work.reset_backoff, &self.waits),
            // Their numbers have not joined yet.
            None => account.before.clone(),
        };
        self.accounts.iter().map(after).collect()
    }

    /// The inputs about one number.
    pub fn number(&self, phone_number_id: &str) -> Option<&NumberObservation> {
        self.numbers.iter().find(|number| number.before.phone_number_id == phone_number_id)
    }

    /// The status of the last reconcile.
    pub fn status(&self) -> Option<&FlowsEncryptionKeyStatus> {
        self.resource.status.as_ref()
    }

    /// The same; empty before the first reconcile.
    pub fn status_or_default(&self) -> &FlowsEncryptionKeyStatus {
        static NOTHING_YET: LazyLock<FlowsEncryptionKeyStatus> = LazyLock::new(FlowsEncryptionKeyStatus::default);
        self.status().unwrap_or(&NOTHING_YET)
    }

    /// The number that gets a new key first, if the spec names one.
    pub fn canary(&self) -> Option<&str> {
        self.resource.spec.rotation.as_ref()?.canary_phone_number_id.as_deref()
    }

    /// Whether a key belonged to the resource before, or does now.
    pub fn is_own(&self, fingerprint: &str) -> bool {
        let status = self.status_or_default();
        status.public_key_fingerprint.as_deref() == Some(fingerprint)
            || status.previous_fingerprints.iter().any(|own| own == fingerprint)
    }

    /// The key to upload, if the key of the resource could be read: that key, or the old one while a rotation is staged or
    /// taken back.
    pub fn key(&self) -> Option<&PublicKey> {
        let key = self.inputs.as_ref()?.key.as_ref().ok()?;
        Some(self.course.old_key.as_ref().unwrap_or(key))
    }

    /// Whether the credentials could be read.
    pub fn has_credentials(&self) -> bool {
        self.inputs.as_ref().is_some_and(|inputs| inputs.credentials.is_ok())
    }

    /// Whether Meta can be called: there are credentials, and a key to compare with an answer.
    pub fn can_ask(&self) -> bool {
        self.has_credentials() && self.expected().is_some()
    }

    fn stored_fingerprint(&self) -> Option<Fingerprint> {
        self.status()?.fingerprint()
    }

    /// The key that the numbers must hold for now: the key that was just read, else the last known key. The old key while
    /// a rotation is staged or taken back.
    pub fn expected(&self) -> Option<Fingerprint> {
        let key = self.course.old_key.as_ref().or_else(|| self.key());
        key.map(|key| *key.fingerprint()).or_else(|| self.stored_fingerprint())
    }

    /// Whether the key has changed since the last reconcile.
    pub fn has_new_key(&self) -> bool {
        self.expected() != self.stored_fingerprint()
    }

    /// Whether someone has changed the resource or its key since the last reconcile.
    pub fn changed_since_last(&self) -> bool {
        let observed = self.status().and_then(|status| status.observed_generation);
        observed != self.resource.metadata.generation || self.has_new_key()
    }

    /// The earlier keys of the resource, newest first.
    pub fn previous_fingerprints(&self) -> Vec<String> {
        let expected = self.expected().map(|fingerprint| fingerprint.to_string());
        let replaced =
            self.status().and_then(|status| status.public_key_fingerprint.clone()).filter(|_| self.has_new_key());
        let stored = self.status().map(|status| status.previous_fingerprints.clone()).unwrap_or_default();
        let mut previous: Vec<String> = Vec::new();
        for fingerprint in replaced.into_iter().chain(stored) {
            if Some(&fingerprint) != expected.as_ref() && !previous.contains(&fingerprint) {
                previous.push(fingerprint);
            }
        }
        previous.truncate(MAX_PREVIOUS_FINGERPRINTS);
        previous
    }

    /// The criteria for all numbers.
    pub fn criteria(&self) -> Criteria {
        Criteria {
            expected: self.expected(),
            previous: self.previous_fingerprints(),
            mode: self.resource.spec.mode,
            interval: self.interval,
            waits: self.waits,
            guarded: Arc::clone(&self.guarded),
            reset_backoff: self.work.reset_backoff || self.has_new_key(),
            now: self.now,
        }
    }

    /// Whether the number was to be read and was not, because the reconcile was cut short.
    pub fn was_skipped(&self, number: &NumberObservation) -> bool {
        self.can_ask()
            && number.reading == Reading::NotAsked
            && number.before.state != NumberState::Unregistered
            && self.work.numbers.contains(&number.before.phone_number_id)
    }

    /// The positions of the numbers that are to be read and were not yet.
    pub fn unread(&self) -> VecDeque<usize> {
        let numbers = self.numbers.iter().enumerate();
        numbers.filter(|(_, number)| self.was_skipped(number)).map(|(position, _)| position).collect()
    }

    /// Adds the result of reading one number.
    pub fn note(&mut self, NumberReading { position, reading, refusal }: NumberReading) {
        if let Some(number) = self.numbers.get_mut(position) {
            number.reading = reading;
        }
        self.refusal = self.refusal.take().or(refusal);
    }

    /// `namespace/name`, by which the call limiter knows the resource.
    pub fn resource_name(&self) -> String {
        let metadata = &self.resource.metadata;
        let part = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{}/{}", part(&metadata.namespace), part(&metadata.name))
    }
}

/// What the status knows of a number of the resource, as far as it holds for the present spec.
fn known(resource: &FlowsEncryptionKey, id: &String) -> PhoneNumberStatus {
    let mut known = members::stored(resource.status.as_ref(), id)
        .cloned()
        .unwrap_or_else(|| PhoneNumberStatus { phone_number_id: id.clone(), ..PhoneNumberStatus::default() });
    if members::account_of(&resource.spec, &known).is_none() {
        // The account is not in the spec any more.
        (known.business_account_id, known.unlisted_since) = (None, None);
    }
    if known.state == NumberState::Unregistered && resource.spec.phone_number_ids.contains(id) {
        // The number was in an account only, and is listed now.
        known.state = NumberState::Pending;
    }
    known
}

impl NumberObservation {
    /// A number before it is read.
    fn of(before: PhoneNumberStatus) -> Self {
        Self { before, reading: Reading::NotAsked, ownership: Ownership::Uncontested }
    }

    /// The number's status after the read, without uploads.
    pub fn as_read(&self, criteria: &Criteria) -> PhoneNumberStatus {
        let number = criteria.rebase(&self.before);
        let mut number = match &self.reading {
            Reading::NotAsked => number,
            Reading::Answered { reported, at } => criteria.answered(number, reported, *at),
            Reading::Failed { error, at } => criteria.failed(number, error, *at),
            Reading::Held { limit, until } => criteria.held(number, limit.as_ref(), *until),
        };
        match (&self.ownership, number.state) {
            // The owner has gone, and the number was not read yet.
            (Ownership::Uncontested, NumberState::Conflict) => number.state = NumberState::Pending,
            (Ownership::Uncontested, _) | (_, NumberState::Pending | NumberState::Unregistered) => {}
            (Ownership::Other { .. } | Ownership::Vacant { .. }, _) => number.state = NumberState::Conflict,
        }
        number
    }

    /// The number's status after an upload that followed the read.
    pub fn uploaded(&self, criteria: &Criteria, upload: &Uploaded, after: &Reading) -> PhoneNumberStatus {
        criteria.uploaded(self.as_read(criteria), upload, after)
    }
}

/// The result of listing the numbers of one account in a reconcile.
#[derive(Debug, Clone)]
pub struct AccountListing {
    /// Position of the account in the spec.
    pub position: usize,
    /// The answer, or why there is none.
    pub listing: Listing,
    /// Meta's answer, if it refused the credentials.
    pub refusal: Option<GraphError>,
}

/// The result of reading one number in a reconcile.
#[derive(Debug, Clone)]
pub struct NumberReading {
    /// Position of the number among the numbers of the resource.
    pub position: usize,
    /// The answer, or why there is none.
    pub reading: Reading,
    /// Meta's answer, if it refused the credentials.
    pub refusal: Option<GraphError>,
}
