//! Meta's answers: what a number holds, and what a failed call means. For a failure: its scope, and whether it passes
//! by itself, the operator repairs it, or a person must act.

use std::time::Duration;

use waflows_key::{Fingerprint, PublicKey};

use crate::api::crd::{MAX_NUMBER_TEXT, VALID};
use crate::api::text::truncate;

/// What Meta reports of a number's key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reported {
    /// The key. None if the answer holds no key.
    pub key: Option<ReportedKey>,
    /// `business_public_key_signature_status` in Meta's own words.
    pub signature_status: Option<String>,
    /// The key itself, if it is readable. A rotation asks the endpoint with the key that a number holds.
    pub public_key: Option<PublicKey>,
}

impl Reported {
    /// Whether Meta reports a valid signature.
    pub fn is_valid(&self) -> bool {
        self.signature_status.as_deref() == Some(VALID)
    }
}

/// The key that Meta reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportedKey {
    /// A public key with this fingerprint.
    Readable(Fingerprint),
    /// Text that is not a public key.
    Unreadable,
}

impl ReportedKey {
    /// The text in `status.phoneNumbers[].keyFingerprint`.
    pub fn text(self) -> String {
        match self {
            Self::Readable(fingerprint) => fingerprint.to_string(),
            Self::Unreadable => UNREADABLE.to_owned(),
        }
    }
}

/// Value of `status.phoneNumbers[].keyFingerprint` if Meta's text is not a public key.
pub const UNREADABLE: &str = "unreadable";

/// Longest part of Meta's text in a message, in bytes. The number's `error` has more.
const MAX_BRIEF: usize = 100;

/// A failed call, scrubbed of credentials, with what Meta's support asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.explain())]
pub struct GraphError {
    /// Class of the failure.
    pub class: ErrorClass,
    /// HTTP status of the answer. None if there was no answer.
    pub http_status: Option<u16>,
    /// `error.code`.
    pub code: Option<i64>,
    /// `error.error_subcode`.
    pub subcode: Option<i64>,
    /// `error.type`.
    pub kind: Option<String>,
    /// `error.error_user_msg`, if present, and `error.message`; or the failure of the connection, in our own words.
    pub message: String,
    /// `error.fbtrace_id`, or else the trace header of the answer.
    pub trace_id: Option<String>,
}

/// The classes of failure. Each has its own remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorClass {
    /// The access token is invalid, expired or revoked.
    Token,
    /// `appsecret_proof` is wrong, or the app requires one.
    AppSecretProof,
    /// The token's user lacks the permission.
    Permission,
    /// The phone number ID does not exist, or this token may not see it.
    UnknownId,
    /// The number is not registered with the Cloud API.
    NotRegistered,
    /// Meta refuses the key or a parameter.
    Invalid,
    /// Blocked for a breach of policy.
    Policy,
    /// Too many calls.
    RateLimited {
        /// The calls that must wait.
        scope: RateLimitScope,
        /// Duration of the limit, if the answer has one.
        wait: Option<Duration>,
    },
    /// Passes by itself: overload, connection resets, timeouts.
    Transient,
    /// An answer that this version does not understand, such as a redirect or an HTML page.
    Unexpected,
}

/// Scope of a rate limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RateLimitScope {
    /// Every call with the same token.
    Token,
    /// A WhatsApp Business Account. None if the answer does not name its ID.
    BusinessAccount(Option<String>),
    /// One phone number.
    PhoneNumber,
}

impl RateLimitScope {
    /// Scope of a rate limit's error code. None for other error codes. Source: Meta, "Graph API: Rate limits" and
    /// "Error codes" of the WhatsApp Cloud API.
    pub fn of_code(code: i64) -> Option<Self> {
        match code {
            4 | 17 | 32 | 613 => Some(Self::Token),
            80_007 | 80_008 => Some(Self::BusinessAccount(None)),
            130_429 => Some(Self::PhoneNumber),
            _ => None,
        }
    }
}

/// Scope of a hold on calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldScope {
    /// Every call with the same token.
    Token,
    /// A WhatsApp Business Account.
    BusinessAccount,
    /// One resource: the account is limited, but the answer named no account.
    Resource,
    /// One phone number.
    PhoneNumber,
}

impl HoldScope {
    /// All scopes, in the order of this file.
    pub const ALL: [Self; 4] = [Self::Token, Self::BusinessAccount, Self::Resource, Self::PhoneNumber];

    /// Label value for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::BusinessAccount => "waba",
            Self::Resource => "resource",
            Self::PhoneNumber => "number",
        }
    }
}

impl ErrorClass {
    /// All label values of [`Self::as_str`].
    pub const NAMES: [&str; 10] = [
        "token",
        "app_secret_proof",
        "permission",
        "unknown_id",
        "not_registered",
        "invalid",
        "policy",
        "rate_limited",
        "transient",
        "unexpected",
    ];

    /// Label value for metrics, and name in logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::AppSecretProof => "app_secret_proof",
            Self::Permission => "permission",
            Self::UnknownId => "unknown_id",
            Self::NotRegistered => "not_registered",
            Self::Invalid => "invalid",
            Self::Policy => "policy",
            Self::RateLimited { .. } => "rate_limited",
            Self::Transient => "transient",
            Self::Unexpected => "unexpected",
        }
    }

    /// Whether Meta refuses the credentials, and so every number.
    pub fn refuses_credentials(&self) -> bool {
        matches!(self, Self::Token | Self::AppSecretProof)
    }

    /// Whether Meta refuses only this number, until a person acts.
    pub fn refuses_number(&self) -> bool {
        match self {
            Self::Permission | Self::UnknownId | Self::NotRegistered | Self::Invalid | Self::Policy => true,
            Self::Token | Self::AppSecretProof | Self::RateLimited { .. } | Self::Transient | Self::Unexpected => false,
        }
    }

    /// Whether the result of the failed upload is unknown: Meta may have accepted the key.
    pub fn leaves_outcome_open(&self) -> bool {
        matches!(self, Self::Transient | Self::Unexpected)
    }

    /// Remedy, as a clause after the name of the Secret or number. None if waiting is enough.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Token => Some(
                "put a system-user access token there (a placeholder is none, and a user token expires within hours)",
            ),
            Self::AppSecretProof => Some("set appSecretRef to the secret of the app that issued the token"),
            Self::Permission => Some(
                "give the system user whatsapp_business_messaging on this number's WhatsApp account (Advanced Access for another business)",
            ),
            Self::UnknownId => Some(
                "this is not a phone number ID that the token can see: copy the ID from WhatsApp Manager (not the phone number, account or Flow ID) and assign its account to the system user",
            ),
            Self::NotRegistered => Some("register the number with the Cloud API"),
            Self::Invalid => Some("Meta does not take the key or a parameter: see what it says"),
            Self::Policy => Some("resolve the block in Meta's Business Support Home"),
            Self::RateLimited { .. } | Self::Transient | Self::Unexpected => None,
        }
    }

    /// Whether Meta's own text adds information to the remedy.
    pub fn has_telling_text(&self) -> bool {
        match self {
            // "Unsupported get request. Object with ID … does not exist, cannot be loaded due to missing permissions, …"
            Self::UnknownId | Self::NotRegistered => false,
            Self::Token
            | Self::AppSecretProof
            | Self::Permission
            | Self::Invalid
            | Self::Policy
            | Self::RateLimited { .. }
            | Self::Transient
            | Self::Unexpected => true,
        }
    }
}

impl GraphError {
    /// A failure that Meta's answer does not describe: connection, timeout, unreadable body. The message must not
    /// contain credentials.
    pub fn on_the_way(class: ErrorClass, http_status: Option<u16>, message: &str) -> Self {
        let message = truncate(message, MAX_NUMBER_TEXT);
        Self { class, http_status, code: None, subcode: None, kind: None, message, trace_id: None }
    }

    /// Sets the trace id from the answer's headers, if the body has none.
    #[must_use]
    pub fn traced(mut self, trace_id: Option<&str>) -> Self {
        self.trace_id = self.trace_id.or_else(|| trace_id.map(str::to_owned));
        self
    }

    /// Whether calls have to wait because there were too many.
    pub fn is_rate_limit(&self) -> bool {
        matches!(self.class, ErrorClass::RateLimited { .. })
    }

    /// Meta's answer in short, for the end of a message.
    pub fn brief(&self) -> String {
        let is_explained = self.http_status.is_none_or(|status| self.message != unexplained(status));
        let text = (is_explained && self.class.has_telling_text()).then_some(self.message.as_str());
        brief(text, [self.http_status.map(i64::from), self.code, self.subcode], self.trace_id.as_deref())
    }

    fn explain(&self) -> String {
        let code = match (self.http_status, self.code, self.subcode) {
            (_, Some(code), Some(subcode)) => format!(" (code {code}, subcode {subcode})"),
            (_, Some(code), None) => format!(" (code {code})"),
            (Some(status), None, _) => format!(" (HTTP status {status})"),
            (None, None, _) => String::new(),
        };
        format!("{}{code}", self.message)
    }
}

/// Message for an answer without an explanation.
pub fn unexplained(status: u16) -> String {
    match status {
        200..=299 => format!("Meta answers HTTP {status} with something that cannot be read"),
        _ => format!("Meta answers HTTP {status}"),
    }
}

/// Meta's answer in short: the start of its text, HTTP status or code and subcode, trace id.
pub fn brief(text: Option<&str>, [http_status, code, subcode]: [Option<i64>; 3], trace_id: Option<&str>) -> String {
    let number = match (http_status, code, subcode) {
        (_, Some(code), Some(subcode)) => Some(format!("code {code}/{subcode}")),
        (_, Some(code), None) => Some(format!("code {code}")),
        (Some(status), None, _) => Some(format!("HTTP {status}")),
        (None, None, _) => None,
    };
    let trace = trace_id.map(|trace_id| format!("trace {trace_id}"));
    let facts = number.into_iter().chain(trace).collect::<Vec<_>>().join(", ");
    match text.map(|text| truncate(text.trim_end_matches('.'), MAX_BRIEF)) {
        Some(text) if facts.is_empty() => format!("Meta: {text}."),
        Some(text) => format!("Meta: {text} ({facts})."),
        None => format!("Meta: {facts}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_meta_said_is_told_briefly() {
        let long = "An error that goes on. ".repeat(9);
        let table = [
            (None, [Some(400), Some(100), Some(33)], Some("A0"), "Meta: code 100/33, trace A0."),
            (Some("No."), [Some(400), Some(368), None], Some("A0"), "Meta: No (code 368, trace A0)."),
            (Some("No"), [Some(503), None, None], None, "Meta: No (HTTP 503)."),
            (Some("No"), [None; 3], None, "Meta: No."),
        ];
        for (text, numbers, trace_id, expected) in table {
            assert_eq!(brief(text, numbers, trace_id), expected);
        }
        assert!(brief(Some(&long), [None; 3], None).len() <= MAX_BRIEF + "Meta: .".len());
    }

    #[test]
    fn the_list_of_names_is_that_of_the_classes() {
        let limited = ErrorClass::RateLimited { scope: RateLimitScope::Token, wait: None };
        let classes = [
            ErrorClass::Token,
            ErrorClass::AppSecretProof,
            ErrorClass::Permission,
            ErrorClass::UnknownId,
            ErrorClass::NotRegistered,
            ErrorClass::Invalid,
            ErrorClass::Policy,
            limited,
            ErrorClass::Transient,
            ErrorClass::Unexpected,
        ];
        assert_eq!(classes.map(|class| class.as_str()), ErrorClass::NAMES);
    }
}
