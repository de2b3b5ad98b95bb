//! What Meta tells of an access token: what it may do, and until when.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::crd::{FlowsEncryptionKeySpec, TokenInspection, TokenStatus};

/// The permission to read and set keys.
pub const MESSAGING: &str = "whatsapp_business_messaging";
/// The permission to list the numbers of an account.
pub const MANAGEMENT: &str = "whatsapp_business_management";

/// What Meta tells of an access token. Never contains the token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenFacts {
    /// Whether Meta accepts the token.
    pub is_valid: bool,
    /// The app that issued the token.
    pub app_id: Option<String>,
    /// When the token expires. None if it never does, or if Meta does not tell.
    pub expires: Option<Timestamp>,
    /// When the token's access to data ends. None if it does not, or if Meta does not tell.
    pub data_access_expires: Option<Timestamp>,
    /// The permissions of the token.
    pub scopes: Vec<String>,
    /// For a permission, the IDs of the objects for which the token has it. A permission that is absent here holds for all.
    pub targets: BTreeMap<String, Vec<String>>,
    /// Why the token is not valid, in Meta's words.
    pub reason: Option<String>,
}

impl TokenFacts {
    /// Those of the permissions that the token lacks.
    pub fn missing<'a>(&self, needed: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        needed.into_iter().filter(|scope| !self.scopes.iter().any(|has| has == scope)).collect()
    }

    /// The end of the token: when it expires, or when its access to data ends if that is earlier.
    pub fn end(&self) -> Option<Timestamp> {
        [self.expires, self.data_access_expires].into_iter().flatten().min()
    }
}

/// How often a token is inspected.
pub const INSPECTION_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// Days before the end of a token at which users are warned. The warning changes at each of these times.
pub const WARNING_DAYS: [i64; 4] = [1, 3, 7, 14];

const DAY: i64 = 24 * 3600;

/// The result of one inspection, which is the same for all resources with the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// What Meta said. None if Meta lets neither the token nor its app ask.
    pub facts: Option<TokenFacts>,
    /// Time of the inspection.
    pub at: Timestamp,
}

impl Inspection {
    /// The status of a resource with this spec.
    pub fn status(&self, spec: &FlowsEncryptionKeySpec) -> TokenStatus {
        let inspected_time = Timestamp::from_second(self.at.as_second()).ok().map(Time);
        let Some(facts) = &self.facts else {
            return TokenStatus { inspected_time, ..TokenStatus::default() };
        };
        let needed = [Some(MESSAGING), (!spec.business_accounts.is_empty()).then_some(MANAGEMENT)];
        let missing = if facts.is_valid { facts.missing(needed.into_iter().flatten()) } else { Vec::new() };
        TokenStatus {
            inspection: if facts.is_valid { TokenInspection::Valid } else { TokenInspection::Invalid },
            expires_time: facts.end().map(Time),
            missing_scopes: missing.into_iter().map(str::to_owned).collect(),
            inspected_time,
        }
    }
}

/// Whether the token has to be inspected, as far as the status tells.
pub fn is_due(stored: Option<&TokenStatus>, has_same_token: bool, now: Timestamp) -> bool {
    match stored.filter(|_| has_same_token) {
        Some(TokenStatus { inspection: TokenInspection::Unavailable, .. }) => false,
        Some(TokenStatus { inspected_time: Some(at), .. }) => at.0 > now || at.0 + INSPECTION_INTERVAL <= now,
        Some(TokenStatus { inspected_time: None, .. }) | None => true,
    }
}

/// The smallest number of [`WARNING_DAYS`] within which the token ends. None if it does not end soon.
pub fn warned_of(end: Timestamp, now: Timestamp) -> Option<i64> {
    let left = end.as_second().saturating_sub(now.as_second());
    WARNING_DAYS.into_iter().find(|days| left < days * DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_is_inspected_when_it_is_new_and_once_a_day() {
        let inspected =
            |inspection| TokenStatus { inspection, inspected_time: Some(Time(at(0))), ..TokenStatus::default() };
        let valid = inspected(TokenInspection::Valid);
        assert!(is_due(None, true, at(0)));
        assert!(!is_due(Some(&valid), true, at(DAY - 1)) && is_due(Some(&valid), true, at(DAY)));
        assert!(is_due(Some(&valid), false, at(1)), "another token");
        assert!(is_due(Some(&valid), true, at(-1)), "a clock that was wrong");
        let unavailable = inspected(TokenInspection::Unavailable);
        assert!(!is_due(Some(&unavailable), true, at(9 * DAY)) && is_due(Some(&unavailable), false, at(1)));
    }
}
