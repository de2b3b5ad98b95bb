//! Reads Services, EndpointSlices and Pods from the API server. Nothing is watched: a read is made when a probe is due.

use std::fmt;
use std::pin::pin;

use futures::AsyncReadExt;
use k8s_openapi::api::{core::v1 as core, discovery::v1 as discovery};
use kube::api::{GetParams, ListParams, Request};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::objects::{Pod, Service, Slice, SliceList};
use super::refusal::{not_allowed, unreachable};
use crate::apiserver::describe;
use waflows_core::api::conditions::ConditionReason;

/// Limit of an answer. A tenant writes these objects: one may have 1.5 MiB, and a list any number of them.
const MAX_BYTES: u64 = 2 << 20;

/// Limit of EndpointSlices in a list. Kubernetes puts up to 100 pods into one.
const MAX_SLICES: u32 = 50;

/// Limit of answers that are in memory at the same time.
static READING: Semaphore = Semaphore::const_new(4);

/// Label of EndpointSlices with the name of their Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The reasons why an answer is missing.
enum ReadError {
    NotFound,
    Forbidden,
    TooLarge,
    Failed(String),
}

/// What is read, for messages.
struct Question<'a> {
    verb: &'static str,
    kind: &'static str,
    namespace: &'a str,
    /// Empty for a list.
    name: &'a str,
}

/// The Service.
///
/// # Errors
/// If there is no such Service, or the API server does not give it.
pub(super) async fn service(client: &Client, namespace: &str, name: &str) -> Result<Service, ConditionReason> {
    let question = Question { verb: "get", kind: "Service", namespace, name };
    let request = Request::new(core::Service::url_path(&(), Some(namespace))).get(name, &GetParams::default());
    match read(client, request).await {
        Ok(service) => Ok(service),
        Err(ReadError::NotFound) => {
            Err(unreachable(format!("{question} does not exist. Create it, or correct endpoint.service.name.")))
        }
        Err(error) => Err(question.refusal(&error)),
    }
}

/// The EndpointSlices of a Service.
///
/// # Errors
/// If the API server does not give them, or they are larger than the operator reads.
pub(super) async fn slices(client: &Client, namespace: &str, service: &str) -> Result<Vec<Slice>, ConditionReason> {
    let question = Question { verb: "list", kind: "EndpointSlice", namespace, name: "" };
    let of_the_service = ListParams::default().labels(&format!("{SERVICE_NAME}={service}")).limit(MAX_SLICES);
    let request = Request::new(discovery::EndpointSlice::url_path(&(), Some(namespace))).list(&of_the_service);
    let list: SliceList = read(client, request).await.map_err(|error| question.refusal(&error))?;
    if list.metadata.r#continue.is_some_and(|token| !token.is_empty()) {
        return Err(question.refusal(&ReadError::TooLarge));
    }
    Ok(list.items.unwrap_or_default())
}

/// The Pod. None if there is no such Pod.
///
/// # Errors
/// If the API server does not give it.
pub(super) async fn pod(client: &Client, namespace: &str, name: &str) -> Result<Option<Pod>, ConditionReason> {
    let question = Question { verb: "get", kind: "Pod", namespace, name };
    let request = Request::new(core::Pod::url_path(&(), Some(namespace))).get(name, &GetParams::default());
    match read(client, request).await {
        Ok(pod) => Ok(Some(pod)),
        Err(ReadError::NotFound) => Ok(None),
        Err(error) => Err(question.refusal(&error)),
    }
}

async fn read<T: DeserializeOwned>(
    client: &Client,
    request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
) -> Result<T, ReadError> {
    let failed = |error: &dyn fmt::Display| ReadError::Failed(error.to_string());
    let request = request.map_err(|error| failed(&error))?;
    let _turn = READING.acquire().await.map_err(|error| failed(&error))?;
    let answer = pin!(client.request_stream(request).await.map_err(|error| ReadError::of(&error))?);
    let mut bytes = Vec::new();
    answer.take(MAX_BYTES + 1).read_to_end(&mut bytes).await.map_err(|error| failed(&error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ReadError::TooLarge);
    }
    serde_json::from_slice(&bytes).map_err(|error| failed(&error))
}

impl ReadError {
    fn of(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 404 => Self::NotFound,
            kube::Error::Api(status) if status.code == 403 => Self::Forbidden,
            _ => Self::Failed(describe(error)),
        }
    }
}

impl Question<'_> {
    fn refusal(&self, error: &ReadError) -> ConditionReason {
        let Self { verb, kind, namespace, .. } = self;
        match error {
            ReadError::Forbidden => not_allowed(format!(
                "The operator may not {verb} {kind}s in namespace {namespace}. Grant its ServiceAccount {verb} on {kind}s; \
                 the chart does so with endpointProbes.enabled."
            )),
            ReadError::TooLarge => not_allowed(format!(
                "{self}: larger than the operator reads ({} MiB, and {MAX_SLICES} EndpointSlices of a Service). Make the \
                 objects smaller, or set endpoint.url instead of endpoint.service.",
                MAX_BYTES >> 20
            )),
            ReadError::NotFound => unreachable(format!("{self}: the API server does not know such objects.")),
            ReadError::Failed(error) => {
                tracing::warn!(%error, "cannot {verb} {self}");
                unreachable(format!("The API server did not answer about {self}. The operator asks again."))
            }
        }
    }
}

impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name, .. } = self;
        if name.is_empty() {
            write!(f, "{kind}s in namespace {namespace}")
        } else {
            write!(f, "{kind} {namespace}/{name}")
        }
    }
}
