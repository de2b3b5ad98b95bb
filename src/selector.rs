//! Label selectors in the syntax of the API server: `shard=1,tier in (a,b),!legacy`.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// A parsed label selector. All its requirements must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    DoesNotExist,
    Above(i64),
    Below(i64),
}

/// The text is not a label selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no label selector such as team=checkout or 'shard in (a,b),!legacy'")]
pub struct NoSelector;

impl LabelSelector {
    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| requirement.test.passes(labels.get(&requirement.key)))
    }
}

impl Test {
    fn passes(&self, value: Option<&String>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::In(values) => value.is_some_and(|value| values.contains(value)),
            Self::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Self::Exists => value.is_some(),
            Self::DoesNotExist => value.is_none(),
            Self::Above(bound) => number().is_some_and(|number| number > *bound),
            Self::Below(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

impl FromStr for LabelSelector {
    type Err = NoSelector;

    /// Parses a selector. An empty text selects everything.
    fn from_str(text: &str) -> Result<Self, NoSelector> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        parts(text).into_iter().map(requirement).collect::<Option<_>>().map(Self).ok_or(NoSelector)
    }
}

/// Splits at commas outside of parentheses.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let parts = text.split(|letter| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        letter == ',' && depth == 0
    });
    parts.map(str::trim).collect()
}

fn requirement(text: &str) -> Option<Requirement> {
    let of = |name: &str, test: Test| key(name).map(|key| Requirement { key, test });
    let one = |text: &str| value(text).map(|value| BTreeSet::from([value]));
    if let Some((head, values)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        // Empty parentheses are an error.
        let values = Some(values).filter(|values| !values.trim().is_empty())?;
        let values = values.split(',').map(value).collect::<Option<_>>()?;
        return match head.split_whitespace().collect::<Vec<_>>()[..] {
            [name, "in"] => of(name, Test::In(values)),
            [name, "notin"] => of(name, Test::NotIn(values)),
            _ => None,
        };
    }
    if let Some((name, text)) = text.split_once("!=") {
        return of(name, Test::NotIn(one(text)?));
    }
    if let Some((name, text)) = text.split_once('=') {
        return of(name, Test::In(one(text.strip_prefix('=').unwrap_or(text))?));
    }
    if let Some((name, text)) = text.split_once('>') {
        return of(name, Test::Above(text.trim().parse().ok()?));
    }
    if let Some((name, text)) = text.split_once('<') {
        return of(name, Test::Below(text.trim().parse().ok()?));
    }
    match text.strip_prefix('!') {
        Some(name) => of(name, Test::DoesNotExist),
        None => of(text, Test::Exists),
    }
}

/// Parses a label key: a name of at most 63 letters, with an optional domain and slash before it.
fn key(text: &str) -> Option<String> {
    let text = text.trim();
    let (domain, name) = text.split_once('/').map_or((None, text), |(domain, name)| (Some(domain), name));
    (is_plain(name) && domain.is_none_or(is_domain)).then(|| text.to_owned())
}

fn value(text: &str) -> Option<String> {
    let text = text.trim();
    (text.is_empty() || is_plain(text)).then(|| text.to_owned())
}

/// Whether the text has at most 63 letters and digits, with `-`, `_` and `.` between them.
fn is_plain(text: &str) -> bool {
    text.len() <= 63
        && has_ends(text)
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
}

fn is_domain(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    text.len() <= 253 && text.split('.').all(|part| has_ends(part) && part.chars().all(is_letter))
}

/// Whether the text begins and ends with a letter or a digit.
fn has_ends(text: &str) -> bool {
    let is_end = |letter: char| letter.is_ascii_alphanumeric();
    text.starts_with(is_end) && text.ends_with(is_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(text: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        text.parse::<LabelSelector>().unwrap().matches(&labels)
    }

    #[test]
    fn selectors_are_read_as_the_api_server_reads_them() {
        let labels = [("shard", "1"), ("example.com/tier", "a")];
        for text in [
            "",
            " ",
            "shard",
            "shard=1",
            "shard == 1",
            "shard!=2",
            "other!=2",
            "!other",
            "shard in (1, 2)",
            "shard>0",
            "shard < 2",
            "shard in (,1)",
        ] {
            assert!(selects(text, &labels), "{text}");
        }
        for text in [
            "other",
            "shard=2",
            "shard!=1",
            "!shard",
            "shard notin (1,2)",
            "shard=1,other",
            "shard=",
            "shard>1",
            "other<2",
        ] {
            assert!(!selects(text, &labels), "{text}");
        }
        assert!(selects("example.com/tier in (a,b),shard=1,other notin (x)", &labels));
    }

    #[test]
    fn what_the_api_server_refuses_is_refused() {
        let long = format!("a={}", "x".repeat(64));
        for text in [
            "=1",
            "a b",
            "shard in 1",
            "shard in (1",
            "shard of (1)",
            "!",
            "a=,,",
            ",",
            "a,",
            ",a",
            "a,,b",
            "a in ()",
            "a>x",
            "a=-",
            "-a",
            "a=b=c",
            "a/b/c",
            "/a",
            "A.B/c",
            "a=ü",
            "a in (b))",
            &long,
        ] {
            assert_eq!(text.parse::<LabelSelector>(), Err(NoSelector), "{text}");
        }
    }
}
