//! A resource of any content, and whatever Meta answers → a few reconciles of the pure core.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;
use waflows_core::api::conditions::{ConditionReason, ConditionType, Reason, are_altered};
use waflows_core::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeyStatus, Mode, ObservedSecret};
use waflows_core::api::members;
use waflows_core::api::text::truncate;
use waflows_core::discovery::listing::{ListedNumber, Listing};
use waflows_core::meta::{ErrorClass, GraphError, RateLimitScope, Reported, ReportedKey};
use waflows_core::number::{Ownership, Reading};
use waflows_core::observation::{AccountListing, Inputs, NumberReading, Observation};
use waflows_core::reconcile::action::{Action, End, Event};
use waflows_core::reconcile::machine::{Reconcile, Settings};
use waflows_core::rollout::plan::{Plan, Upload, plan};
use waflows_core::rollout::uploads::{ReadBack, UploadCall};
use waflows_core::schedule::backoff::Waits;
use waflows_core::schedule::due::{Schedule, due};
use waflows_core::store::cached_resource::CachedResource;
use waflows_core::upload::{UploadAnswer, Uploaded};
use waflows_key::{Fingerprint, PublicKey};

const RECONCILES: usize = 4;
/// The most that the API server takes is 1.5 MiB, with the spec and the bookkeeping of its fields.
const MAX_STATUS: usize = 1 << 20;
const HOUR: Duration = Duration::from_secs(3600);
const DIGEST: &str = "9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c";

static KEY: LazyLock<PublicKey> =
    LazyLock::new(|| PublicKey::from_public_key(include_str!("../seeds/key/public-2048.pem")).expect("a public key"));
static FOREIGN: LazyLock<Fingerprint> = LazyLock::new(|| format!("sha256:{DIGEST}").parse().expect("a fingerprint"));

/// A resource in JSON or YAML. Bytes after a zero byte choose what its Secrets hold and what Meta answers.
pub fn resource(input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == 0);
    let text = parts.next().unwrap_or_default();
    let mut choices = Choices(parts.next().unwrap_or_default());
    let Some(mut resource) = parse(text).filter(is_admitted) else { return };
    let mut now = Timestamp::from_second(1_795_000_000).expect("a time of 2026");
    for _ in 0..RECONCILES {
        check_cached(&resource);
        let interval = resource.spec.check_interval_or(HOUR);
        let mut secrets = resource.status.as_ref().map(|status| status.observed_secrets.clone()).unwrap_or_default();
        if choices.one_in(4) {
            secrets.clear();
        }
        match due(&resource, &secrets, interval, now) {
            Schedule::Later(None) => return,
            Schedule::Later(Some(at)) => {
                assert!(at > now, "due in the past, and yet not now");
                now = at;
            }
            Schedule::Now(work) => {
                let settings = Settings { interval, waits: Waits::default(), owes_status: choices.one_in(8) };
                let reconcile = Reconcile::new(Arc::new(resource.clone()), work, settings, now);
                let driver = Driver { reconcile, secrets, now, choices: &mut choices };
                resource.status = driver.run();
                now = now.checked_add(Duration::from_secs(choices.next().into())).unwrap_or(now);
            }
        }
    }
}

/// A resource as the API server would pass it on. The type of a time reads times before the year 0, and then writes
/// them in a form that it cannot read. The API server stores no such times.
fn parse(text: &[u8]) -> Option<FlowsEncryptionKey> {
    let text = std::str::from_utf8(text).ok()?;
    let resource: FlowsEncryptionKey = serde_json::from_str(text).ok().or_else(|| serde_saphyr::from_str(text).ok())?;
    serde_json::from_value(serde_json::to_value(resource).ok()?).ok()
}

/// Whether the resource meets the bounds of the schema. The bound of a status depends on them.
fn is_admitted(resource: &FlowsEncryptionKey) -> bool {
    let ids = &resource.spec.phone_number_ids;
    let accounts = &resource.spec.business_accounts;
    let stored = resource.status.as_ref().map(|status| status.phone_numbers.as_slice()).unwrap_or_default();
    let has_accounts = !accounts.is_empty();
    let is_id = |id: &String| id.len() <= 20;
    (usize::from(!has_accounts)..=500).contains(&ids.len())
        && accounts.len() <= 20
        && accounts.iter().all(|account| is_id(&account.id))
        && (!has_accounts || stored.iter().all(|number| is_id(&number.phone_number_id)))
        && ids.iter().all(|id| id.len() <= 20)
        && ids.iter().collect::<BTreeSet<_>>().len() == ids.len()
}

fn check_cached(resource: &FlowsEncryptionKey) {
    let cached = CachedResource::of(resource);
    let value = |resource: &FlowsEncryptionKey| serde_json::to_value(resource).expect("JSON");
    assert_eq!(value(&cached.resource()), value(resource), "the cache returns the same resource");
    assert!(!cached.spec_changed(&cached));
    assert_eq!(cached.numbers.len(), members::count(resource));
    cached.owned().for_each(|id| assert!(cached.owned_since(id).is_some()));
}

/// The status as the API server returns it.
fn stored(status: &FlowsEncryptionKeyStatus) -> FlowsEncryptionKeyStatus {
    let text = serde_json::to_vec(status).expect("JSON");
    assert!(text.len() <= MAX_STATUS, "a status of {} bytes", text.len());
    serde_json::from_slice(&text).expect("what was written can be read")
}

/// Answers whatever a reconcile asks for, in any order.
struct Driver<'a, 'b> {
    reconcile: Reconcile,
    secrets: Vec<ObservedSecret>,
    now: Timestamp,
    choices: &'a mut Choices<'b>,
}

impl Driver<'_, '_> {
    /// Runs the reconcile to its end. Returns the last stored status.
    fn run(mut self) -> Option<FlowsEncryptionKeyStatus> {
        let mut under_way = Vec::new();
        loop {
            if self.choices.one_in(64) {
                self.reconcile.revoke();
            }
            match self.reconcile.next(self.now) {
                Some(Action::Done(End::Finished { next })) => {
                    assert!(next.is_none_or(|next| next >= self.now), "the next reconcile lies in the past: {next:?}");
                    return self.reconcile.stored().status.clone();
                }
                Some(Action::Done(End::Dropped)) => return self.reconcile.stored().status.clone(),
                Some(action) => under_way.push(action),
                None => {
                    assert!(!under_way.is_empty(), "a reconcile that waits for nothing");
                    let position = usize::from(self.choices.next()) % under_way.len();
                    let action = under_way.swap_remove(position);
                    self.complete(action);
                }
            }
        }
    }

    fn complete(&mut self, action: Action) {
        let (now, choices) = (self.now, &mut *self.choices);
        let refusal = choices.one_in(16).then(|| choices.error());
        let event = match action {
            Action::ReadSecrets => {
                let key = if choices.one_in(8) { Err(choices.verdict()) } else { Ok(KEY.clone()) };
                let credentials = if choices.one_in(8) { Err(choices.verdict()) } else { Ok(()) };
                Event::SecretsRead(Inputs { key, credentials, secrets: self.secrets.clone() })
            }
            Action::ListAccount { position, .. } => {
                Event::AccountListed(AccountListing { position, listing: choices.listing(now), refusal })
            }
            Action::ReadNumber { position, .. } => {
                Event::NumberRead(NumberReading { position, reading: choices.reading(now), refusal })
            }
            Action::ClaimNumbers => {
                let claim = |observation: &mut Observation| {
                    observation.numbers.iter_mut().for_each(|number| number.ownership = choices.ownership(now));
                };
                self.reconcile.claim_numbers_by(claim, plan, now);
                return check_plan(self.reconcile.observation(), self.reconcile.plan());
            }
            Action::Upload(Upload { phone_number_id, .. }) => {
                let may_be_crossed = choices.one_in(4);
                let call = UploadCall {
                    uploaded: Uploaded { at: now, answer: choices.upload_answer(now), may_be_crossed },
                    refusal,
                };
                Event::Uploaded { phone_number_id, call: (!choices.one_in(16)).then_some(call) }
            }
            Action::ReadBack(ReadBack { phone_number_id, .. }) => {
                Event::ReadBack { phone_number_id, reading: choices.reading(now), refusal }
            }
            Action::WriteStatus(_) if choices.one_in(16) => Event::StatusDropped,
            Action::WriteStatus(write) => return self.store(&write.status),
            Action::Publish(_) => Event::Published,
            Action::Done(_) => return,
        };
        self.reconcile.handle(event, now);
    }

    fn store(&mut self, status: &FlowsEncryptionKeyStatus) {
        // Otherwise each reconcile would cause the next.
        assert!(!are_altered(&status.conditions));
        let observation = self.reconcile.observation();
        if !observation.resource.spec.is_suspended() {
            check_status(observation, status);
        }
        let mut resource = FlowsEncryptionKey::clone(&observation.resource);
        resource.status = Some(stored(status));
        self.reconcile.handle(Event::StatusStored(Arc::new(resource)), self.now);
    }
}

fn check_plan(observation: &Observation, plan: &Plan) {
    for upload in &plan.uploads {
        let number = observation.number(&upload.phone_number_id).expect("a number of the spec");
        assert!(matches!(number.reading, Reading::Answered { .. }) && number.ownership == Ownership::Uncontested);
    }
    let is_allowed = observation.resource.spec.mode == Mode::Enforce && observation.key().is_some();
    assert!(is_allowed || plan.uploads.is_empty());
}

fn check_status(observation: &Observation, status: &FlowsEncryptionKeyStatus) {
    let ids = status.phone_numbers.iter().map(|number| &number.phone_number_id);
    let expected = observation.numbers.iter().map(|number| &number.before.phone_number_id);
    assert!(ids.eq(expected), "every number of the resource, in its order");
    let count = |kind: ConditionType| status.conditions.iter().filter(|c| c.type_ == kind.as_str()).count();
    for kind in [ConditionType::Ready, ConditionType::KeyLoaded, ConditionType::TokenAccepted] {
        assert_eq!(count(kind), 1, "{kind:?}");
    }
    assert!(count(ConditionType::Reconciling) + count(ConditionType::Stalled) <= 1);
}

/// Bytes that choose; zeros once they are used up.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// True for one value of the next byte in n. Never true once the bytes are used up.
    fn one_in(&mut self, n: u8) -> bool {
        self.next() % n == n - 1
    }

    fn text(&mut self) -> String {
        let text = ["VALID", "MISMATCH", "", "<html>", "号码", "\u{2028}\u{7f}\"\\"][usize::from(self.next() % 6)];
        text.repeat(usize::from(self.next()) + 1)
    }

    fn verdict(&mut self) -> ConditionReason {
        let reason = Reason::ALL[usize::from(self.next()) % Reason::ALL.len()];
        ConditionReason::new(reason, self.text())
    }

    fn error(&mut self) -> GraphError {
        let class = match self.next() % 8 {
            0 => ErrorClass::Transient,
            1 => ErrorClass::Permission,
            2 => ErrorClass::UnknownId,
            3 => ErrorClass::Invalid,
            4 => ErrorClass::Policy,
            5 => ErrorClass::Token,
            6 => ErrorClass::RateLimited { scope: RateLimitScope::PhoneNumber, wait: None },
            _ => ErrorClass::Unexpected,
        };
        // The client allows these lengths.
        let short = truncate(&self.text(), 64);
        let message = truncate(&self.text(), 256);
        let (code, subcode) = (Some(i64::from(self.next())), Some(i64::MIN));
        GraphError {
            class,
            http_status: Some(400),
            code,
            subcode,
            kind: Some(short.clone()),
            message,
            trace_id: Some(short),
        }
    }

    fn reading(&mut self, at: Timestamp) -> Reading {
        let ours = *KEY.fingerprint();
        let (key, status) = match self.next() % 10 {
            0 => (Some(ReportedKey::Readable(ours)), Some("VALID".to_owned())),
            1 => (Some(ReportedKey::Readable(ours)), Some("MISMATCH".to_owned())),
            2 => (None, None),
            3 => (Some(ReportedKey::Readable(*FOREIGN)), Some("VALID".to_owned())),
            4 => (Some(ReportedKey::Unreadable), Some(self.text())),
            5 => (None, Some(self.text())),
            6 => return Reading::NotAsked,
            7 => {
                let limit = self.one_in(2).then(|| self.error());
                return Reading::Held { limit, until: at + HOUR };
            }
            _ => return Reading::Failed { error: self.error(), at },
        };
        Reading::Answered { reported: Reported { key, signature_status: status, public_key: None }, at }
    }

    fn listing(&mut self, at: Timestamp) -> Listing {
        match self.next() % 4 {
            0 => Listing::NotAsked,
            1 => Listing::Failed { error: self.error(), at },
            2 => Listing::Held { limit: self.one_in(2).then(|| self.error()), until: at + HOUR },
            _ => {
                // Up to twice as many numbers as a resource may have, some of them with an ID that is none.
                let count = usize::from(self.next()) * 4;
                let status = ["CONNECTED", "PENDING", ""][usize::from(self.next() % 3)];
                let number = |n: usize| ListedNumber {
                    id: if n % 50 == 49 { "<html>".repeat(n) } else { n.to_string() },
                    display_phone_number: None,
                    verified_name: None,
                    status: Some(status.to_owned()).filter(|status| !status.is_empty()),
                    host_platform: None,
                };
                Listing::Answered { reported: (0..count).map(number).collect(), at }
            }
        }
    }

    fn upload_answer(&mut self, now: Timestamp) -> UploadAnswer {
        match self.next() % 4 {
            0 | 1 => UploadAnswer::Accepted,
            2 => UploadAnswer::Failed(self.error()),
            _ => UploadAnswer::Held { limit: Some(self.error()), until: now + HOUR },
        }
    }

    fn ownership(&mut self, now: Timestamp) -> Ownership {
        match self.next() % 16 {
            13 => Ownership::Other { owner: Some("another".to_owned()) },
            14 => Ownership::Other { owner: None },
            15 => Ownership::Vacant { until: now + HOUR },
            _ => Ownership::Uncontested,
        }
    }
}
