//! `check`: what the operator would do, and what is wrong, said beforehand.
//!
//! [`manifests`] and [`cluster`] gather what there is, [`schema`] says what the API server would refuse, [`examine`]
//! takes each resource through the first steps of the operator's own round, [`assess`] says what they mean, [`report`]
//! prints it. Nothing is written anywhere: Meta is asked through a [`graph::Reader`], which cannot upload.

mod assess;
mod cluster;
mod examine;
mod manifests;
pub mod report;
pub mod schema;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::app::{StartError, graph_client};
use crate::cli::CheckArgs;
use crate::controller::index::ObjectKey;
use crate::crd::FlowsEncryptionKey;
use crate::graph;
use crate::printout::Printout;
use cluster::{Cluster, Listed, Scope};
use examine::{Scene, Secrets, Subject, examine};
use manifests::Manifests;
use report::{Problem, Report};

const DEFAULT_NAMESPACE: &str = "default";
const WAIT_SCALE: f64 = 1.0;

/// Why nothing could be told.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A manifest cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The Graph client cannot be set up.
    #[error(transparent)]
    Graph(#[from] StartError),
    /// There is no cluster to look into.
    #[error("no cluster to look into: set KUBECONFIG, or give manifests with -f ({0})")]
    Kubeconfig(#[source] kube::config::InferConfigError),
    /// The Kubernetes client cannot be set up.
    #[error("the Kubernetes client could not be set up: {0}")]
    Client(#[source] kube::Error),
    /// The definition is missing.
    #[error("the cluster knows no FlowsEncryptionKeys: waflows-operator crd | kubectl apply --server-side -f -")]
    NotInstalled,
    /// The resources may not be listed.
    #[error("{0}")]
    MayNotList(String),
    /// The resources cannot be listed.
    #[error("listing FlowsEncryptionKeys: {0}")]
    List(String),
    /// A resource that was named does not exist.
    #[error("there is no FlowsEncryptionKey {0} in the cluster")]
    NotFound(ObjectKey),
    /// Nothing in the manifests is to be checked.
    #[error("there is no FlowsEncryptionKey in {0}")]
    NothingGiven(String),
    /// The JSON cannot be written. Never in practice.
    #[error("writing JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Checks what the flags name.
///
/// # Errors
/// When nothing could be told, for want of a file, a cluster or a resource.
pub async fn run(args: &CheckArgs) -> Result<Printout, CheckError> {
    let graph = if args.offline { None } else { Some(graph_client(&args.graph, WAIT_SCALE, Arc::default())?.reader()) };
    let (scene, problems) =
        if args.filenames.is_empty() { from_cluster(args).await? } else { from_manifests(args).await? };
    let report = report(&scene, problems, graph.as_ref()).await;
    Ok(report.printout(args.output)?)
}

async fn report(scene: &Scene, mut problems: Vec<Problem>, graph: Option<&graph::Reader>) -> Report {
    let examined = examine(scene, graph).await;
    problems.extend(examined.problems);
    Report::new(examined.resources, problems)
}

async fn from_manifests(args: &CheckArgs) -> Result<(Scene, Vec<Problem>), CheckError> {
    let cluster = if args.cluster { Some(Cluster::connect().await?) } else { None };
    let default = cluster.as_ref().map_or(DEFAULT_NAMESPACE, |cluster| &cluster.namespace);
    let namespace = args.namespace.as_deref().unwrap_or(default);
    let manifests = Manifests::read(&args.filenames, namespace)?;
    if manifests.resources.is_empty() && manifests.problems.is_empty() {
        let names: Vec<_> = args.filenames.iter().map(|path| path.display().to_string()).collect();
        return Err(CheckError::NothingGiven(names.join(", ")));
    }
    let mut live = match &cluster {
        None => Vec::new(),
        // The definition may be about to be installed along with the resources.
        Some(cluster) => match cluster.resources(&scope(args, namespace)).await {
            Err(CheckError::NotInstalled) => Vec::new(),
            listed => noted(listed?),
        },
    };
    let mut subjects = Vec::new();
    for (origin, resource) in manifests.resources {
        let same = live.iter().position(|other| ObjectKey::of(&other.metadata) == ObjectKey::of(&resource.metadata));
        let resource = match same.map(|position| live.swap_remove(position)) {
            Some(other) => applied(resource, other),
            None => resource,
        };
        subjects.push(Subject { origin, resource: Arc::new(resource) });
    }
    let secrets = Secrets { manifests: manifests.secrets, cluster };
    let scene = Scene { subjects, others: live, secrets, allow_missing_secrets: args.allow_missing_secrets };
    Ok((scene, manifests.problems))
}

fn scope<'a>(args: &'a CheckArgs, namespace: &'a str) -> Scope<'a> {
    Scope { of_operator: &args.namespaces, namespace, selector: args.selector.as_deref() }
}

/// The resource in the cluster after the manifest was applied to it.
fn applied(manifest: FlowsEncryptionKey, live: FlowsEncryptionKey) -> FlowsEncryptionKey {
    let mut metadata = live.metadata;
    if manifest.spec != live.spec {
        metadata.generation = metadata.generation.map(|generation| generation + 1);
    }
    metadata.annotations.get_or_insert_default().extend(manifest.metadata.annotations.unwrap_or_default());
    FlowsEncryptionKey { metadata, spec: manifest.spec, status: live.status }
}

async fn from_cluster(args: &CheckArgs) -> Result<(Scene, Vec<Problem>), CheckError> {
    let cluster = Cluster::connect().await?;
    let namespace = args.namespace.clone().unwrap_or_else(|| cluster.namespace.clone());
    let mut live = noted(cluster.resources(&scope(args, &namespace)).await?);
    live.sort_by_key(|resource| ObjectKey::of(&resource.metadata));
    for name in &args.names {
        let key = ObjectKey::new(&namespace, name);
        if !live.iter().any(|resource| ObjectKey::of(&resource.metadata) == key) {
            return Err(CheckError::NotFound(key));
        }
    }
    let is_meant = |resource: &FlowsEncryptionKey| {
        let key = ObjectKey::of(&resource.metadata);
        let is_named = args.names.is_empty() || args.names.iter().any(|name| **name == *key.name);
        (args.all_namespaces || *key.namespace == *namespace) && is_named
    };
    let (subjects, others): (Vec<_>, Vec<_>) = live.into_iter().partition(is_meant);
    let subject = |resource| Subject { origin: "cluster".to_owned(), resource: Arc::new(resource) };
    let subjects = subjects.into_iter().map(subject).collect();
    let secrets = Secrets { manifests: std::collections::HashMap::new(), cluster: Some(cluster) };
    Ok((Scene { subjects, others, secrets, allow_missing_secrets: args.allow_missing_secrets }, Vec::new()))
}

/// The resources that are not being deleted, of which the operator lets go.
fn noted(listed: Listed) -> Vec<FlowsEncryptionKey> {
    if listed.is_partial {
        eprintln!(
            "waflows-operator: you may not list FlowsEncryptionKeys of all namespaces; owners of numbers elsewhere are not seen"
        );
    }
    listed.resources.into_iter().filter(|resource| resource.metadata.deletion_timestamp.is_none()).collect()
}
