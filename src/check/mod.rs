//! The subcommand `check`: says what the operator would do and what is wrong, without changing anything.
//!
//! [`manifests`] (with [`yaml`]) and [`cluster`] read the resources, [`schema`] validates them like the API server,
//! [`examine`] runs the first steps of the operator's own reconcile while [`progress`] shows the progress, [`assess`]
//! computes the verdicts, [`report`], [`table`] and [`github`] print them. [`selection`] decides which resources the operator
//! selects. Nothing is written: the calls to Meta go through a [`graph::Reader`], which cannot upload.

mod assess;
mod cluster;
mod error;
mod examine;
mod github;
mod manifests;
mod progress;
pub mod report;
pub mod schema;
mod selection;
mod table;
mod yaml;

use std::collections::{BTreeSet, HashMap};
use std::io::{self, IsTerminal};
use std::sync::Arc;

use cluster::{Cluster, Listed};
pub use error::CheckError;
use examine::{CheckInput, Secrets, Subject, examine};
use manifests::Manifests;
use progress::Progress;
use report::{Problem, Report, ResourceReport};
use selection::{Filter, Selection};
use table::table;
use waflows_core::api::crd::FlowsEncryptionKey;
use waflows_core::store::object_key::ObjectKey;

use crate::app::graph_reader;
use crate::cli::{CheckArgs, CheckFormat};
use crate::command_output::CommandOutput;
use crate::graph;

/// The origin of resources from the cluster, in the report.
const CLUSTER: &str = "cluster";
const DEFAULT_NAMESPACE: &str = "default";

/// The input of `check`, and the findings before the examination.
struct Given {
    input: CheckInput,
    /// Resources that the operator never works on.
    unselected: Vec<ResourceReport>,
    problems: Vec<Problem>,
}

/// Checks the resources that the flags name.
///
/// # Errors
/// If there is no verdict at all, because a file, a cluster or a resource is missing.
pub async fn run(args: &CheckArgs) -> Result<CommandOutput, CheckError> {
    let graph = if args.offline { None } else { Some(graph_reader(&args.graph)?) };
    let selection = Selection::of(args)?;
    let given = if args.filenames.is_empty() {
        from_cluster(args, &selection).await?
    } else {
        from_manifests(args, &selection).await?
    };
    let report = report(given, graph.as_ref()).await;
    let exit_code = if args.detailed_exitcode { report.detailed_exit_code() } else { report.outcome.exit_code() };
    Ok(CommandOutput { text: text(&report, args.output)?, exit_code })
}

/// The printed report.
///
/// # Errors
/// Never in practice: the JSON contains only plain strings.
fn text(report: &Report, format: CheckFormat) -> Result<String, serde_json::Error> {
    Ok(match format {
        CheckFormat::Table => table(report),
        CheckFormat::Json => serde_json::to_string_pretty(report)? + "\n",
        CheckFormat::Github => github::annotations(report) + &table(report),
    })
}

async fn report(given: Given, graph: Option<&graph::Reader>) -> Report {
    let progress = Progress::on_stderr(io::stderr().is_terminal());
    let mut examined = examine(&given.input, graph, &progress).await;
    examined.resources.extend(given.unselected);
    Report::new(examined.resources, [given.problems, examined.problems].concat())
}

async fn from_manifests(args: &CheckArgs, selection: &Selection) -> Result<Given, CheckError> {
    let cluster = if args.cluster { Some(Cluster::connect(&args.place).await?) } else { None };
    let default = cluster.as_ref().map_or(DEFAULT_NAMESPACE, |cluster| &cluster.namespace);
    let mut manifests = Manifests::read(&args.filenames, args.namespace.as_deref().unwrap_or(default))?;
    let filter = Filter::of(args);
    manifests.resources.retain(|(_, resource)| filter.passes(&resource.metadata));
    if let Some(cluster) = &cluster {
        manifests.problems.extend(cluster.try_all(&manifests.resources).await);
    }
    if manifests.resources.is_empty() && manifests.problems.is_empty() {
        let names: Vec<_> = args.filenames.iter().map(|path| path.display().to_string()).collect();
        return Err(CheckError::NothingGiven(names.join(", ")));
    }
    let mut live = match &cluster {
        None => Vec::new(),
        Some(cluster) => {
            let namespaces = manifests.resources.iter().filter_map(|(_, resource)| resource.metadata.namespace.clone());
            // The definition may be installed together with the resources.
            match cluster.resources(&selection.namespaces, Some(&namespaces.collect())).await {
                Err(CheckError::NotInstalled) => Vec::new(),
                listed => noted(listed?),
            }
        }
    };
    let (mut subjects, mut unselected) = (Vec::new(), Vec::new());
    for (origin, resource) in manifests.resources {
        let same = live.iter().position(|other| ObjectKey::of(&other.metadata) == ObjectKey::of(&resource.metadata));
        let resource = match same.map(|position| live.swap_remove(position)) {
            Some(other) => applied(resource, other),
            None => resource,
        };
        match selection.excludes(&resource.metadata) {
            Some(why) => unselected.push(ResourceReport::unselected(&resource, origin, why)),
            None => subjects.push(Subject { origin, resource: Arc::new(resource) }),
        }
    }
    live.retain(|other| selection.excludes(&other.metadata).is_none());
    let secrets = Secrets { manifests: manifests.secrets, cluster };
    let input = CheckInput { subjects, others: live, secrets, allow_missing_secrets: args.allow_missing_secrets };
    Ok(Given { input, unselected, problems: manifests.problems })
}

/// The resource as it would be in the cluster after the manifest was applied.
fn applied(manifest: FlowsEncryptionKey, live: FlowsEncryptionKey) -> FlowsEncryptionKey {
    let mut metadata = live.metadata;
    if manifest.spec != live.spec {
        metadata.generation = metadata.generation.map(|generation| generation + 1);
    }
    metadata.labels.get_or_insert_default().extend(manifest.metadata.labels.unwrap_or_default());
    metadata.annotations.get_or_insert_default().extend(manifest.metadata.annotations.unwrap_or_default());
    FlowsEncryptionKey { metadata, spec: manifest.spec, status: live.status }
}

async fn from_cluster(args: &CheckArgs, selection: &Selection) -> Result<Given, CheckError> {
    let cluster = Cluster::connect(&args.place).await?;
    let namespace = args.namespace.clone().unwrap_or_else(|| cluster.namespace.clone());
    let meant = (!args.all_namespaces).then(|| BTreeSet::from([namespace.clone()]));
    let mut live = noted(cluster.resources(&selection.namespaces, meant.as_ref()).await?);
    live.sort_by_key(|resource| ObjectKey::of(&resource.metadata));
    for name in &args.names {
        let key = ObjectKey::new(&namespace, name);
        if !live.iter().any(|resource| ObjectKey::of(&resource.metadata) == key) {
            return Err(CheckError::NotFound(key));
        }
    }
    let filter = Filter::of(args);
    let (mut subjects, mut others, mut unselected) = (Vec::new(), Vec::new(), Vec::new());
    for resource in live {
        let key = ObjectKey::of(&resource.metadata);
        let is_named = args.names.iter().any(|name| **name == *key.name) && *key.namespace == *namespace;
        let is_in_place = args.all_namespaces || (*key.namespace == *namespace && args.names.is_empty());
        let is_meant = is_named || (is_in_place && filter.passes(&resource.metadata));
        match selection.excludes(&resource.metadata) {
            Some(why) if is_named => unselected.push(ResourceReport::unselected(&resource, CLUSTER.to_owned(), why)),
            Some(_) => {}
            None if is_meant => subjects.push(Subject { origin: CLUSTER.to_owned(), resource: Arc::new(resource) }),
            None => others.push(resource),
        }
    }
    if subjects.is_empty() && unselected.is_empty() {
        let place = if args.all_namespaces { "the cluster".to_owned() } else { format!("namespace {namespace}") };
        return Err(CheckError::NothingGiven(place));
    }
    let secrets = Secrets { manifests: HashMap::new(), cluster: Some(cluster) };
    let input = CheckInput { subjects, others, secrets, allow_missing_secrets: args.allow_missing_secrets };
    Ok(Given { input, unselected, problems: Vec::new() })
}

/// The resources without those that are being deleted, because the operator ignores them.
fn noted(listed: Listed) -> Vec<FlowsEncryptionKey> {
    for why in listed.unseen {
        eprintln!("waflows-operator: owners of numbers elsewhere are not seen: {why}");
    }
    listed.resources.into_iter().filter(|resource| resource.metadata.deletion_timestamp.is_none()).collect()
}
