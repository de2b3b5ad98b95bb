//! The rate limit headers of an answer: `Retry-After`, `X-App-Usage`, `X-Business-Use-Case-Usage`.
//!
//! Source: Meta, "Graph API: Rate limits".

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;
use waflows_core::meta::{ErrorClass, GraphError, RateLimitScope};

/// Limit of a business account ID, in digits. IDs have 15 or 16 digits today.
const MAX_ACCOUNT_DIGITS: usize = 32;
/// The longest wait that one answer can cause.
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The used share of the budget, according to an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// The highest percentage for the app. 100 or more means throttled.
    pub(super) app_percent: u32,
    /// The highest percentage for the business account.
    pub(super) business_percent: u32,
    /// The business account that the answer names.
    pub(super) business_account: Option<String>,
    /// Time until the business account may call again.
    pub(super) regain_access: Option<Duration>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Percentages {
    call_count: f64,
    total_time: f64,
    total_cputime: f64,
    /// In minutes.
    estimated_time_to_regain_access: f64,
}

impl Percentages {
    fn highest(&self) -> u32 {
        // A cast from float to an unsigned integer saturates.
        self.call_count.max(self.total_time).max(self.total_cputime) as u32
    }
}

impl Usage {
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let app: Percentages = json(headers, "x-app-usage").unwrap_or_default();
        let business: BTreeMap<String, Vec<Percentages>> =
            json(headers, "x-business-use-case-usage").unwrap_or_default();
        let mut usage = Self { app_percent: app.highest(), ..Self::default() };
        // Answers name one account in practice. Of several accounts, use the one with the highest usage.
        let is_account = |id: &str| id.len() <= MAX_ACCOUNT_DIGITS && id.bytes().all(|byte| byte.is_ascii_digit());
        for (account, cases) in business.into_iter().filter(|(id, _)| is_account(id)) {
            let percent = cases.iter().map(Percentages::highest).max().unwrap_or(0);
            let minutes = cases.iter().map(|case| case.estimated_time_to_regain_access).fold(0.0, f64::max);
            if usage.business_account.is_none() || percent > usage.business_percent {
                usage.business_percent = percent;
                usage.business_account = Some(account);
                usage.regain_access = (minutes > 0.0).then(|| bounded(minutes * 60.0));
            }
        }
        usage
    }

    /// The rate limit that the headers of a successful answer announce.
    pub(super) fn announced_limit(&self) -> Option<GraphError> {
        let account = self.business_account.clone().filter(|_| self.business_percent >= 100)?;
        let wait = Some(self.regain_access?);
        let message =
            format!("WhatsApp Business Account {account} has used up its calls, as the headers of an answer say");
        let class = ErrorClass::RateLimited { scope: RateLimitScope::BusinessAccount(Some(account)), wait };
        // The code with which Meta would refuse the next call.
        Some(GraphError { code: Some(80_007), ..GraphError::on_the_way(class, None, &message) })
    }
}

/// `Retry-After`: seconds or an HTTP date (RFC 9110, 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(MAX_WAIT));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default().min(MAX_WAIT))
}

fn bounded(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(MAX_WAIT).min(MAX_WAIT)
}

fn json<T: serde::de::DeserializeOwned>(headers: &HeaderMap, name: &str) -> Option<T> {
    serde_json::from_slice(headers.get(name)?.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_highest_percentage_counts() {
        let usage = Usage::from_headers(&headers(&[
            ("x-app-usage", r#"{"call_count":28,"total_time":81.5,"total_cputime":3}"#),
            (
                "x-business-use-case-usage",
                r#"{"102290129340398":[{"type":"whatsapp","call_count":100,"total_cputime":1,"total_time":2,"estimated_time_to_regain_access":7}]}"#,
            ),
        ]));
        assert_eq!(
            usage,
            Usage {
                app_percent: 81,
                business_percent: 100,
                business_account: Some("102290129340398".into()),
                regain_access: Some(Duration::from_secs(420)),
            }
        );
    }

    #[test]
    fn of_several_accounts_the_most_used_one_counts_and_of_equals_the_first() {
        let usage = |text: &str| {
            let usage = Usage::from_headers(&headers(&[("x-business-use-case-usage", text)]));
            (usage.business_account.unwrap(), usage.business_percent, usage.regain_access)
        };
        let cases = |percents: [u32; 3]| {
            let [a, b, c] = percents;
            format!(r#"{{"1":[{{"call_count":{a}}}],"2":[{{"call_count":{b}}}],"3":[{{"call_count":{c}}}]}}"#)
        };
        assert_eq!(usage(&cases([10, 90, 20])), ("2".into(), 90, None));
        assert_eq!(usage(&cases([10, 20, 20])), ("2".into(), 20, None));
        assert_eq!(usage(&cases([0, 0, 0])), ("1".into(), 0, None));
    }

    #[test]
    fn nonsense_is_ignored_and_waits_are_bounded() {
        assert_eq!(
            Usage::from_headers(&headers(&[("x-app-usage", "[]"), ("x-business-use-case-usage", "?")])),
            Usage::default()
        );
        let usage = Usage::from_headers(&headers(&[(
            "x-business-use-case-usage",
            r#"{"1":[{"call_count":-5,"estimated_time_to_regain_access":1e300}]}"#,
        )]));
        assert_eq!((usage.business_percent, usage.regain_access), (0, Some(Duration::from_secs(86_400))));
        let long = format!(r#"{{"{}":[{{"call_count":100}}],"EAA":[{{"call_count":100}}]}}"#, "1".repeat(33));
        assert_eq!(Usage::from_headers(&headers(&[("x-business-use-case-usage", &long)])), Usage::default());
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let wait = |text| retry_after(&headers(&[("retry-after", text)]), now);
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("99999999999"), Some(MAX_WAIT));
        assert_eq!(wait("soon"), None);
    }
}
