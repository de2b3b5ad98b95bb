//! Tests of the pure core: tables, properties, and a simulation of many histories.
//!
//! Only this file makes test objects. A [`Stage`] is a resource with everything that a reconcile meets. A [`Meta`]
//! decides what Meta answers.

mod canary;
mod checkpoints;
mod conditions;
mod endpoint;
mod events;
mod failures;
mod meta;
mod number;
mod ownership;
mod plan;
mod player;
mod proof;
mod properties;
mod reads;
mod rotation;
mod schedule;
mod simulation;
mod store;
mod summarize;
mod suspension;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use waflows_key::{Fingerprint, PublicKey};

use self::meta::Meta;
use crate::api::conditions::{ConditionReason, ConditionType, Reason, find};
use crate::api::crd::{
    FlowsEncryptionKey, FlowsEncryptionKeySpec, FlowsEncryptionKeyStatus, Mode, NumberState, ObservedSecret,
    PhoneNumberStatus, SYNC_ANNOTATION, SecretKeyRef,
};
use crate::meta::{ErrorClass, GraphError, Reported, ReportedKey};
use crate::number::{Criteria, Reading};
use crate::observation::{Inputs, NumberReading, Observation};
use crate::rollout::outcome::Outcome;
use crate::rollout::plan::{Plan, Upload, plan};
use crate::rollout::progress::Progress;
use crate::rollout::uploads::ReadBack;
use crate::schedule::backoff::Waits;
use crate::schedule::due::{Schedule, Work, due, jitter};
use crate::status::summarize::{Summary, summarize};
use crate::upload::{UploadAnswer, Uploaded};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// `{}` stands for two characters in the middle of the modulus.
const PEM: &str = include_str!("../../tests/key-template.pem");

/// The n-th of ten keys.
fn key(n: usize) -> PublicKey {
    static KEYS: LazyLock<Vec<PublicKey>> = LazyLock::new(|| {
        let pem = |n: usize| PEM.replace("{}", &format!("{n:02}"));
        (0..10).map(|n| PublicKey::from_public_key(&pem(n)).unwrap()).collect()
    });
    KEYS[n].clone()
}

fn fingerprint(n: usize) -> Fingerprint {
    *key(n).fingerprint()
}

fn fingerprint_text(n: usize) -> String {
    fingerprint(n).to_string()
}

/// Seconds after the beginning of the tests' time.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn time(seconds: i64) -> Option<Time> {
    Some(Time(at(seconds)))
}

fn secret_ref(name: &str, key: &str) -> SecretKeyRef {
    SecretKeyRef { name: name.into(), key: key.into() }
}

fn secret(name: &str, version: u32) -> ObservedSecret {
    ObservedSecret { name: name.into(), uid: format!("uid-of-{name}"), resource_version: version.to_string() }
}

fn resource(numbers: &[&str]) -> FlowsEncryptionKey {
    let spec = FlowsEncryptionKeySpec {
        private_key_secret_ref: Some(secret_ref("flows-key", "private.pem")),
        certificate_secret_ref: None,
        public_key: None,
        passphrase_secret_ref: None,
        access_token_secret_ref: secret_ref("meta-token", "token"),
        app_secret_ref: None,
        app_id: None,
        business_accounts: Vec::new(),
        phone_number_ids: numbers.iter().map(ToString::to_string).collect(),
        mode: Mode::Enforce,
        check_interval: None,
        endpoint: None,
        rotation: None,
        suspend: None,
    };
    let mut resource = FlowsEncryptionKey::new("storefront", spec);
    resource.metadata.namespace = Some("messaging".into());
    resource.metadata.uid = Some("3f1c".into());
    resource.metadata.generation = Some(1);
    resource
}

fn error(class: ErrorClass) -> GraphError {
    let (http_status, code) = match class {
        ErrorClass::Token => (Some(401), Some(190)),
        ErrorClass::Transient => (Some(503), None),
        _ => (Some(400), Some(100)),
    };
    let message = "what Meta said".to_owned();
    GraphError { class, http_status, code, subcode: None, kind: None, message, trace_id: Some("trace".into()) }
}

fn rate_limit() -> GraphError {
    // The status keeps everything of the answer to a limited call, except the class.
    GraphError { http_status: Some(429), code: Some(130_429), ..error(ErrorClass::Transient) }
}

fn reported(key: Option<usize>, status: Option<&str>) -> Reported {
    Reported {
        key: key.map(|n| ReportedKey::Readable(fingerprint(n))),
        signature_status: status.map(ToString::to_string),
        public_key: key.map(self::key),
    }
}

fn answered(key: Option<usize>, status: Option<&str>, at: Timestamp) -> Reading {
    Reading::Answered { reported: reported(key, status), at }
}

fn failed(class: ErrorClass, at: Timestamp) -> Reading {
    Reading::Failed { error: error(class), at }
}

/// An upload that Meta acknowledged.
fn accepted(at: Timestamp) -> Uploaded {
    Uploaded { at, answer: UploadAnswer::Accepted, may_be_crossed: false }
}

/// Criteria that expect key 1 and know key 0 as an earlier key.
fn criteria(now: i64) -> Criteria {
    Criteria {
        expected: Some(fingerprint(1)),
        previous: vec![fingerprint_text(0)],
        mode: Mode::Enforce,
        interval: HOUR,
        waits: Waits::default(),
        guarded: Arc::default(),
        reset_backoff: false,
        now: at(now),
    }
}

/// A number that was read to be Valid with key 1 at the beginning.
fn valid_number() -> PhoneNumberStatus {
    PhoneNumberStatus {
        phone_number_id: "1".into(),
        state: NumberState::Valid,
        signature_status: Some("VALID".into()),
        key_fingerprint: Some(fingerprint_text(1)),
        uploaded_fingerprint: Some(fingerprint_text(1)),
        last_upload_time: time(0),
        last_read_time: time(0),
        owned_since: time(0),
        ..PhoneNumberStatus::default()
    }
}

/// A resource, what its Secrets hold, and the time.
#[derive(Debug, Clone)]
struct Stage {
    resource: FlowsEncryptionKey,
    secrets: Vec<ObservedSecret>,
    key: Result<PublicKey, ConditionReason>,
    credentials: Result<(), ConditionReason>,
    interval: Duration,
    now: Timestamp,
}

/// All of one reconcile.
struct Reconciled {
    plan: Plan,
    outcomes: Vec<Outcome>,
    summary: Summary,
}

impl Stage {
    /// Key 1, a good token, a new resource.
    fn new(numbers: &[&str]) -> Self {
        Self {
            resource: resource(numbers),
            secrets: vec![secret("flows-key", 1), secret("meta-token", 1)],
            key: Ok(key(1)),
            credentials: Ok(()),
            interval: HOUR,
            now: at(0),
        }
    }

    /// The same after a reconcile that found or made every number Valid.
    fn settled(numbers: &[&str]) -> (Self, meta::Model) {
        let mut stage = Self::new(numbers);
        let mut meta = meta::Model::new(numbers);
        stage.reconcile(&mut meta).expect("a new resource is due");
        assert_eq!(stage.ready(), "AllNumbersValid");
        (stage, meta)
    }

    fn after(mut self, wait: Duration) -> Self {
        self.now += wait;
        self
    }

    fn pace(&self) -> Duration {
        self.interval + jitter("3f1c", self.interval)
    }

    fn status(&self) -> &FlowsEncryptionKeyStatus {
        self.resource.status.as_ref().expect("a reconcile was made")
    }

    fn number(&self, id: &str) -> &PhoneNumberStatus {
        self.status().phone_numbers.iter().find(|number| number.phone_number_id == id).expect("a number of the spec")
    }

    fn condition(&self, kind: ConditionType) -> Option<&Condition> {
        find(&self.status().conditions, kind)
    }

    /// The reason of Ready.
    fn ready(&self) -> &str {
        self.condition(ConditionType::Ready).map(|condition| condition.reason.as_str()).unwrap_or_default()
    }

    fn edit(&mut self, change: impl FnOnce(&mut FlowsEncryptionKeySpec)) {
        change(&mut self.resource.spec);
        *self.resource.metadata.generation.get_or_insert_default() += 1;
    }

    fn request_sync(&mut self, value: &str) {
        let annotations = self.resource.metadata.annotations.get_or_insert_default();
        annotations.insert(SYNC_ANNOTATION.into(), value.into());
    }

    fn set_key(&mut self, key: Result<PublicKey, ConditionReason>) {
        self.key = key;
        self.touch("flows-key");
    }

    /// The Secret holds another token.
    fn touch_token(&mut self) {
        let name = self.resource.spec.access_token_secret_ref.name.clone();
        self.touch(&name);
    }

    /// The token is in another Secret.
    fn refer_to_other_token(&mut self) {
        let name = self.resource.spec.access_token_secret_ref.name.clone();
        let other = if name == "meta-token" { "other-token" } else { "meta-token" };
        self.secrets.retain(|secret| secret.name != name);
        self.touch(other);
        self.edit(|spec| spec.access_token_secret_ref.name = other.to_owned());
    }

    /// The Secret gets a new version, or appears.
    fn touch(&mut self, name: &str) {
        let version = |s: &ObservedSecret| s.resource_version.parse::<u32>().unwrap();
        let next = self.secrets.iter().map(version).max().unwrap_or_default() + 1;
        self.secrets.retain(|secret| secret.name != name);
        self.secrets.push(secret(name, next));
        self.secrets.sort();
    }

    fn due(&self) -> Schedule {
        due(&self.resource, &self.secrets, self.interval, self.now)
    }

    /// What there is to do now.
    fn work(&self) -> Work {
        let Schedule::Now(work) = self.due() else { panic!("nothing is due") };
        work
    }

    /// When the next reconcile is, if ever.
    fn next(&self) -> Option<Timestamp> {
        match self.due() {
            Schedule::Now(_) => Some(self.now),
            Schedule::Later(next) => next,
        }
    }

    /// Goes on to the next reconcile, if there is one.
    fn advance(&mut self, meta: &mut impl Meta) -> Option<Reconciled> {
        self.now = self.next()?;
        self.reconcile(meta)
    }

    /// Stores the status of a reconcile without uploads.
    fn sum_up(&mut self, observation: &Observation, progress: Progress) {
        self.store(&summarize(observation, &[], progress, self.now).status);
    }

    /// Times lose their fractions of a second on the way.
    fn store(&mut self, status: &FlowsEncryptionKeyStatus) {
        let mut status = status.clone();
        let of_status = [
            &mut status.public_key_since,
            &mut status.suspended_since,
            &mut status.last_check_time,
            &mut status.last_successful_check_time,
            &mut status.next_check_time,
        ];
        let of_numbers = status.phone_numbers.iter_mut().flat_map(|number| {
            let stored = [
                &mut number.owned_since,
                &mut number.last_read_time,
                &mut number.next_attempt_time,
                &mut number.last_upload_time,
                &mut number.last_transition_time,
            ];
            stored.into_iter().flatten().chain(&mut number.replaced_times)
        });
        let of_conditions = status.conditions.iter_mut().map(|condition| &mut condition.last_transition_time);
        for time in of_status.into_iter().flatten().chain(of_numbers).chain(of_conditions) {
            time.0 = Timestamp::from_second(time.0.as_second()).unwrap();
        }
        self.resource.status = Some(status);
    }
}

fn because(reason: Reason) -> ConditionReason {
    ConditionReason::new(reason, "Secret messaging/flows-key, entry private.pem: what is wrong with it.")
}
