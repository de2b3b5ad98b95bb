//! What Meta says: what a number holds, and what a failed call means: for whom it counts, and whether time, the operator
//! or a person mends it.

use std::time::Duration;

use waflows_key::Fingerprint;

use crate::api::crd::MAX_NUMBER_TEXT;
use crate::api::text::truncate;

/// What Meta reports of a number's key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reported {
    /// The key, or none where the answer holds no key text.
    pub key: Option<ReportedKey>,
    /// `business_public_key_signature_status` in Meta's own words.
    pub signature_status: Option<String>,
}

/// The key that Meta reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportedKey {
    /// A public key with this fingerprint.
    Readable(Fingerprint),
    /// Text that is no public key.
    Unreadable,
}

/// Of Meta's text so much stands in a sentence; the number's `error` has more.
const MAX_BRIEF: usize = 100;

/// A failed call, scrubbed of credentials, with what Meta's support asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.explain())]
pub struct GraphError {
    /// What it means.
    pub class: ErrorClass,
    /// HTTP status of the answer; none where there was no answer.
    pub http_status: Option<u16>,
    /// `error.code`.
    pub code: Option<i64>,
    /// `error.error_subcode`.
    pub subcode: Option<i64>,
    /// `error.type`.
    pub kind: Option<String>,
    /// `error.error_user_msg` where Meta gives one and `error.message`, or what went wrong on the way.
    pub message: String,
    /// `error.fbtrace_id`, or the trace header of an answer without one.
    pub trace_id: Option<String>,
}

/// The classes of failure. Every one has its own remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorClass {
    /// The access token is invalid, expired or revoked.
    Token,
    /// `appsecret_proof` is wrong, or the app demands one.
    AppSecretProof,
    /// The token's user may not do this.
    Permission,
    /// No such phone number ID, or none that this token may see.
    UnknownId,
    /// The number is not registered with the Cloud API.
    NotRegistered,
    /// Meta refuses the key or a parameter.
    Invalid,
    /// Blocked for a breach of policy.
    Policy,
    /// Too many calls.
    RateLimited {
        /// What has to wait.
        scope: RateLimitScope,
        /// How long, where the answer says so.
        wait: Option<Duration>,
    },
    /// Passes by itself: overload, resets, time-outs.
    Transient,
    /// An answer that this version does not understand, such as a redirect or a page of HTML.
    Unexpected,
}

/// What a rate limit applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RateLimitScope {
    /// Every call with the same token.
    Token,
    /// A WhatsApp Business Account, by its ID where the answer names it.
    BusinessAccount(Option<String>),
    /// One phone number.
    PhoneNumber,
}

impl RateLimitScope {
    /// What the error codes of rate limits apply to: Meta, "Graph API: Rate limits" and "Error codes" of the WhatsApp
    /// Cloud API. None for codes of other errors.
    pub fn of_code(code: i64) -> Option<Self> {
        match code {
            4 | 17 | 32 | 613 => Some(Self::Token),
            80_007 | 80_008 => Some(Self::BusinessAccount(None)),
            130_429 => Some(Self::PhoneNumber),
            _ => None,
        }
    }
}

/// What a pause applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldScope {
    /// Every call with the same token.
    Token,
    /// A WhatsApp Business Account.
    BusinessAccount,
    /// One resource, where the answer named no account.
    Resource,
    /// One phone number.
    PhoneNumber,
}

impl HoldScope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Token, Self::BusinessAccount, Self::Resource, Self::PhoneNumber];

    /// A short name for metrics.
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
    /// The short names of all classes.
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

    /// A short name for metrics and logs.
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

    /// Whether the credentials as a whole are refused, for every number.
    pub fn refuses_credentials(&self) -> bool {
        matches!(self, Self::Token | Self::AppSecretProof)
    }

    /// Whether a person must act on this one number.
    pub fn refuses_number(&self) -> bool {
        match self {
            Self::Permission | Self::UnknownId | Self::NotRegistered | Self::Invalid | Self::Policy => true,
            Self::Token | Self::AppSecretProof | Self::RateLimited { .. } | Self::Transient | Self::Unexpected => false,
        }
    }

    /// Whether the outcome of an upload that failed so is open: Meta may have taken the key.
    pub fn leaves_outcome_open(&self) -> bool {
        matches!(self, Self::Transient | Self::Unexpected)
    }

    /// What to do, as a clause after the place where the trouble lies; none where waiting is enough.
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

    /// Whether Meta's own text says more than the remedy.
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
    /// A failure that Meta's answer does not describe: connection, time-out, unreadable body. The message must be
    /// free of credentials.
    pub fn on_the_way(class: ErrorClass, http_status: Option<u16>, message: &str) -> Self {
        let message = truncate(message, MAX_NUMBER_TEXT);
        Self { class, http_status, code: None, subcode: None, kind: None, message, trace_id: None }
    }

    /// The same, with the trace id of the answer's headers where its body has none.
    #[must_use]
    pub fn traced(mut self, trace_id: Option<&str>) -> Self {
        self.trace_id = self.trace_id.or_else(|| trace_id.map(str::to_owned));
        self
    }

    /// Meta's part of a sentence, after the remedy and short.
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

/// What is told of an answer that does not explain itself.
pub fn unexplained(status: u16) -> String {
    match status {
        200..=299 => format!("Meta answers HTTP {status} with something that cannot be read"),
        _ => format!("Meta answers HTTP {status}"),
    }
}

/// What Meta said of a failure, short: the beginning of its text, HTTP status or code and subcode, trace id.
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
