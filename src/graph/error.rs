//! What a failed call means: for whom it counts, and whether time, the operator or a person mends it.

use std::time::Duration;

use serde::Deserialize;

use super::redact::Redactor;
use super::usage::Usage;
use crate::crd::{MAX_NUMBER_TEXT, MAX_SHORT_TEXT};
use crate::text::truncate;

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
    /// `error.error_user_msg` where Meta gives one, else `error.message`, else what went wrong on the way.
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

impl ErrorClass {
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

    /// What to do, as a clause; none where waiting is enough.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Token => {
                Some("put a valid system-user access token into the Secret (a user token expires within hours)")
            }
            Self::AppSecretProof => Some("set appSecretRef to the secret of the app that issued the token"),
            Self::Permission => Some(
                "give the system user whatsapp_business_messaging on this number's WhatsApp account (Advanced Access for another business)",
            ),
            Self::UnknownId => Some(
                "use the phone number ID from WhatsApp Manager (not the phone number, the WABA ID or a Flow ID) and assign its account to the system user",
            ),
            Self::NotRegistered => Some("register the number with the Cloud API"),
            Self::Invalid => Some("see Meta's message"),
            Self::Policy => Some("resolve the block in Meta's Business Support Home"),
            Self::RateLimited { .. } | Self::Transient | Self::Unexpected => None,
        }
    }
}

impl GraphError {
    /// A failure without an answer of Meta's: connection, time-out, unreadable body.
    pub(super) fn on_the_way(class: ErrorClass, http_status: Option<u16>, message: &str) -> Self {
        let message = truncate(message, MAX_NUMBER_TEXT);
        Self { class, http_status, code: None, subcode: None, kind: None, message, trace_id: None }
    }

    /// Reads an answer whose status is not success, or whose body holds an error all the same.
    pub(super) fn from_answer(answer: &Answer<'_>, redactor: &Redactor<'_>) -> Self {
        let detail = serde_json::from_slice::<ErrorBody>(answer.body).map(|body| body.error).ok();
        let class = classify(answer, detail.as_ref());
        let short = |text: &str| truncate(&redactor.redact(text), MAX_SHORT_TEXT);
        let message = detail.as_ref().and_then(Detail::text).map_or_else(
            || format!("HTTP status {} without an error that can be read", answer.status),
            |text| redactor.redact(text),
        );
        Self {
            class,
            http_status: Some(answer.status),
            code: detail.as_ref().and_then(|d| d.code),
            subcode: detail.as_ref().and_then(|d| d.error_subcode),
            kind: detail.as_ref().and_then(|d| d.kind.as_deref()).map(short),
            message: truncate(&message, MAX_NUMBER_TEXT),
            trace_id: detail.as_ref().and_then(|d| d.fbtrace_id.as_deref()).or(answer.trace_id).map(short),
        }
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

/// The parts of an HTTP answer that decide what it means.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
    pub(super) retry_after: Option<Duration>,
    pub(super) usage: &'a Usage,
    pub(super) trace_id: Option<&'a str>,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: Detail,
}

#[derive(Deserialize)]
struct Detail {
    message: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<i64>,
    error_subcode: Option<i64>,
    fbtrace_id: Option<String>,
    #[serde(default)]
    is_transient: bool,
    error_user_msg: Option<String>,
}

impl Detail {
    fn text(&self) -> Option<&str> {
        [&self.error_user_msg, &self.message]
            .into_iter()
            .flatten()
            .map(|text| text.trim())
            .find(|text| !text.is_empty())
    }

    fn speaks_of_proof(&self) -> bool {
        self.kind.as_deref() == Some("GraphMethodException")
            && self.error_subcode.is_none()
            && self.message.as_deref().is_some_and(|text| text.contains("appsecret_proof"))
    }
}

/// Codes and subcodes: Meta, "Handling errors" of the Graph API and "Error codes" of the WhatsApp Cloud API.
fn classify(answer: &Answer<'_>, detail: Option<&Detail>) -> ErrorClass {
    let wait = || answer.retry_after.or(answer.usage.regain_access);
    let limited = |scope| ErrorClass::RateLimited { scope, wait: wait() };
    let business_account = || RateLimitScope::BusinessAccount(answer.usage.business_account.clone());

    let Some(detail) = detail else {
        return match answer.status {
            401 => ErrorClass::Token,
            403 => ErrorClass::Permission,
            404 => ErrorClass::UnknownId,
            429 => limited(RateLimitScope::Token),
            408 | 500..=599 => ErrorClass::Transient,
            _ => ErrorClass::Unexpected,
        };
    };
    match (detail.code, detail.error_subcode) {
        (Some(190 | 102), _) => ErrorClass::Token,
        (Some(4 | 17 | 32 | 613), _) => limited(RateLimitScope::Token),
        (Some(80_007 | 80_008), _) => limited(business_account()),
        (Some(130_429), _) => limited(RateLimitScope::PhoneNumber),
        (Some(100), None) if detail.speaks_of_proof() => ErrorClass::AppSecretProof,
        (Some(133_010), _) => ErrorClass::NotRegistered,
        (Some(368), _) => ErrorClass::Policy,
        (Some(3 | 10 | 200..=299), _) => ErrorClass::Permission,
        (Some(100), Some(33)) => ErrorClass::UnknownId,
        (Some(1 | 2), _) => ErrorClass::Transient,
        _ if detail.is_transient => ErrorClass::Transient,
        (Some(100), _) => ErrorClass::Invalid,
        _ => match answer.status {
            401 => ErrorClass::Token,
            403 => ErrorClass::Permission,
            404 => ErrorClass::UnknownId,
            422 => ErrorClass::Invalid,
            429 if answer.usage.business_account.is_some() => limited(business_account()),
            429 => limited(RateLimitScope::Token),
            408 | 500..=599 => ErrorClass::Transient,
            _ => ErrorClass::Unexpected,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &str) -> GraphError {
        let usage = Usage::default();
        let answer =
            Answer { status, body: body.as_bytes(), retry_after: None, usage: &usage, trace_id: Some("header-trace") };
        GraphError::from_answer(&answer, &Redactor::new([Some("the-token"), None]))
    }

    fn limited(scope: RateLimitScope) -> ErrorClass {
        ErrorClass::RateLimited { scope, wait: None }
    }

    #[test]
    fn every_row_of_the_error_table() {
        use ErrorClass as C;
        let body = |code: i64| format!(r#"{{"error":{{"message":"m","type":"OAuthException","code":{code}}}}}"#);
        let sub = |code: i64, sub: i64| format!(r#"{{"error":{{"message":"m","code":{code},"error_subcode":{sub}}}}}"#);
        let rows = [
            (401, body(190), C::Token),
            (400, sub(190, 463), C::Token),
            (400, body(102), C::Token),
            (401, body(0), C::Token),
            (401, "<html>".into(), C::Token),
            (
                400,
                r#"{"error":{"message":"Invalid appsecret_proof provided in the API argument","type":"GraphMethodException","code":100}}"#
                    .into(),
                C::AppSecretProof,
            ),
            (403, sub(200, 1_349_174), C::Permission),
            (400, body(3), C::Permission),
            (400, body(10), C::Permission),
            (500, body(299), C::Permission),
            (403, "{}".into(), C::Permission),
            (404, body(803), C::UnknownId),
            (404, String::new(), C::UnknownId),
            (400, sub(100, 33), C::UnknownId),
            (400, body(133_010), C::NotRegistered),
            (400, body(100), C::Invalid),
            (400, sub(100, 2_388_003), C::Invalid),
            (422, body(9), C::Invalid),
            (400, body(368), C::Policy),
            (400, body(4), limited(RateLimitScope::Token)),
            (403, body(17), limited(RateLimitScope::Token)),
            (400, body(32), limited(RateLimitScope::Token)),
            (400, body(613), limited(RateLimitScope::Token)),
            (400, body(80_007), limited(RateLimitScope::BusinessAccount(None))),
            (400, body(80_008), limited(RateLimitScope::BusinessAccount(None))),
            (400, body(130_429), limited(RateLimitScope::PhoneNumber)),
            (429, "<html>".into(), limited(RateLimitScope::Token)),
            (429, body(9), limited(RateLimitScope::Token)),
            (500, body(1), C::Transient),
            (400, body(2), C::Transient),
            (400, r#"{"error":{"message":"m","code":100,"is_transient":true}}"#.into(), C::Transient),
            (503, "<html>bad gateway</html>".into(), C::Transient),
            (408, String::new(), C::Transient),
            (302, String::new(), C::Unexpected),
            (400, "<html>".into(), C::Unexpected),
            (418, body(7_777), C::Unexpected),
        ];
        for (status, body, class) in rows {
            assert_eq!(error(status, &body).class, class, "{status} {body}");
        }
    }

    #[test]
    fn what_support_asks_for_is_kept_and_the_token_is_not() {
        let body = r#"{"error":{"message":"Malformed access token the-token","type":"OAuthException","code":190,
            "error_subcode":463,"fbtrace_id":"Abc","error_user_title":"t"}}"#;
        assert_eq!(
            error(400, body),
            GraphError {
                class: ErrorClass::Token,
                http_status: Some(400),
                code: Some(190),
                subcode: Some(463),
                kind: Some("OAuthException".into()),
                message: "Malformed access token [redacted]".into(),
                trace_id: Some("Abc".into()),
            }
        );
    }

    #[test]
    fn the_text_for_users_goes_before_the_one_for_developers() {
        let error = error(400, r#"{"error":{"message":"dev","error_user_msg":"user","code":100,"error_subcode":7}}"#);
        assert_eq!((error.message.as_str(), error.trace_id.as_deref()), ("user", Some("header-trace")));
        assert_eq!(error.to_string(), "user (code 100, subcode 7)");
    }

    #[test]
    fn long_texts_are_cut_at_a_character_boundary() {
        let error = error(400, &format!(r#"{{"error":{{"message":"{}","code":100}}}}"#, "é".repeat(1000)));
        assert!(error.message.len() <= MAX_NUMBER_TEXT && error.message.ends_with('…'), "{}", error.message);
    }
}
