//! The endpoint of a resource in the cluster, asked with the rights of the kubeconfig.

use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use waflows_core::api::crd::{Endpoint, FlowsEncryptionKey};
use waflows_key::{Fingerprint, PublicKey};
use waflows_probe::{AskWith, SigningSecret};

use super::error::PingError;
use super::input::Input;
use crate::apiserver::describe;
use crate::cli::PingArgs;
use crate::endpoint::client::{ProbeClient, Reply};
use crate::endpoint::inquiry::{authorities, signing_secret};
use crate::endpoint::policy::Policy;
use crate::endpoint::target::Target;
use crate::endpoint::targets::targets;
use crate::verbs::connection::Connection;

/// What the targets of a resource answered.
pub(super) struct Asked {
    /// Fingerprint of the key. None for a key that nobody has.
    pub(super) key: Option<Fingerprint>,
    /// Whether the requests were signed.
    pub(super) is_signed: bool,
    pub(super) replies: Vec<(String, Reply)>,
}

/// Asks all targets of the endpoint of a resource. Without a key on the command line, the question is about the public key
/// in the status of the resource.
///
/// # Errors
/// If the resource, its endpoint or its Secrets cannot be read, or if no request may be sent.
pub(super) async fn ask(args: &PingArgs, name: &str, input: Input) -> Result<Asked, PingError> {
    let Connection { client, namespace, .. } = Connection::open(&args.cluster).await?;
    let namespace = args.namespace.clone().unwrap_or(namespace);
    let resource = read(&client, &namespace, name).await?;
    let endpoint =
        resource.spec.endpoint.as_ref().ok_or_else(|| PingError::NoEndpoint(format!("{namespace}/{name}")))?;
    let policy = everything_in(endpoint, args.endpoint_allow_loopback);
    let targets =
        targets(&client, &policy, &namespace, endpoint).await.map_err(|why| PingError::NoTarget(why.message))?;
    if targets.is_empty() {
        return Err(PingError::NoTarget("the Service of the endpoint has no ready pod".to_owned()));
    }
    let api: Api<Secret> = Api::namespaced(client, &namespace);
    let secret = match (input.app_secret, resource.spec.endpoint_app_secret_ref()) {
        (Some(secret), _) => Some(secret),
        (None, Some(reference)) => {
            Some(signing_secret(&api, reference).await.map_err(|why| PingError::Secret(why.message))?)
        }
        (None, None) => None,
    };
    let roots = match &endpoint.ca_secret_ref {
        Some(reference) => authorities(&api, reference).await.map_err(|why| PingError::Secret(why.message))?,
        None => input.roots,
    };
    let key = match (args.unknown_key, input.key) {
        (true, _) => None,
        (false, Some(key)) => Some(key),
        (false, None) => Some(key_of(&resource, &namespace, name)?),
    };
    let asking = targets.iter().map(|target| ask_target(target, &roots, secret.as_ref(), key.as_ref()));
    let replies = join_all(asking).await.into_iter().collect::<Result<_, _>>()?;
    Ok(Asked { key: key.map(|key| *key.fingerprint()), is_signed: secret.is_some(), replies })
}

async fn read(client: &Client, namespace: &str, name: &str) -> Result<FlowsEncryptionKey, PingError> {
    let api: Api<FlowsEncryptionKey> = Api::namespaced(client.clone(), namespace);
    match api.get_opt(name).await {
        Ok(Some(resource)) => Ok(resource),
        Ok(None) => Err(PingError::NoResource(format!("{namespace}/{name}"))),
        Err(error) => Err(PingError::Cluster(describe(&error).to_string())),
    }
}

/// `ping` has the reach of whoever runs it, so that no flag of the operator counts.
fn everything_in(endpoint: &Endpoint, loopback: bool) -> Policy {
    let host = endpoint.url.as_deref().and_then(|url| reqwest::Url::parse(url).ok());
    let allowed_hosts = host.and_then(|url| url.host_str().map(str::to_owned)).into_iter().collect();
    Policy { services: true, allowed_hosts, private_addresses: true, host_network: true, loopback }
}

/// The key that the operator keeps on the numbers.
fn key_of(resource: &FlowsEncryptionKey, namespace: &str, name: &str) -> Result<PublicKey, PingError> {
    let stored = resource.status.as_ref().and_then(|status| status.public_key.as_deref());
    let key = stored.and_then(|pem| PublicKey::from_public_key(pem).ok());
    key.ok_or_else(|| PingError::NoKey(format!("{namespace}/{name}")))
}

async fn ask_target(
    target: &Target,
    roots: &[reqwest::Certificate],
    secret: Option<&SigningSecret>,
    key: Option<&PublicKey>,
) -> Result<(String, Reply), PingError> {
    let client = ProbeClient::pinned(target, roots.to_vec()).map_err(|error| PingError::NoTarget(error.to_string()))?;
    let key = key.map_or(AskWith::UnknownKey, AskWith::Key);
    Ok((target.name.clone(), client.ask(&target.url, key, secret).await?))
}
