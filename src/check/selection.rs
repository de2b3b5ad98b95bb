//! The resources that the operator selects, according to the flags that it shares with `check`.

use std::collections::BTreeMap;

use kube::core::ObjectMeta;

use super::error::CheckError;
use crate::cli::CheckArgs;
use crate::scopes::named;
use crate::selector::LabelSelector;

/// The operator's `--namespaces` and `--selector`.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    /// The watched namespaces. Empty for all.
    pub(super) namespaces: Vec<String>,
    labels: LabelSelector,
}

impl Selection {
    /// Parses the flags. Those with their old names still count.
    ///
    /// # Errors
    /// If the selector is invalid.
    pub(super) fn of(args: &CheckArgs) -> Result<Self, CheckError> {
        let text = args.old_selector.as_ref().or(args.operator_selector.as_ref()).map_or("", String::as_str);
        let labels = text.parse().map_err(|_| CheckError::Selector(text.to_owned()))?;
        let namespaces = if args.old_namespaces.is_empty() { &args.operator_namespaces } else { &args.old_namespaces };
        for (is_given, old, new) in [
            (!args.old_namespaces.is_empty(), "--namespaces", "--operator-namespaces"),
            (args.old_selector.is_some(), "--selector", "--operator-selector"),
        ] {
            if is_given {
                eprintln!("waflows-operator: note: {old} is called {new} now; the old name still works");
            }
        }
        Ok(Self { namespaces: named(namespaces), labels })
    }

    /// The reason why the operator does not select the resource. None if it does.
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

/// The resources that are checked, according to `-l`.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter(LabelSelector);

impl Filter {
    /// Parses the flag, which the command line has checked.
    pub(super) fn of(args: &CheckArgs) -> Self {
        Self(args.labels.as_deref().and_then(|text| text.parse().ok()).unwrap_or_default())
    }

    /// Whether the resource is to be checked.
    pub(super) fn passes(&self, metadata: &ObjectMeta) -> bool {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.0.matches(metadata.labels.as_ref().unwrap_or(&NONE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_and_labels_must_both_fit() {
        let selection = Selection { namespaces: vec!["a".into()], labels: "shard=1".parse().unwrap() };
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
