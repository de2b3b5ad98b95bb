//! What the cluster of the current kubeconfig has. Reads only.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, Client};

use super::CheckError;
use crate::apiserver::describe;
use crate::app::for_single_requests;
use crate::controller::inputs::{Fetched, fetch};
use crate::crd::FlowsEncryptionKey as Resource;

/// The cluster.
pub(super) struct Cluster {
    client: Client,
    /// The namespace of the kubeconfig's context.
    pub(super) namespace: String,
}

/// The resources of a cluster, as far as they may be seen.
pub(super) struct Listed {
    pub(super) resources: Vec<Resource>,
    /// Whether those of other namespaces are missing, because they may not be listed.
    pub(super) is_partial: bool,
}

/// Where resources are looked for.
pub(super) struct Scope<'a> {
    /// The namespaces that the operator works in; all where none is named.
    pub(super) of_operator: &'a [String],
    /// The namespace that is asked for.
    pub(super) namespace: &'a str,
    pub(super) selector: Option<&'a str>,
}

impl Cluster {
    /// The cluster that kubectl would talk to.
    ///
    /// # Errors
    /// When there is none.
    pub(super) async fn connect() -> Result<Self, CheckError> {
        let config = kube::Config::infer().await.map_err(CheckError::Kubeconfig)?;
        let namespace = config.default_namespace.clone();
        let client = Client::try_from(for_single_requests(config)).map_err(CheckError::Client)?;
        Ok(Self { client, namespace })
    }

    /// The resources that the operator sees, because any of them may own a number; where not all namespaces may be
    /// listed, those of one.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub(super) async fn resources(&self, scope: &Scope<'_>) -> Result<Listed, CheckError> {
        let mut listed = Listed { resources: Vec::new(), is_partial: false };
        let mut namespaces: BTreeSet<&str> = scope.of_operator.iter().map(String::as_str).collect();
        if namespaces.is_empty() {
            match self.list(None, scope.selector).await {
                Ok(resources) => return Ok(Listed { resources, is_partial: false }),
                Err(CheckError::MayNotList(_)) => listed.is_partial = true,
                Err(error) => return Err(error),
            }
        }
        namespaces.insert(scope.namespace);
        for namespace in namespaces {
            listed.resources.extend(self.list(Some(namespace), scope.selector).await?);
        }
        Ok(listed)
    }

    async fn list(&self, namespace: Option<&str>, selector: Option<&str>) -> Result<Vec<Resource>, CheckError> {
        let api: Api<Resource> = match namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let parameters = selector.map_or_else(ListParams::default, |labels| ListParams::default().labels(labels));
        match api.list(&parameters).await {
            Ok(list) => Ok(list.items),
            Err(kube::Error::Api(status)) if status.code == 404 => Err(CheckError::NotInstalled),
            Err(kube::Error::Api(status)) if status.code == 403 => Err(CheckError::MayNotList(status.message)),
            Err(error) => Err(CheckError::List(describe(&error))),
        }
    }

    /// A Secret, or a sentence on why it is not known whether there is one.
    pub(super) async fn secret(&self, namespace: &str, name: &str) -> Result<Fetched, String> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        match fetch(&api, name.to_owned()).await {
            Ok((_, Fetched::Forbidden)) => {
                Err(format!("You may not read Secret {namespace}/{name} in the cluster, so that it was not checked."))
            }
            Ok((_, fetched)) => Ok(fetched),
            Err(error) => Err(format!("{error}.")),
        }
    }
}
