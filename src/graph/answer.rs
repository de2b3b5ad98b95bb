//! Classifies unsuccessful answers of Meta.

use std::time::Duration;

use serde_json::{Map, Value};
use waflows_core::api::crd::{MAX_NUMBER_TEXT, MAX_SHORT_TEXT};
use waflows_core::api::text::truncate;
use waflows_core::meta::{ErrorClass, GraphError, RateLimitScope, unexplained};

use super::redact::Redactor;
use super::usage::Usage;

/// The parts of an HTTP answer that determine its class.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
    pub(super) retry_after: Option<Duration>,
    pub(super) usage: &'a Usage,
    pub(super) trace_id: Option<&'a str>,
}

/// The `error` object of a body. A field with another type than documented counts as absent.
#[derive(Debug, Default)]
pub(super) struct Detail {
    pub(super) code: Option<i64>,
    pub(super) subcode: Option<i64>,
    pub(super) kind: Option<String>,
    pub(super) trace_id: Option<String>,
    message: Option<String>,
    user_message: Option<String>,
    /// `error_data.details`: the WhatsApp edges give details here that their messages lack.
    details: Option<String>,
    is_transient: bool,
}

impl Detail {
    /// Parses a body. None if it holds no error.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let error = match answer.get("error")? {
            Value::Object(error) => error,
            // The format of OAuth 2 (RFC 6749, 5.2).
            Value::String(name) => {
                let message = text(&answer, "error_description").or_else(|| Some(name.clone()));
                return Some(Self { message, ..Self::default() });
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => return None,
        };
        Some(Self {
            code: integer(error, "code"),
            subcode: integer(error, "error_subcode"),
            kind: text(error, "type"),
            trace_id: text(error, "fbtrace_id"),
            message: text(error, "message"),
            user_message: text(error, "error_user_msg"),
            details: error.get("error_data").and_then(Value::as_object).and_then(|data| text(data, "details")),
            is_transient: error.get("is_transient").and_then(Value::as_bool).unwrap_or_default(),
        })
    }

    /// The text for users, followed by the text for developers.
    pub(super) fn text(&self) -> Option<String> {
        let plain = self.user_message.as_ref().or(self.details.as_ref());
        match (plain, &self.message) {
            (Some(plain), Some(message)) if plain != message => Some(format!("{plain} [{message}]")),
            (Some(text), _) | (None, Some(text)) => Some(text.clone()),
            (None, None) => None,
        }
    }

    fn says(&self, phrase: &str) -> bool {
        self.message.as_deref().is_some_and(|message| message.contains(phrase))
    }

    fn refuses_proof(&self) -> bool {
        self.kind.as_deref() == Some("GraphMethodException") && self.says("appsecret_proof")
    }

    /// Whether the ID belongs to another kind of object, such as a WhatsApp Business Account.
    fn denies_edge(&self) -> bool {
        self.says("nonexisting field (whatsapp_business_encryption)")
    }
}

fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    fields.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn integer(fields: &Map<String, Value>, name: &str) -> Option<i64> {
    match fields.get(name)? {
        Value::Number(number) => number.as_i64(),
        Value::String(digits) => digits.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Answer<'_> {
    /// The error of an answer whose status is not success, or whose body holds an error.
    pub(super) fn error(&self, redactor: &Redactor<'_>) -> GraphError {
        let detail = Detail::read(self.body);
        let short = |text: &str| truncate(&redactor.redact(text), MAX_SHORT_TEXT);
        let message = detail
            .as_ref()
            .and_then(Detail::text)
            .map_or_else(|| self.unexplained(detail.as_ref()), |text| redactor.redact(&text));
        GraphError {
            class: self.class(detail.as_ref()),
            http_status: Some(self.status),
            code: detail.as_ref().and_then(|d| d.code),
            subcode: detail.as_ref().and_then(|d| d.subcode),
            kind: detail.as_ref().and_then(|d| d.kind.as_deref()).map(short),
            message: truncate(&message, MAX_NUMBER_TEXT),
            trace_id: detail.as_ref().and_then(|d| d.trace_id.as_deref()).or(self.trace_id).map(short),
        }
    }

    /// Codes and subcodes: Meta, "Handling errors" of the Graph API and "Error codes" of the WhatsApp Cloud API.
    pub(super) fn class(&self, detail: Option<&Detail>) -> ErrorClass {
        let Some(detail) = detail else {
            return if self.is_of_somebody_else(None) { ErrorClass::Unexpected } else { self.class_by_status() };
        };
        match detail.code.and_then(RateLimitScope::of_code) {
            Some(RateLimitScope::BusinessAccount(_)) => return self.limited(self.business_account()),
            Some(scope) => return self.limited(scope),
            None => {}
        }
        let is_bad_request = !matches!(self.status, 401 | 403 | 404 | 429 | 500..);
        match (detail.code, detail.subcode) {
            (Some(190 | 102 | 104), _) => ErrorClass::Token,
            (Some(100), None) if detail.refuses_proof() => ErrorClass::AppSecretProof,
            (Some(368), _) => ErrorClass::Policy,
            (Some(1 | 2), _) => ErrorClass::Transient,
            _ if detail.is_transient && self.status != 429 => ErrorClass::Transient,
            (Some(133_010), _) => ErrorClass::NotRegistered,
            (Some(3 | 10 | 200..=299), _) => ErrorClass::Permission,
            // 33: the number has been deleted.
            (Some(33 | 803), _) | (Some(100), Some(33)) => ErrorClass::UnknownId,
            (Some(100), None) if detail.denies_edge() => ErrorClass::UnknownId,
            (Some(100), _) if is_bad_request => ErrorClass::Invalid,
            _ => self.class_by_status(),
        }
    }

    /// Whether something before Meta refused the request, such as a proxy: Meta gives a reason or a trace id. Such a refusal
    /// says nothing about the token or the number.
    fn is_of_somebody_else(&self, detail: Option<&Detail>) -> bool {
        matches!(self.status, 401 | 403 | 404) && self.trace_id.is_none() && detail.is_none()
    }

    fn unexplained(&self, detail: Option<&Detail>) -> String {
        match self.is_of_somebody_else(detail) {
            true => format!(
                "something other than the Graph API answers HTTP {}: check --graph-url and the proxy",
                self.status
            ),
            false => unexplained(self.status),
        }
    }

    fn class_by_status(&self) -> ErrorClass {
        match self.status {
            401 => ErrorClass::Token,
            403 => ErrorClass::Permission,
            404 => ErrorClass::UnknownId,
            408 | 500..=599 => ErrorClass::Transient,
            422 => ErrorClass::Invalid,
            429 if self.usage.business_account.is_some() => self.limited(self.business_account()),
            429 => self.limited(RateLimitScope::Token),
            _ => ErrorClass::Unexpected,
        }
    }

    fn limited(&self, scope: RateLimitScope) -> ErrorClass {
        ErrorClass::RateLimited { scope, wait: self.retry_after.or(self.usage.regain_access) }
    }

    fn business_account(&self) -> RateLimitScope {
        RateLimitScope::BusinessAccount(self.usage.business_account.clone())
    }
}

#[cfg(test)]
mod tests;
