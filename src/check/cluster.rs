//! Reads resources and Secrets from the cluster of the current kubeconfig. Read-only.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, Client};
use waflows_core::api::crd::FlowsEncryptionKey as Resource;

use super::error::CheckError;
use crate::apiserver::{self, describe};
use crate::app::for_single_requests;
use crate::controller::secrets::{Fetched, fetch};

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
    pub(super) async fn connect() -> Result<Self, CheckError> {
        let config = kube::Config::infer().await.map_err(CheckError::Kubeconfig)?;
        let namespace = config.default_namespace.clone();
        let client = apiserver::client(for_single_requests(config)).map_err(CheckError::Client)?;
        Ok(Self { client, namespace })
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
}
