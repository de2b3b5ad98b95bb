//! Meta, as far as stories need it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use waflows_core::meta::{ErrorClass, GraphError, RateLimitScope, Reported, ReportedKey};
use waflows_core::number::Reading;
use waflows_core::upload::UploadAnswer;

use crate::objects::{key, name_of};

/// What goes wrong with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// HTTP 503.
    Unavailable,
    /// HTTP 429, for five minutes.
    RateLimited,
    /// Uploads are taken, and not signed.
    Unregistered,
}

impl Fault {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "answers" => return None,
            "fails" => Self::Unavailable,
            "limits" => Self::RateLimited,
            "does-not-sign" => Self::Unregistered,
            other => panic!("Meta answers, fails, limits or does-not-sign, not {other:?}"),
        })
    }
}

/// Meta.
#[derive(Debug, Default)]
pub(crate) struct Meta {
    /// By phone number ID: the key and its signature status.
    pub(crate) numbers: BTreeMap<String, Option<(&'static str, &'static str)>>,
    pub(crate) faults: BTreeMap<String, Fault>,
    /// Every call is refused for its token.
    pub(crate) refuses_token: bool,
}

impl Meta {
    /// The answer to a GET, in words, and the refusal of the token.
    pub(crate) fn read(&self, id: &str, at: Timestamp) -> (Reading, Option<GraphError>) {
        if self.refuses_token {
            let reading = Reading::Held { limit: None, until: at + FIVE_MINUTES };
            return (reading, Some(error(ErrorClass::Token)));
        }
        match self.faults.get(id) {
            Some(Fault::Unavailable) => (Reading::Failed { error: error(ErrorClass::Transient), at }, None),
            Some(Fault::RateLimited) => (Reading::Held { limit: Some(limit()), until: at + FIVE_MINUTES }, None),
            Some(Fault::Unregistered) | None => {
                let held = self.numbers.get(id).copied().flatten();
                let reported = Reported {
                    key: held.map(|(name, _)| ReportedKey::Readable(*key(name).fingerprint())),
                    signature_status: held.map(|(_, status)| status.to_owned()),
                    public_key: held.map(|(name, _)| key(name).clone()),
                };
                (Reading::Answered { reported, at }, None)
            }
        }
    }

    /// The answer to a POST of the key.
    pub(crate) fn upload(&mut self, id: &str, name: &'static str, at: Timestamp) -> UploadAnswer {
        let status = match self.faults.get(id) {
            Some(Fault::Unavailable) => return UploadAnswer::Failed(error(ErrorClass::Transient)),
            Some(Fault::RateLimited) => {
                return UploadAnswer::Held { limit: Some(limit()), until: at + FIVE_MINUTES };
            }
            Some(Fault::Unregistered) => "MISMATCH",
            None => "VALID",
        };
        self.numbers.insert(id.to_owned(), Some((name, status)));
        UploadAnswer::Accepted
    }
}

const FIVE_MINUTES: Duration = Duration::from_secs(300);

fn limit() -> GraphError {
    let class = ErrorClass::RateLimited { scope: RateLimitScope::PhoneNumber, wait: None };
    let message = "Rate limit hit".to_owned();
    GraphError { http_status: Some(429), code: Some(130_429), message, ..error(class) }
}

fn error(class: ErrorClass) -> GraphError {
    let (http_status, code, message) = match class {
        ErrorClass::Token => (401, Some(190), "Error validating access token"),
        _ => (503, None, "Service temporarily unavailable"),
    };
    GraphError {
        class,
        http_status: Some(http_status),
        code,
        subcode: None,
        kind: None,
        message: message.to_owned(),
        trace_id: None,
    }
}

/// An answer in a few words.
pub(crate) fn words(reading: &Reading) -> String {
    match reading {
        Reading::NotAsked => "not asked".to_owned(),
        Reading::Answered { reported, .. } => match (&reported.key, &reported.signature_status) {
            (Some(ReportedKey::Readable(fingerprint)), status) => {
                format!("key {} {}", name_of(fingerprint), status.as_deref().unwrap_or("without a status"))
            }
            (Some(ReportedKey::Unreadable), _) => "a key that cannot be read".to_owned(),
            (None, _) => "no key".to_owned(),
        },
        Reading::Failed { error, .. } => format!("fails with HTTP {}", error.http_status.unwrap_or_default()),
        Reading::Held { .. } => "calls have to wait".to_owned(),
    }
}
