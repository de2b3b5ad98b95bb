//! What a probe of a Flow endpoint can come to: does whoever answers there have the private half of a key?
//!
//! A probe is the health check that Meta itself sends, encrypted with a public key. These names are all that is ever kept
//! or shown of an answer, beside its HTTP status: an answer may hold anything.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What came of a probe. The order is that of severity where a proof is expected: from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ProbeOutcome {
    /// HTTP 200, and the answer to a health check, encrypted as it must be: the endpoint has the private half of the key.
    Proven,
    /// No answer within the time that Meta waits.
    TimedOut,
    /// No connection, none that TLS trusts, or one that broke before the answer was complete.
    Unreachable,
    /// HTTP 432, 401 or 403: the signature of the request is refused, or its absence.
    SignatureRefused,
    /// The answer opens, and is none to a health check.
    BadPayload,
    /// HTTP 200 with JSON, HTML or another text that is no ciphertext in base64.
    NotEncrypted,
    /// HTTP 200 with base64 that does not open with the key of the request.
    NotReadable,
    /// Any other HTTP status, redirects among them, which are not followed.
    BadStatus,
    /// HTTP 421: the endpoint cannot decrypt the request, so it does not have the private half of the key.
    WrongKey,
}

/// What an endpoint that is as it should be does with a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Opens it: the key is one whose private half it should have.
    Proof,
    /// Answers 421: nobody has the private half. So clients learn that they must fetch the public key again.
    Refusal,
}

/// What an outcome calls for, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing: the endpoint does as it should.
    AsExpected,
    /// Another try: whether it does could not be told.
    Untold,
    /// A person.
    ActionNeeded,
}

impl ProbeOutcome {
    /// All of them, from the best to the worst.
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

    /// The name as it stands in statuses and in JSON.
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

    /// Whether it proves that the endpoint has the private half of the key. Nothing else does.
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

    /// Whether nothing was learned of the endpoint, because no answer came.
    #[must_use]
    pub fn is_untold(self) -> bool {
        matches!(self, Self::TimedOut | Self::Unreachable)
    }

    /// What it calls for.
    #[must_use]
    pub fn verdict(self, expected: Expected) -> Verdict {
        match expected {
            _ if self.is_untold() => Verdict::Untold,
            Expected::Proof if self.is_proof() => Verdict::AsExpected,
            Expected::Refusal if self == Self::WrongKey => Verdict::AsExpected,
            Expected::Proof | Expected::Refusal => Verdict::ActionNeeded,
        }
    }

    /// The worst of several; none of none.
    #[must_use]
    pub fn worst(outcomes: impl IntoIterator<Item = Self>, expected: Expected) -> Option<Self> {
        outcomes.into_iter().max_by_key(|outcome| (outcome.verdict(expected), *outcome))
    }
}

/// What was found at one target: all that leaves the code that reads answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeFinding {
    /// What came of it.
    pub outcome: ProbeOutcome,
    /// Of the answer; none where none came.
    pub http_status: Option<u16>,
    /// The answer was encrypted with the initialization vector of the request as it was, not flipped. Only beside
    /// [`ProbeOutcome::NotReadable`].
    pub iv_not_flipped: bool,
}

impl ProbeFinding {
    /// Of an answer with this HTTP status.
    #[must_use]
    pub fn answered(outcome: ProbeOutcome, http_status: u16) -> Self {
        Self { outcome, http_status: Some(http_status), iv_not_flipped: false }
    }

    /// Where no answer came.
    #[must_use]
    pub fn unanswered(outcome: ProbeOutcome) -> Self {
        Self { outcome, http_status: None, iv_not_flipped: false }
    }
}
