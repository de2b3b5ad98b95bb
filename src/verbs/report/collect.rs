//! Reads what a bug report needs. What cannot be read is listed with the reason, and the rest is read all the same.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, LogParams};
use kube::core::{ApiResource, DynamicObject, NamespaceResourceScope};
use kube::{Api, Client, Resource};
use serde_json::Value;
use waflows_core::api::crd::FlowsEncryptionKey;

use super::super::connection::Connection;
use super::super::error::{Doing, VerbError};
use super::super::operator::LABEL;
use super::super::version::Versions;
use super::redact;
use crate::apiserver::describe;

/// Objects of one answer.
const PAGE: u32 = 250;
/// Lines of each log, from the end.
const LOG_LINES: i64 = 20_000;

/// The contents of the archive.
#[derive(Default)]
pub(super) struct Collected {
    /// Name and text of each file.
    pub(super) files: Vec<(String, String)>,
    /// What could not be read, and why.
    pub(super) unread: Vec<String>,
}

/// Reads everything, from one namespace or from all that the user may see.
pub(super) async fn collect(connection: &Connection, namespace: Option<&str>) -> Result<Collected, VerbError> {
    let client = &connection.client;
    let mut collected = Collected::default();
    let resources = match (namespace, list::<FlowsEncryptionKey>(client, namespace, &ListParams::default()).await) {
        (_, Ok(resources)) => resources,
        (None, Err(kube::Error::Api(status))) if status.code == 403 => {
            collected.unread.push(format!("FlowsEncryptionKeys of other namespaces: {}", status.message));
            let own = list::<FlowsEncryptionKey>(client, Some(&connection.namespace), &ListParams::default()).await;
            own.map_err(|error| Doing::Read.failed(&error))?
        }
        (_, Err(error)) => return Err(Doing::Read.failed(&error)),
    };
    let versions = Versions::of(client).await;
    collected.files.push(("versions.json".to_owned(), redact::text(&serde_json::to_string_pretty(&versions)?)));
    let namespaces: BTreeSet<String> = resources.iter().filter_map(|it| it.metadata.namespace.clone()).collect();
    let referred = referred_secrets(&resources);
    collected.add("resources", resources)?;
    let about_resources = ListParams::default().fields("regarding.kind=FlowsEncryptionKey");
    for namespace in &namespaces {
        let events = list::<Event>(client, Some(namespace), &about_resources).await;
        collected.add_or_say(&format!("events of namespace {namespace}"), "events", events)?;
        collected.secrets(client, namespace, &referred).await;
    }
    collected.operators(client, namespace).await?;
    Ok(collected)
}

/// All objects of a kind.
async fn list<K>(client: &Client, namespace: Option<&str>, params: &ListParams) -> kube::Result<Vec<DynamicObject>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let kind = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind),
        None => Api::all_with(client.clone(), &kind),
    };
    let mut page = params.clone().limit(PAGE);
    let mut objects = Vec::new();
    loop {
        let list = api.list(&page).await?;
        objects.extend(list.items);
        page.continue_token = list.metadata.continue_.filter(|token| !token.is_empty());
        if page.continue_token.is_none() {
            return Ok(objects);
        }
    }
}

/// Namespace and name of every Secret that a resource refers to.
fn referred_secrets(resources: &[DynamicObject]) -> BTreeSet<(String, String)> {
    fn names(value: &Value, found: &mut Vec<String>) {
        let Value::Object(members) = value else { return };
        for (field, value) in members {
            match value.get("name").and_then(Value::as_str).filter(|_| field.to_lowercase().ends_with("secretref")) {
                Some(name) => found.push(name.to_owned()),
                None => names(value, found),
            }
        }
    }
    let of = |resource: &DynamicObject| {
        let mut found = Vec::new();
        names(&resource.data["spec"], &mut found);
        let namespace = resource.metadata.namespace.clone().unwrap_or_default();
        found.into_iter().map(move |name| (namespace.clone(), name)).collect::<Vec<_>>()
    };
    resources.iter().flat_map(of).collect()
}

impl Collected {
    /// One file for each object.
    fn add(&mut self, folder: &str, objects: Vec<DynamicObject>) -> Result<(), VerbError> {
        for object in objects {
            let namespace = object.metadata.namespace.clone().unwrap_or_default();
            let name = object.metadata.name.clone().unwrap_or_default();
            let mut value = serde_json::to_value(object)?;
            redact::object(&mut value);
            self.files.push((format!("{folder}/{namespace}/{name}.yaml"), serde_saphyr::to_string(&value)?));
        }
        Ok(())
    }

    fn add_or_say(
        &mut self,
        what: &str,
        folder: &str,
        found: kube::Result<Vec<DynamicObject>>,
    ) -> Result<(), VerbError> {
        match found {
            Ok(objects) => self.add(folder, objects),
            Err(error) => {
                self.unread.push(format!("{what}: {}", describe(&error)));
                Ok(())
            }
        }
    }

    /// Whether the Secrets exist: from their metadata alone.
    async fn secrets(&mut self, client: &Client, namespace: &str, referred: &BTreeSet<(String, String)>) {
        let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let mut lines = String::new();
        for (_, name) in referred.iter().filter(|(of, _)| of == namespace) {
            match api.get_metadata_opt(name).await {
                Ok(Some(found)) => {
                    let version = found.metadata.resource_version.unwrap_or_default();
                    lines += &format!("exists   {namespace}/{name}, resource version {version}\n");
                }
                Ok(None) => lines += &format!("missing  {namespace}/{name}\n"),
                Err(error) => self.unread.push(format!("Secret {namespace}/{name}: {}", describe(&error))),
            }
        }
        if !lines.is_empty() {
            self.files.push((format!("secrets/{namespace}.txt"), redact::text(&lines)));
        }
    }

    /// Deployments, pods, logs and Leases of the operators.
    async fn operators(&mut self, client: &Client, namespace: Option<&str>) -> Result<(), VerbError> {
        let labelled = ListParams::default().labels(LABEL);
        let deployments = list::<Deployment>(client, None, &labelled).await;
        let places: BTreeSet<String> = match &deployments {
            Ok(found) => found.iter().filter_map(|it| it.metadata.namespace.clone()).collect(),
            Err(_) => namespace.map(str::to_owned).into_iter().collect(),
        };
        self.add_or_say("Deployments of operators", "operator/deployments", deployments)?;
        for place in places {
            let leases = list::<Lease>(client, Some(&place), &ListParams::default()).await;
            self.add_or_say(&format!("Leases of namespace {place}"), "operator/leases", leases)?;
            let pods = list::<Pod>(client, Some(&place), &labelled).await;
            for pod in pods.iter().flatten() {
                self.log(client, &place, pod.metadata.name.as_deref().unwrap_or_default()).await;
            }
            self.add_or_say(&format!("pods of the operator in namespace {place}"), "operator/pods", pods)?;
        }
        Ok(())
    }

    async fn log(&mut self, client: &Client, namespace: &str, pod: &str) {
        let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let params = LogParams { tail_lines: Some(LOG_LINES), timestamps: true, ..LogParams::default() };
        match api.logs(pod, &params).await {
            Ok(log) => self.files.push((format!("operator/logs/{namespace}/{pod}.log"), redact::text(&log))),
            Err(error) => self.unread.push(format!("log of pod {namespace}/{pod}: {}", describe(&error))),
        }
    }
}
