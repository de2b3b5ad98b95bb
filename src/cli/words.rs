//! Parsers for the values of flags.

use std::net::IpAddr;
use std::time::Duration;

use waflows_core::api::crd::is_meta_id;

use crate::selector::LabelSelector;
use crate::telemetry;

const A_YEAR: Duration = Duration::from_secs(8760 * 3600);

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: kube::core::Duration = text.parse().map_err(|error| format!("must be like 30m or 1h30m: {error}"))?;
    if parsed.is_negative() || Duration::from(parsed).is_zero() {
        return Err("must be longer than 0s".to_owned());
    }
    if Duration::from(parsed) > A_YEAR {
        return Err("must be at most 8760h, a year".to_owned());
    }
    Ok(parsed.into())
}

/// The name of a namespace. Accepts an empty text, because an environment variable may be set and empty.
pub(super) fn namespace(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || (name.len() <= 63 && is_label(name)) {
        return Ok(name.to_owned());
    }
    Err("is no name of a namespace: these have small letters, digits and -, at most 63 of them, such as shop"
        .to_owned())
}

/// The name of a Kubernetes object, such as a Lease.
pub(super) fn name(text: &str) -> Result<String, String> {
    if text.len() <= 253 && text.split('.').all(is_label) {
        return Ok(text.to_owned());
    }
    Err("is no name of an object: these have small letters, digits, - and ., such as waflows-operator".to_owned())
}

fn is_label(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    text.starts_with(is_letter)
        && text.ends_with(is_letter)
        && text.chars().all(|letter| letter == '-' || is_letter(letter))
}

/// A host that endpoints may be at. Accepts an empty text, because an environment variable may be set and empty.
pub(super) fn endpoint_host(text: &str) -> Result<String, String> {
    let host = text.trim().to_ascii_lowercase();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let name = host.strip_prefix("*.").unwrap_or(&host);
    let is_name = name.len() <= 253 && name.split('.').all(|label| label.len() <= 63 && is_label(label));
    if host.is_empty() || address.parse::<IpAddr>().is_ok() || (is_name && name.parse::<IpAddr>().is_err()) {
        return Ok(host);
    }
    Err("is no host: give a name such as flows.example.com, or *.example.com for all names below example.com, without \
         https:// and port"
        .to_owned())
}

/// An ID of an object at Meta.
pub(super) fn meta_id(text: &str) -> Result<String, String> {
    let id = text.trim();
    let digits = "is no ID of Meta's: these have only digits, at most 20 of them, such as 102290129340398";
    is_meta_id(id).then(|| id.to_owned()).ok_or_else(|| digits.to_owned())
}

pub(super) fn selector(text: &str) -> Result<String, String> {
    text.parse::<LabelSelector>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

pub(super) fn log_level(text: &str) -> Result<String, String> {
    telemetry::levels(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_longer_than_nothing_and_at_most_a_year() {
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert!(duration("9999999h").is_err());
        assert!(["", "0s", "-1h", "1 h", "soon"].iter().all(|text| duration(text).is_err()));
    }

    #[test]
    fn hosts_of_endpoints_are_names_suffixes_or_addresses() {
        for (text, host) in [
            (" Flows.Example.com", "flows.example.com"),
            ("*.example.com", "*.example.com"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("203.0.113.9", "203.0.113.9"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("localhost", "localhost"),
            ("", ""),
        ] {
            assert_eq!(endpoint_host(text).as_deref(), Ok(host));
        }
        for text in
            ["*", "*.", "*example.com", "a.*.com", "https://a.test", "a.test:443", "a.test/x", "bücher.example", "."]
        {
            assert!(endpoint_host(text).unwrap_err().contains("such as flows.example.com"), "{text}");
        }
    }

    #[test]
    fn names_are_those_that_kubernetes_takes() {
        for text in ["shop", " shop", "", "a-1", "1"] {
            assert_eq!(namespace(text).as_deref(), Ok(text.trim()));
        }
        for text in ["Shop", "x y", "-a", "a-", "a.b", "a_b", "ä", &"a".repeat(64)] {
            assert!(namespace(text).unwrap_err().contains("such as shop"), "{text}");
        }
        assert_eq!(name("a.b-1").as_deref(), Ok("a.b-1"));
        assert!(["", "A", "a..b", "a/b", ".a"].iter().all(|text| name(text).is_err()));
    }
}
