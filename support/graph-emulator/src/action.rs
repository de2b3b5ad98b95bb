//! What the caller of a faulty call gets.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::GraphError;

/// What the caller of a faulty call gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultAction {
    /// The ordinary answer; for rules about the effect alone.
    Ordinary,
    /// The ordinary answer after a delay; the call itself is done before.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    Delay(Duration),
    /// The ordinary answer with usage headers.
    Usage(Usage),
    /// The ordinary answer with these headers.
    Headers(Vec<(String, String)>),
    /// The ordinary answer, its body in pieces.
    SlowBody {
        /// Bytes of a piece.
        piece: usize,
        /// The pause after each.
        #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
        pause: Duration,
    },
    /// This answer.
    Answer {
        /// HTTP status.
        status: u16,
        /// Headers, beside those of every answer; a name given here replaces one of those.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// The body.
        #[serde(default)]
        body: String,
    },
    /// An error as Graph gives it.
    GraphError(GraphError),
    /// A rate limit's error and headers.
    RateLimit(RateLimit),
    /// An error page as a proxy gives it: HTML, no Graph headers.
    ProxyError {
        /// HTTP status.
        status: u16,
    },
    /// A redirect.
    Redirect {
        /// HTTP status: 301, 302, 303, 307 or 308.
        status: u16,
        /// The `Location`.
        location: String,
    },
    /// The connection is reset (TCP RST) before the answer; over HTTP/2 with all its streams.
    ResetBeforeAnswer,
    /// The connection is reset after the headers and half of the ordinary body.
    ResetMidBody,
    /// No answer until the caller gives up.
    Hang,
    /// A successful answer with a body of this size, announced in `Content-Length`.
    OversizedBody {
        /// Bytes.
        bytes: u64,
    },
    /// A successful answer whose body never ends.
    EndlessBody,
}

/// Usage headers. Percentages; Meta slows callers down at 100.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// `X-App-Usage`: call_count, total_time and total_cputime, all with this value.
    pub app_percent: Option<u32>,
    /// `X-Business-Use-Case-Usage` of the WABA, likewise.
    pub business_percent: Option<u32>,
    /// The WABA that the header names; the called number's own if `None`.
    pub waba_id: Option<String>,
    /// `estimated_time_to_regain_access` in the business header, in minutes.
    pub minutes_to_regain_access: u64,
}

/// A rate limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimit {
    /// HTTP status.
    pub status: u16,
    /// 4, 17, 32, 613 (app or token), 80007, 80008 (WABA), 130429 (number).
    pub code: i64,
    /// `Retry-After`.
    pub retry_after: Option<RetryAfter>,
    /// Usage headers.
    pub usage: Usage,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { status: 429, code: 80_007, retry_after: None, usage: Usage::default() }
    }
}

/// The two forms of `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// Seconds.
    Seconds(u64),
    /// The date this many seconds from the answer.
    DateIn(u64),
}

impl FaultAction {
    /// Whether all of the ordinary answer is sent.
    pub(crate) fn answers_ordinarily(&self) -> bool {
        match self {
            Self::Ordinary | Self::Delay(_) | Self::Usage(_) | Self::Headers(_) | Self::SlowBody { .. } => true,
            Self::Answer { .. }
            | Self::GraphError(_)
            | Self::RateLimit(_)
            | Self::ProxyError { .. }
            | Self::Redirect { .. }
            | Self::ResetBeforeAnswer
            | Self::ResetMidBody
            | Self::Hang
            | Self::OversizedBody { .. }
            | Self::EndlessBody => false,
        }
    }

    /// Whether the ordinary answer, or a part of it, is sent.
    pub(crate) fn uses_ordinary_answer(&self) -> bool {
        self.answers_ordinarily() || matches!(self, Self::ResetMidBody)
    }
}

impl RateLimit {
    pub(crate) fn error(&self) -> GraphError {
        let message = match self.code {
            4 => "(#4) Application request limit reached",
            17 => "(#17) User request limit reached",
            32 => "(#32) Page request limit reached",
            613 => "(#613) Calls to this api have exceeded the rate limit.",
            130_429 => "(#130429) Rate limit hit",
            _ => "There have been too many calls from this WhatsApp Business account. Wait a bit and try again.",
        };
        GraphError::new(self.status, self.code, message)
    }
}

impl RetryAfter {
    pub(crate) fn value(self) -> String {
        let seconds = match self {
            Self::Seconds(seconds) => return seconds.to_string(),
            Self::DateIn(seconds) => seconds,
        };
        let date = jiff::Timestamp::now().saturating_add(Duration::from_secs(seconds));
        date.ok()
            .and_then(|date| {
                let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
                printer.timestamp_to_rfc9110_string(&date).ok()
            })
            .unwrap_or_default()
    }
}

impl Usage {
    /// The headers; `own_waba` is the called number's.
    pub(crate) fn headers(&self, own_waba: &str) -> Vec<(String, String)> {
        let app = self.app_percent.map(|percent| {
            let value = json!({"call_count": percent, "total_time": percent, "total_cputime": percent});
            ("x-app-usage".to_owned(), value.to_string())
        });
        let business = self.business_percent.map(|percent| {
            let usage = json!([{
                "type": "whatsapp", "call_count": percent, "total_time": percent,
                "total_cputime": percent,
                "estimated_time_to_regain_access": self.minutes_to_regain_access,
            }]);
            let waba_id = self.waba_id.as_deref().unwrap_or(own_waba);
            let value = Value::Object([(waba_id.to_owned(), usage)].into_iter().collect());
            ("x-business-use-case-usage".to_owned(), value.to_string())
        });
        app.into_iter().chain(business).collect()
    }
}
