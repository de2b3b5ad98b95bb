//! Parsers for the values of flags.

use std::time::Duration;

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
