//! The possible outcomes of a probe: does a Flow endpoint have the private half of a key?
//!
//! A probe is the health check that Meta itself sends, encrypted with a public key. The operator keeps and shows only
//! one of these names and the HTTP status, because an answer may hold anything.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The outcome of a probe, ordered from best to worst for a key that the endpoint should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ProbeOutcome {
    /// HTTP 200, and the correctly encrypted answer to a health check: the endpoint has the private half of the key.
    Proven,
    /// No answer within the time that Meta waits.
    TimedOut,
    /// No connection, no trusted TLS connection, or a connection that broke before the answer was complete.
    Unreachable,
    /// HTTP 432, 401 or 403: the endpoint refuses the signature of the request, or a request without a signature.
    SignatureRefused,
    /// The answer can be decrypted, but does not answer a health check.
    BadPayload,
    /// HTTP 200 with text that is not ciphertext in base64, such as JSON or HTML.
    NotEncrypted,
    /// HTTP 200 with base64 that cannot be decrypted with the key of the request.
    NotReadable,
    /// Any other HTTP status. Redirects are not followed, and belong here.
    BadStatus,
    /// HTTP 421: the endpoint cannot decrypt the request, so it does not have the private half of the key.
    WrongKey,
}

/// The reaction of a correct endpoint to a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It decrypts the probe, because it should have the private half of the key.
    Proof,
    /// It answers 421, because nobody has the private half. The answer tells clients to fetch the public key again.
    Refusal,
}

/// What an outcome requires, ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeSeverity {
    /// Nothing: the endpoint is correct.
    AsExpected,
    /// Another try: no answer came.
    NoAnswer,
    /// A person must act.
    ActionNeeded,
}

impl ProbeOutcome {
    /// All outcomes, from best to worst.
    pub const ALL: [Self; 9] = [
        Self::Proven,
        Self::TimedOut,
        Self::Unreachable,
        Self::SignatureRefused,
        Self::BadPayload,
        Self::NotEncrypted,
        Self::NotReadable,
        Self::BadStatus,
        Self::WrongKey,
    ];

    /// The name in statuses and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proven => "Proven",
            Self::TimedOut => "TimedOut",
            Self::Unreachable => "Unreachable",
            Self::SignatureRefused => "SignatureRefused",
            Self::BadPayload => "BadPayload",
            Self::NotEncrypted => "NotEncrypted",
            Self::NotReadable => "NotReadable",
            Self::BadStatus => "BadStatus",
            Self::WrongKey => "WrongKey",
        }
    }

    /// Whether the outcome proves that the endpoint has the private half of the key. Only one outcome does.
    #[must_use]
    pub fn is_proof(self) -> bool {
        match self {
            Self::Proven => true,
            Self::TimedOut
            | Self::Unreachable
            | Self::SignatureRefused
            | Self::BadPayload
            | Self::NotEncrypted
            | Self::NotReadable
            | Self::BadStatus
            | Self::WrongKey => false,
        }
    }

    /// Whether the outcome says nothing about the endpoint, because no answer came.
    #[must_use]
    pub fn is_unanswered(self) -> bool {
        matches!(self, Self::TimedOut | Self::Unreachable)
    }

    /// What the outcome requires.
    #[must_use]
    pub fn severity(self, expected: Expected) -> ProbeSeverity {
        match expected {
            _ if self.is_unanswered() => ProbeSeverity::NoAnswer,
            Expected::Proof if self.is_proof() => ProbeSeverity::AsExpected,
            Expected::Refusal if self == Self::WrongKey => ProbeSeverity::AsExpected,
            Expected::Proof | Expected::Refusal => ProbeSeverity::ActionNeeded,
        }
    }

    /// The worst of several outcomes. None if there are no outcomes.
    #[must_use]
    pub fn worst(outcomes: impl IntoIterator<Item = Self>, expected: Expected) -> Option<Self> {
        outcomes.into_iter().max_by_key(|outcome| (outcome.severity(expected), *outcome))
    }
}

/// The finding for one target. Nothing else leaves the code that reads answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeFinding {
    /// The outcome.
    pub outcome: ProbeOutcome,
    /// HTTP status of the answer. None if there was no answer.
    pub http_status: Option<u16>,
    /// The answer was encrypted with the initialization vector of the request, not with the flipped vector. Only with
    /// [`ProbeOutcome::NotReadable`].
    pub iv_not_flipped: bool,
}

impl ProbeFinding {
    /// The finding for an answer with this HTTP status.
    #[must_use]
    pub fn answered(outcome: ProbeOutcome, http_status: u16) -> Self {
        Self { outcome, http_status: Some(http_status), iv_not_flipped: false }
    }

    /// The finding without an answer.
    #[must_use]
    pub fn unanswered(outcome: ProbeOutcome) -> Self {
        Self { outcome, http_status: None, iv_not_flipped: false }
    }
}
