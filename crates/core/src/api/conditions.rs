//! Condition types and reasons, and how a list of conditions is kept.
//!
//! The conditions follow Kubernetes' API conventions and the rules of kstatus: `Ready` is always present;
//! `Reconciling` (work goes on by itself) and `Stalled` (a person must act) are present only while true, and never
//! together.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::api::crd::MAX_CONDITION_MESSAGE;
use crate::api::text::truncate;

/// The types of condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// True when every number holds the key of this generation with a valid signature.
    Ready,
    /// True when the public key could be read from the spec or its Secret.
    KeyLoaded,
    /// True when Meta accepted the access token (and app secret proof) the last time it was asked.
    TokenAccepted,
    /// Present while the operator is on its way to Ready and will get there by itself, or once a Secret arrives.
    Reconciling,
    /// Present while only a person can make it Ready. Slow retries go on.
    Stalled,
}

impl ConditionType {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ready, Self::KeyLoaded, Self::TokenAccepted, Self::Reconciling, Self::Stalled];

    /// The type as it stands in the resource.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::KeyLoaded => "KeyLoaded",
            Self::TokenAccepted => "TokenAccepted",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
        }
    }
}

/// The three values of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionStatus {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// It cannot be told now.
    Unknown,
}

impl ConditionStatus {
    /// The value as it stands in the resource.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// What a reason means for `Ready` and beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyEffect {
    /// Ready is True.
    Ready,
    /// Ready is Unknown, beside it Reconciling.
    Underway,
    /// Ready is False, beside it Reconciling.
    Waiting,
    /// Ready is False, beside it Stalled.
    Stalled,
    /// Ready is Unknown, nothing beside it.
    Suspended,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident => $effect:ident,)+) => {
        /// Why a condition is what it is. The doc of each says what it means and what to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[doc = $doc])+ $name,)+ }

        impl Reason {
            /// All of them, in the order of this file.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The reason as it stands in the resource.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// The reason that stands in a resource as this text.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == text)
            }

            /// What the reason means for Ready.
            pub fn ready_effect(self) -> ReadyEffect {
                match self { $(Self::$name => ReadyEffect::$effect,)+ }
            }

            /// Meaning and remedy, for the reference.
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

    /// The resource is new or was changed, and its first round is not over. Wait.
    Progressing => Underway,
    /// A new key is on its way to the numbers. Wait.
    RollingOut => Underway,
    /// Meta could not be asked for more than three check intervals, so that nobody knows whether the numbers are still
    /// valid. See the numbers' errors.
    CheckOverdue => Underway,
    /// Meta was not asked with this access token yet. Wait.
    NotAsked => Underway,

    /// A referenced Secret does not exist. Create it; the operator goes on by itself.
    SecretNotFound => Waiting,
    /// A referenced Secret lacks the referenced key. Add it; the operator goes on by itself.
    SecretKeyNotFound => Waiting,
    /// The passphrase did not open the private key at the first try; the two may be changing together. Wait a moment.
    PassphraseRejected => Waiting,
    /// Meta limits the rate of calls. The operator waits for as long as Meta asks.
    RateLimited => Waiting,
    /// Meta could not be reached or failed, and some number was never read. The operator tries again.
    GraphUnreachable => Waiting,
    /// Meta lost its signature over the key on some number. The operator uploads the key again.
    SignatureLost => Waiting,
    /// Some number holds no key. The operator uploads it.
    KeyMissing => Waiting,
    /// Some number holds an earlier key of this resource. The operator uploads the new one.
    KeyOutdated => Waiting,
    /// Some number holds a key that is not of this resource. The operator uploads the right one.
    KeyForeign => Waiting,
    /// Meta's answer about some number does not tell whether its key is valid. The operator asks again.
    StatusUnknown => Waiting,
    /// Another resource owns some number and has the same key, or has just gone: a GitOps tool may be giving a resource
    /// another name. This one takes over without an upload once the other is gone. Wait; after a minute the reason is
    /// `NumberConflict`.
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
    /// The value is no key that could be recognized. The message says what it looks like.
    KeyNotRecognized => Stalled,
    /// A certificate, public key or private key stands where another of the three is expected. Use the right field.
    KeyOfWrongKind => Stalled,
    /// The key is in the format of another tool, such as OpenSSH or PKCS#12. Convert it as the message says.
    KeyFormatUnsupported => Stalled,
    /// The key is not RSA. Make an RSA key of 2048 bits.
    KeyAlgorithmUnsupported => Stalled,
    /// The RSA key does not have 2048 bits, or has unusual parameters. Make one of 2048 bits.
    KeySizeUnsupported => Stalled,
    /// The private key is encrypted in a way that is not read, or that would cost too much. Encrypt it again as the
    /// message says.
    KeyEncryptionUnsupported => Stalled,
    /// Certificate and private key in the same Secret do not belong together. Correct the Secret.
    CertificateMismatch => Stalled,
    /// The private key is encrypted and no passphrase is given. Set passphraseSecretRef.
    PassphraseMissing => Stalled,
    /// The passphrase does not open the private key. Correct one of the two Secrets.
    PassphraseWrong => Stalled,
    /// The access token or app secret cannot be one: empty, in quotes, encoded, or with characters that none has. Correct the Secret.
    CredentialMalformed => Stalled,
    /// Meta refuses the access token. Put a valid one into the Secret.
    TokenRefused => Stalled,
    /// Meta refuses the app secret proof. Correct the Secret of appSecretRef, or set it.
    AppSecretRefused => Stalled,
    /// Meta refuses some number: its id, a permission, its registration, or a policy. See the number's error.
    NumberRefused => Stalled,
    /// Another resource owns some number. Remove the number from one of the two.
    NumberConflict => Stalled,
    /// Someone else keeps replacing the key of some number. Find the other writer, then set the annotation
    /// `waflows.dev/sync-requested-at`.
    NumberContested => Stalled,
    /// Uploads to some number land, but Meta does not show a valid signature. Check the number's registration.
    UploadsWithoutEffect => Stalled,
    /// Some number does not hold the key with a valid signature, and mode Observe forbids an upload. Set mode Enforce.
    DriftObserved => Stalled,

    /// Work on the resource is suspended, and its spec was changed since or nothing was checked yet. Set `suspend` to
    /// false.
    Suspended => Suspended,
}

/// A condition to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionReason {
    /// Why.
    pub reason: Reason,
    /// One sentence for a person.
    pub message: String,
}

impl ConditionReason {
    /// A verdict with its message.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// `Ready` and what stands beside it.
pub fn ready(verdict: &ConditionReason) -> Vec<(ConditionType, ConditionStatus, &ConditionReason)> {
    use ConditionType as T;
    let (ready, beside) = match verdict.reason.ready_effect() {
        ReadyEffect::Ready => (ConditionStatus::True, None),
        ReadyEffect::Underway => (ConditionStatus::Unknown, Some(T::Reconciling)),
        ReadyEffect::Waiting => (ConditionStatus::False, Some(T::Reconciling)),
        ReadyEffect::Stalled => (ConditionStatus::False, Some(T::Stalled)),
        ReadyEffect::Suspended => (ConditionStatus::Unknown, None),
    };
    std::iter::once((T::Ready, ready))
        .chain(beside.map(|kind| (kind, ConditionStatus::True)))
        .map(|(kind, status)| (kind, status, verdict))
        .collect()
}

/// The conditions that are wanted, as a list for the status. `lastTransitionTime` moves only where the status of a
/// condition differs from `before`.
pub fn list(
    before: &[Condition],
    wanted: &[(ConditionType, ConditionStatus, &ConditionReason)],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let mut conditions: Vec<_> = wanted
        .iter()
        .map(|(kind, status, verdict)| Condition {
            type_: kind.as_str().to_owned(),
            status: status.as_str().to_owned(),
            reason: verdict.reason.as_str().to_owned(),
            message: truncate(&verdict.message, MAX_CONDITION_MESSAGE),
            observed_generation: Some(generation),
            last_transition_time: Time(now),
        })
        .collect();
    follow(before, &mut conditions, now);
    conditions
}

/// Makes `lastTransitionTime` tell when each condition last changed as people saw it: since `shown`, the conditions that
/// were last written, rather than since those that a long round began with.
pub fn follow(shown: &[Condition], next: &mut [Condition], now: Timestamp) {
    for condition in next {
        let same = shown.iter().find(|c| c.type_ == condition.type_ && c.status == condition.status);
        condition.last_transition_time = same.map_or(Time(now), |same| same.last_transition_time.clone());
    }
}

/// Whether the operator cannot have written these conditions, of whichever version it is: `Ready` and one condition for
/// each input are always there, and `Reconciling` and `Stalled` neither both nor beside a `Ready` that is True.
pub fn are_altered(conditions: &[Condition]) -> bool {
    let has = |kind| find(conditions, kind).is_some();
    let is_ready = find(conditions, ConditionType::Ready).is_some_and(|ready| ready.status == "True");
    let beside = [ConditionType::Reconciling, ConditionType::Stalled].into_iter().filter(|kind| has(*kind)).count();
    let always = [ConditionType::Ready, ConditionType::KeyLoaded, ConditionType::TokenAccepted];
    !always.into_iter().all(has) || beside > usize::from(!is_ready)
}

/// The condition of a type.
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
            let verdict = ConditionReason::new(reason, "");
            let kinds: Vec<_> = ready(&verdict).iter().map(|(kind, ..)| *kind).collect();
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
        follow(&before, &mut announced, at(2));
        let mut after = list(&before, &ready(&valid), 1, at(3));
        follow(&announced, &mut after, at(3));
        assert_eq!([&announced, &after].map(|c| c[0].last_transition_time.clone()), [Time(at(2)), Time(at(3))]);
        let mut same = after.clone();
        follow(&after, &mut same, at(4));
        assert_eq!(same, after);
    }

    #[test]
    fn what_the_operator_cannot_have_written_is_told_from_what_it_writes() {
        let input = ConditionReason::new(Reason::KeyLoaded, "");
        let inputs = [ConditionType::KeyLoaded, ConditionType::TokenAccepted];
        let written = |reason| {
            let verdict = ConditionReason::new(reason, "");
            let mut wanted = ready(&verdict);
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
