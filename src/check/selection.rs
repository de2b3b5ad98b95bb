//! Which resources the operator works on, as the flags that it shares with `check` say.

use std::collections::BTreeMap;

use kube::core::{Expression, ObjectMeta, Selector, SelectorExt};

use super::CheckError;
use crate::app::named;
use crate::cli::CheckArgs;

/// The operator's `--namespaces` and `--selector`.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    /// All where none is named.
    pub(super) namespaces: Vec<String>,
    labels: Selector,
}

impl Selection {
    /// What the flags say.
    ///
    /// # Errors
    /// When the selector cannot be read.
    pub(super) fn of(args: &CheckArgs) -> Result<Self, CheckError> {
        let text = args.selector.as_deref().unwrap_or_default();
        let labels = selector(text).ok_or_else(|| CheckError::Selector(text.to_owned()))?;
        Ok(Self { namespaces: named(&args.namespaces), labels })
    }

    /// Why the operator leaves a resource alone; none where it works on it.
    pub(super) fn excludes(&self, metadata: &ObjectMeta) -> Option<&'static str> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        if !self.namespaces.is_empty() && !self.namespaces.iter().any(|name| name == namespace) {
            return Some("The operator does not work on this resource: its namespace is not one of --namespaces.");
        }
        let is_selected = self.labels.matches(metadata.labels.as_ref().unwrap_or(&NONE));
        (!is_selected).then_some("The operator does not work on this resource: --selector does not select its labels.")
    }
}

/// A label selector in the API server's form, such as `shard=1,tier in (a,b),!legacy`.
fn selector(text: &str) -> Option<Selector> {
    requirements(text).into_iter().filter(|part| !part.is_empty()).map(expression).collect()
}

/// The parts between the commas that are not in brackets.
fn requirements(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let parts = text.split(|letter| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        letter == ',' && depth == 0
    });
    parts.map(str::trim).collect()
}

fn expression(text: &str) -> Option<Expression> {
    if let Some((key, value)) = text.split_once("!=") {
        return Some(Expression::NotEqual(word(key)?, value_of(value)?));
    }
    if let Some((key, value)) = text.split_once('=') {
        return Some(Expression::Equal(word(key)?, value_of(value.strip_prefix('=').unwrap_or(value))?));
    }
    if let Some((head, values)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        let values = values.split(',').map(value_of).collect::<Option<_>>()?;
        return match head.split_whitespace().collect::<Vec<_>>()[..] {
            [key, "in"] => Some(Expression::In(word(key)?, values)),
            [key, "notin"] => Some(Expression::NotIn(word(key)?, values)),
            _ => None,
        };
    }
    match text.strip_prefix('!') {
        Some(key) => word(key).map(Expression::DoesNotExist),
        None => word(text).map(Expression::Exists),
    }
}

fn word(text: &str) -> Option<String> {
    value_of(text).filter(|text| !text.is_empty())
}

fn value_of(text: &str) -> Option<String> {
    let text = text.trim();
    let is_plain = text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_./".contains(letter));
    is_plain.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(text: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        selector(text).unwrap().matches(&labels)
    }

    #[test]
    fn selectors_are_read_as_the_api_server_reads_them() {
        let labels = [("shard", "1"), ("example.com/tier", "a")];
        for text in ["", "shard", "shard=1", "shard == 1", "shard!=2", "other!=2", "!other", "shard in (1, 2)"] {
            assert!(selects(text, &labels), "{text}");
        }
        for text in ["other", "shard=2", "shard!=1", "!shard", "shard notin (1,2)", "shard=1,other", "shard="] {
            assert!(!selects(text, &labels), "{text}");
        }
        assert!(selects("example.com/tier in (a,b),shard=1,other notin (x)", &labels));
        for text in ["=1", "a b", "shard in 1", "shard in (1", "shard of (1)", "shard>1", "!"] {
            assert!(selector(text).is_none(), "{text}");
        }
    }

    #[test]
    fn namespaces_and_labels_must_both_fit() {
        let selection = Selection { namespaces: vec!["a".into()], labels: selector("shard=1").unwrap() };
        let metadata = |namespace: &str, shard: &str| ObjectMeta {
            namespace: Some(namespace.into()),
            labels: Some([("shard".to_owned(), shard.to_owned())].into()),
            ..ObjectMeta::default()
        };
        assert_eq!(selection.excludes(&metadata("a", "1")), None);
        assert!(selection.excludes(&metadata("b", "1")).unwrap().contains("--namespaces"));
        assert!(selection.excludes(&metadata("a", "2")).unwrap().contains("--selector"));
        assert_eq!(Selection::default().excludes(&ObjectMeta::default()), None);
    }
}
