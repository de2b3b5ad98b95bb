//! Reads resources and Secrets from the cluster of the kubeconfig, and has the API server try manifests. Writes nothing.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client};
use waflows_core::api::crd::FlowsEncryptionKey as Resource;
use waflows_core::store::object_key::ObjectKey;

use super::error::CheckError;
use super::report::Problem;
use crate::apiserver::describe;
use crate::cli::ClusterArgs;
use crate::controller::secrets::{Fetched, fetch};
use crate::verbs::connection::{ConnectError, Connection};

/// The field manager of the dry run. As nothing is stored, it owns nothing.
const FIELD_MANAGER: &str = "waflows-check";
/// Manifests that are tried at the same time.
const PARALLEL: usize = 4;

/// A client of the cluster.
pub(super) struct Cluster {
    client: Client,
    /// The namespace of the kubeconfig's context.
    pub(super) namespace: String,
}

/// The resources of a cluster that the user may list.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) resources: Vec<Resource>,
    /// The reasons for missing resources, one for each scope that the user may not list.
    pub(super) unseen: Vec<String>,
}

impl Cluster {
    /// Connects to the cluster that kubectl would use.
    ///
    /// # Errors
    /// If no cluster is configured.
    pub(super) async fn connect(args: &ClusterArgs) -> Result<Self, CheckError> {
        let connection = Connection::open(args).await.map_err(|error| match error {
            ConnectError::NoCluster(error) => CheckError::Kubeconfig(error),
            error => CheckError::Connect(error),
        })?;
        Ok(Self { client: connection.client, namespace: connection.namespace })
    }

    /// Lists the resources in the operator's namespaces, because any of them may own a number, and in the namespaces to
    /// check. The namespaces to check must be listable; None stands for all namespaces.
    ///
    /// # Errors
    /// If the resources to check cannot be listed.
    pub(super) async fn resources(
        &self,
        of_operator: &[String],
        meant: Option<&BTreeSet<String>>,
    ) -> Result<Listed, CheckError> {
        let mut listed = Listed::default();
        if of_operator.is_empty() {
            match self.list(None).await {
                Ok(resources) => return Ok(Listed { resources, ..listed }),
                Err(CheckError::MayNotList(why)) if meant.is_some() => listed.unseen.push(why),
                Err(CheckError::MayNotList(why)) => return Err(CheckError::MayNotListAll(why)),
                Err(error) => return Err(error),
            }
        }
        let namespaces: BTreeSet<_> = of_operator.iter().chain(meant.into_iter().flatten()).collect();
        for namespace in namespaces {
            match self.list(Some(namespace)).await {
                Ok(resources) => listed.resources.extend(resources),
                Err(CheckError::MayNotList(why)) if meant.is_some_and(|meant| !meant.contains(namespace)) => {
                    listed.unseen.push(why);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(listed)
    }

    async fn list(&self, namespace: Option<&str>) -> Result<Vec<Resource>, CheckError> {
        let api: Api<Resource> = match namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        match api.list(&ListParams::default()).await {
            Ok(list) => Ok(list.items),
            Err(kube::Error::Api(status)) if status.code == 404 => Err(CheckError::NotInstalled),
            Err(kube::Error::Api(status)) if status.code == 403 => Err(CheckError::MayNotList(status.message)),
            Err(error) => Err(CheckError::List(describe(&error))),
        }
    }

    /// Reads a Secret. The error is a sentence that says why it is unknown whether the Secret exists.
    pub(super) async fn secret(&self, namespace: &str, name: &str) -> Result<Fetched, String> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        match fetch(&api, name).await {
            Ok(Fetched::Forbidden) => {
                Err(format!("You may not read Secret {namespace}/{name} in the cluster, so that it was not checked."))
            }
            Ok(fetched) => Ok(fetched),
            Err(error) => Err(format!("{error}.")),
        }
    }

    /// Has the API server try every manifest, without storing it. Returns what it refuses, with the admission policies of
    /// the cluster. What could not be tried is reported, and is no problem: the definition or the namespace may be installed
    /// together with the resources.
    pub(super) async fn try_all(&self, resources: &[(String, Resource)]) -> Vec<Problem> {
        let tries = resources.iter().map(|(origin, resource)| async move {
            let key = ObjectKey::of(&resource.metadata);
            let api: Api<Resource> = Api::namespaced(self.client.clone(), &key.namespace);
            let params = PatchParams::apply(FIELD_MANAGER).dry_run().force();
            let answer = api.patch(&key.name, &params, &Patch::Apply(resource)).await;
            let (message, is_refused) = refusal(&answer.err()?)?;
            if is_refused {
                return Some(Problem::of_resource(&key, origin.clone(), "", message));
            }
            eprintln!("waflows-operator: {key} was not tried on the API server: {message}");
            None
        });
        futures::stream::iter(tries).buffered(PARALLEL).filter_map(|problem| async { problem }).collect().await
    }
}

/// What the API server says of a dry run, and whether it would refuse the resource. None where it could not look.
fn refusal(error: &kube::Error) -> Option<(String, bool)> {
    let kube::Error::Api(status) = error else { return Some((describe(error), false)) };
    let is_admission = status.message.contains("admission webhook") || status.message.contains("denied request");
    match status.code {
        // The definition or the namespace is missing.
        404 => None,
        403 if !is_admission => Some((status.message.clone(), false)),
        400..500 => Some((format!("the API server refuses it: {}", status.message), true)),
        _ => Some((status.message.clone(), false)),
    }
}
