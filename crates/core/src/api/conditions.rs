//! Condition types and reasons, and how the list of conditions is updated.
//!
//! The conditions follow Kubernetes' API conventions and the rules of kstatus: `Ready` is always present;
//! `Reconciling` (the operator continues by itself) and `Stalled` (a person must act) are present only while True, and
//! never together.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::api::crd::MAX_CONDITION_MESSAGE;
use crate::api::text::truncate;

/// The condition types of the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// True when every number holds the key of this generation with a valid signature.
    Ready,
    /// True when the public key could be read from the spec or its Secret.
    KeyLoaded,
    /// True when Meta accepted the access token (and app secret proof) in the last call.
    TokenAccepted,
    /// Present while the operator can still make the resource Ready by itself, or once a Secret arrives.
    Reconciling,
    /// Present while only a person can make the resource Ready. The operator keeps retrying slowly.
    Stalled,
    /// Only with `spec.endpoint`: True when every target of the endpoint opens the key that the numbers should have.
    EndpointReady,
    /// Only with `spec.endpoint`: True when every number holds a valid key that every target opens. Clients are served.
    Available,
}

impl ConditionType {
    /// All condition types.
    pub const ALL: [Self; 7] = [
        Self::Ready,
        Self::KeyLoaded,
        Self::TokenAccepted,
        Self::Reconciling,
        Self::Stalled,
        Self::EndpointReady,
        Self::Available,
    ];

    /// The `type` field of the condition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::KeyLoaded => "KeyLoaded",
            Self::TokenAccepted => "TokenAccepted",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::EndpointReady => "EndpointReady",
            Self::Available => "Available",
        }
    }
}

/// The `status` field of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionStatus {
    /// The condition holds.
    True,
    /// The condition does not hold.
    False,
    /// The operator cannot tell now.
    Unknown,
}

impl ConditionStatus {
    /// The text in the resource.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// How a reason sets `Ready`, and which of `Reconciling` and `Stalled` is present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyEffect {
    /// Ready is True.
    Ready,
    /// Ready is Unknown; Reconciling is present.
    Underway,
    /// Ready is False; Reconciling is present.
    Waiting,
    /// Ready is False; Stalled is present.
    Stalled,
    /// Ready is Unknown; neither is present.
    Suspended,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident => $effect:ident,)+) => {
        /// The `reason` field of a condition. The doc of each variant is its meaning and remedy in docs/conditions.md.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[doc = $doc])+ $name,)+ }

        impl Reason {
            /// All reasons, in the order of this file.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The text in the resource.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// The reason with this text in the resource. None for a text of another operator version.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == text)
            }

            /// The effect of the reason on Ready.
            pub fn ready_effect(self) -> ReadyEffect {
                match self { $(Self::$name => ReadyEffect::$effect,)+ }
            }

            /// Meaning and remedy, for docs/conditions.md.
            pub fn doc(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

reasons! {
    /// Every number holds the key with a valid signature. Nothing to do.
    AllNumbersValid => Ready,
    /// The public key was read. Nothing to do.
    KeyLoaded => Ready,
    /// Meta accepts the access token. Nothing to do.
    TokenAccepted => Ready,
    /// Meta accepts the access token, and the token ends within 14 days. Put a new token into the Secret.
    TokenExpiring => Ready,
    /// Meta accepts the access token, and the token lacks a permission that the resource needs. Make a new token.
    ScopeMissing => Ready,

    /// The resource is new or was changed, and its first reconcile is not finished. Wait.
    Progressing => Underway,
    /// The operator is uploading a new key to the numbers. Wait.
    RollingOut => Underway,
    /// For more than three check intervals the operator got no answer from Meta, so nobody knows whether the numbers
    /// are still valid. See the numbers' errors.
    CheckOverdue => Underway,
    /// The operator has not yet called Meta with this access token. Wait.
    NotAsked => Underway,

    /// A referenced Secret does not exist. Create the Secret; the operator continues by itself.
    SecretNotFound => Waiting,
    /// A referenced Secret lacks the referenced key. Add the key; the operator continues by itself.
    SecretKeyNotFound => Waiting,
    /// The passphrase did not open the private key at the first try. Key and passphrase may be changing. Wait a moment.
    PassphraseRejected => Waiting,
    /// Meta limits the rate of calls. The operator waits for as long as Meta asks.
    RateLimited => Waiting,
    /// Meta is unreachable or failed, and some number was never read. The operator retries.
    GraphUnreachable => Waiting,
    /// Meta lost its signature over the key on some number. The operator uploads the key again.
    SignatureLost => Waiting,
    /// Some number holds no key. The operator uploads the key.
    KeyMissing => Waiting,
    /// Some number holds an earlier key of this resource. The operator uploads the new one.
    KeyOutdated => Waiting,
    /// Some number holds a key that does not belong to this resource. The operator uploads the right one.
    KeyForeign => Waiting,
    /// Meta's answer about some number does not say whether the key is valid. The operator asks again.
    StatusUnknown => Waiting,
    /// Another resource owns some number and has the same key, or was just deleted: a GitOps tool may be renaming a
    /// resource. This resource takes over without an upload once the other is deleted. Wait; after a minute the reason
    /// is `NumberConflict`.
    NumberHandover => Waiting,

    /// The operator may not read a referenced Secret. Grant its ServiceAccount `get` on Secrets in the namespace.
    SecretForbidden => Stalled,
    /// The spec names no key, which the schema should have refused. Set one of the three fields.
    KeyNotSet => Stalled,
    /// The value where the key should be is empty. Put the key there.
    KeyEmpty => Stalled,
    /// The value is far larger than a key. Put only the key there.
    KeyTooLarge => Stalled,
    /// The key is cut off, garbled or inconsistent. Copy the whole file again.
    KeyDamaged => Stalled,
    /// The value is not a recognized key. The message says what the value looks like.
    KeyNotRecognized => Stalled,
    /// A certificate, public key or private key is in a field that expects another of the three. Use the right field.
    KeyOfWrongKind => Stalled,
    /// The key is in the format of another tool, such as OpenSSH or PKCS#12. Convert the key as the message says.
    KeyFormatUnsupported => Stalled,
    /// The key is not RSA. Make an RSA key of 2048 bits.
    KeyAlgorithmUnsupported => Stalled,
    /// The RSA key does not have 2048 bits, or has unusual parameters. Make one of 2048 bits.
    KeySizeUnsupported => Stalled,
    /// The operator does not support the encryption of the private key, or opening the key would cost too much. Encrypt
    /// the key again as the message says.
    KeyEncryptionUnsupported => Stalled,
    /// Certificate and private key in the same Secret do not belong together. Correct the Secret.
    CertificateMismatch => Stalled,
    /// The private key is encrypted, but there is no passphrase. Set passphraseSecretRef.
    PassphraseMissing => Stalled,
    /// The passphrase does not open the private key. Correct one of the two Secrets.
    PassphraseWrong => Stalled,
    /// The value cannot be an access token or app secret: it is empty, in quotes, encoded, or has invalid characters.
    /// Correct the Secret.
    CredentialMalformed => Stalled,
    /// Meta refuses the access token. Put a valid token into the Secret.
    TokenRefused => Stalled,
    /// Meta refuses the app secret proof. Set appSecretRef, or correct its Secret.
    AppSecretRefused => Stalled,
    /// Meta refuses to list the numbers of a WhatsApp Business Account, because of its ID or a permission. Work on listed
    /// numbers goes on. See the account's message in `status.businessAccounts`.
    AccountRefused => Stalled,
    /// With the numbers of its accounts the resource would have more than 500 numbers. The operator works on those in
    /// `phoneNumberIds` only. Spread the accounts over several resources, or exclude numbers.
    AccountTooLarge => Stalled,
    /// Some number of an account holds a valid key of somebody else. The key stays. List the number in `phoneNumberIds`, or
    /// set `adopt: All` for the account, to replace the key; or exclude the number.
    NumberNotAdopted => Stalled,
    /// Meta refuses some number, because of its ID, a permission, its registration, or a policy. See the number's
    /// error.
    NumberRefused => Stalled,
    /// Another resource owns some number. Remove the number from one of the two resources.
    NumberConflict => Stalled,
    /// Someone else keeps replacing the key of some number. Find the other writer, then set the annotation
    /// `waflows.dev/sync-requested-at`.
    NumberContested => Stalled,
    /// Uploads to some number succeed, but Meta does not show a valid signature. Check the number's registration.
    UploadsWithoutEffect => Stalled,
    /// Some number does not hold the key with a valid signature, and mode Observe forbids an upload. Set mode Enforce.
    DriftObserved => Stalled,

    /// Every target of the Flow endpoint opens the key. Nothing to do.
    EndpointProven => Ready,
    /// The operator has not asked the Flow endpoint with this key yet, or a rotation waits until every target opens the new
    /// key. Wait, or give the endpoint the key.
    WaitingForEndpoint => Underway,
    /// Some target of the Flow endpoint does not answer, or the Service has no ready pod. The operator asks again.
    EndpointUnreachable => Waiting,
    /// Some target of the Flow endpoint does not have the private half of the key. Give the endpoint the private key.
    EndpointLacksKey => Stalled,
    /// Some target of the Flow endpoint refuses the signature of the request. Correct `spec.endpoint.appSecretRef`.
    EndpointRefusesSignature => Stalled,
    /// Some target of the Flow endpoint gives a wrong answer to a health check. Correct the endpoint; `waflows-operator
    /// ping` explains the answer.
    EndpointAnswerWrong => Stalled,
    /// The operator may not send requests to this endpoint. Change the spec, or a flag of the operator.
    EndpointNotAllowed => Stalled,

    /// One number holds the new key, and the others get it after the time of `spec.rotation.soak`. Wait, or set the
    /// annotation `waflows.dev/proceed-requested-at`.
    Soaking => Underway,
    /// A rotation does not go on by itself: the new key failed and `onFailure` is Pause, or the old key is not proven
    /// either, or a phase has lasted longer than `progressDeadline`. The message says what to do.
    RotationPaused => Stalled,
    /// The new key failed or a person asked for the old one, and the numbers have the old key. Mend the cause, then set the
    /// annotation `waflows.dev/proceed-requested-at`, or put another key into the Secret.
    RotationRolledBack => Stalled,

    /// The resource is suspended, and its spec was changed since then or its numbers were never checked. Set `suspend`
    /// to false.
    Suspended => Suspended,
}

/// The reason and message of a condition to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionReason {
    /// The `reason` field.
    pub reason: Reason,
    /// The `message` field. [`list`] truncates it.
    pub message: String,
}

impl ConditionReason {
    /// A reason with its message.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// `Ready`, and `Reconciling` or `Stalled` if the reason needs one of them.
pub fn ready(why: &ConditionReason) -> Vec<(ConditionType, ConditionStatus, &ConditionReason)> {
    use ConditionType as T;
    let (ready, beside) = match why.reason.ready_effect() {
        ReadyEffect::Ready => (ConditionStatus::True, None),
        ReadyEffect::Underway => (ConditionStatus::Unknown, Some(T::Reconciling)),
        ReadyEffect::Waiting => (ConditionStatus::False, Some(T::Reconciling)),
        ReadyEffect::Stalled => (ConditionStatus::False, Some(T::Stalled)),
        ReadyEffect::Suspended => (ConditionStatus::Unknown, None),
    };
    std::iter::once((T::Ready, ready))
        .chain(beside.map(|kind| (kind, ConditionStatus::True)))
        .map(|(kind, status)| (kind, status, why))
        .collect()
}

/// Builds the list of conditions for the status. `lastTransitionTime` changes only if the status of a condition differs
/// from `before`.
pub fn list(
    before: &[Condition],
    wanted: &[(ConditionType, ConditionStatus, &ConditionReason)],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let mut conditions: Vec<_> = wanted
        .iter()
        .map(|(kind, status, why)| Condition {
            type_: kind.as_str().to_owned(),
            status: status.as_str().to_owned(),
            reason: why.reason.as_str().to_owned(),
            message: truncate(&why.message, MAX_CONDITION_MESSAGE),
            observed_generation: Some(generation),
            last_transition_time: Time(now),
        })
        .collect();
    with_transition_times(before, &mut conditions, now);
    conditions
}

/// Sets `lastTransitionTime` relative to `shown`, the conditions that were last written. The conditions at the start of
/// a long reconcile may be older.
pub fn with_transition_times(shown: &[Condition], next: &mut [Condition], now: Timestamp) {
    for condition in next {
        let same = shown.iter().find(|c| c.type_ == condition.type_ && c.status == condition.status);
        condition.last_transition_time = same.map_or(Time(now), |same| same.last_transition_time.clone());
    }
}

/// Whether somebody else changed these conditions. Every version of the operator writes `Ready` and one condition for
/// each input, writes at most one of `Reconciling` and `Stalled`, and neither of the two when `Ready` is True.
pub fn are_altered(conditions: &[Condition]) -> bool {
    let has = |kind| find(conditions, kind).is_some();
    let is_ready = find(conditions, ConditionType::Ready).is_some_and(|ready| ready.status == "True");
    let beside = [ConditionType::Reconciling, ConditionType::Stalled].into_iter().filter(|kind| has(*kind)).count();
    let always = [ConditionType::Ready, ConditionType::KeyLoaded, ConditionType::TokenAccepted];
    !always.into_iter().all(has) || beside > usize::from(!is_ready)
}

/// The condition of a type, if present.
pub fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == kind.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn reconciling_and_stalled_are_never_both_there() {
        for &reason in Reason::ALL {
            let why = ConditionReason::new(reason, "");
            let kinds: Vec<_> = ready(&why).iter().map(|(kind, ..)| *kind).collect();
            assert_eq!(kinds[0], ConditionType::Ready);
            assert!(!(kinds.contains(&ConditionType::Reconciling) && kinds.contains(&ConditionType::Stalled)));
        }
    }

    #[test]
    fn the_transition_time_moves_with_the_status_alone() {
        let valid = ConditionReason::new(Reason::AllNumbersValid, "fine");
        let first = list(&[], &ready(&valid), 1, at(1));
        let same = ConditionReason::new(Reason::AllNumbersValid, "still fine");
        let second = list(&first, &ready(&same), 2, at(2));
        assert_eq!(second[0].last_transition_time, Time(at(1)));
        assert_eq!((second[0].message.as_str(), second[0].observed_generation), ("still fine", Some(2)));

        let lost = ConditionReason::new(Reason::SignatureLost, "lost");
        let third = list(&second, &ready(&lost), 2, at(3));
        assert_eq!(third[0].last_transition_time, Time(at(3)));
        assert_eq!(third.len(), 2, "Reconciling appears");
        assert_eq!(list(&third, &ready(&valid), 2, at(4)).len(), 1, "and disappears");
    }

    #[test]
    fn a_change_and_back_within_a_round_is_a_transition() {
        let (valid, rolling) =
            (ConditionReason::new(Reason::AllNumbersValid, ""), ConditionReason::new(Reason::RollingOut, ""));
        let before = list(&[], &ready(&valid), 1, at(1));
        let mut announced = list(&before, &ready(&rolling), 1, at(2));
        with_transition_times(&before, &mut announced, at(2));
        let mut after = list(&before, &ready(&valid), 1, at(3));
        with_transition_times(&announced, &mut after, at(3));
        assert_eq!([&announced, &after].map(|c| c[0].last_transition_time.clone()), [Time(at(2)), Time(at(3))]);
        let mut same = after.clone();
        with_transition_times(&after, &mut same, at(4));
        assert_eq!(same, after);
    }

    #[test]
    fn what_the_operator_cannot_have_written_is_told_from_what_it_writes() {
        let input = ConditionReason::new(Reason::KeyLoaded, "");
        let inputs = [ConditionType::KeyLoaded, ConditionType::TokenAccepted];
        let written = |reason| {
            let why = ConditionReason::new(reason, "");
            let mut wanted = ready(&why);
            wanted.extend(inputs.map(|kind| (kind, ConditionStatus::True, &input)));
            list(&[], &wanted, 1, at(1))
        };
        for &reason in Reason::ALL {
            assert!(!are_altered(&written(reason)), "{reason:?}");
            let mut with_a_stranger = written(reason);
            with_a_stranger.push(Condition { type_: "Approved".into(), ..with_a_stranger[0].clone() });
            assert!(!are_altered(&with_a_stranger), "which harms nobody");
            for kind in [ConditionType::Ready, ConditionType::KeyLoaded, ConditionType::TokenAccepted] {
                let mut without = written(reason);
                without.retain(|condition| condition.type_ != kind.as_str());
                assert!(are_altered(&without), "{reason:?} without {kind:?}");
            }
        }
        let with = |reason, kind: ConditionType| {
            let mut conditions = written(reason);
            conditions.push(Condition { type_: kind.as_str().into(), ..conditions[0].clone() });
            conditions
        };
        for (reason, kind) in [
            (Reason::AllNumbersValid, ConditionType::Reconciling),
            (Reason::AllNumbersValid, ConditionType::Stalled),
            (Reason::SignatureLost, ConditionType::Stalled),
            (Reason::NumberConflict, ConditionType::Reconciling),
        ] {
            assert!(are_altered(&with(reason, kind)), "{kind:?} beside {reason:?}");
        }
        assert!(are_altered(&[]));
    }

    #[test]
    fn every_reason_is_documented_in_sentences() {
        for reason in Reason::ALL {
            assert!(reason.doc().ends_with('.'), "{reason:?}: {}", reason.doc());
        }
    }
}
