//! Which namespaces and resources the flags of `run` choose.

use crate::cli::RunArgs;
use crate::controller::watch::{Scope, WatchScopes};

/// What the operator watches: one pair of watches for each namespace.
pub(crate) fn watched(args: &RunArgs) -> WatchScopes {
    let scope = |(watch, namespace)| Scope { watch, namespace, selector: args.selector.clone() };
    let scopes = namespaces(args).into_iter().enumerate().map(scope).collect();
    WatchScopes { scopes, namespace_selector: namespace_selector(args) }
}

/// The namespaces to watch, without duplicates. A single None stands for all namespaces.
pub(crate) fn namespaces(args: &RunArgs) -> Vec<Option<String>> {
    let names = named(&args.namespaces);
    if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() }
}

/// The label selector of namespaces. Ignores an empty one, because an environment variable may be set and empty.
pub(crate) fn namespace_selector(args: &RunArgs) -> Option<String> {
    args.namespace_selector.clone().filter(|selector| !selector.trim().is_empty())
}

/// The namespaces in a flag, without duplicates. Ignores empty names, because an environment variable may be set and
/// empty.
pub(crate) fn named(namespaces: &[String]) -> Vec<String> {
    let mut names: Vec<_> = namespaces.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(str::to_owned).collect()
}
