//! A Service `flows` with pods, as far as an API server knows pods without a kubelet.
//!
//! The emulator of endpoints listens on 127.0.0.1, 127.0.0.2 and so on. The API server takes no EndpointSlice with such an
//! address, so the pods have 198.18.0.1, 198.18.0.2 and so on. With `--endpoint-allow-loopback` the operator takes these
//! for loopback.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::wait::PATIENCE;

/// Name of the EndpointSlice that [`FlowService::serve`] writes.
const SLICE: &str = "flows-1";

/// The Service `flows` of a namespace.
#[derive(Clone)]
pub struct FlowService {
    /// With all rights.
    pub client: Client,
    /// The namespace.
    pub namespace: String,
    /// The port of all pods.
    pub port: u16,
}

impl FlowService {
    /// Creates the Service and an EndpointSlice with the pods `flows-N` of these replicas, counted from 1.
    ///
    /// # Errors
    /// If the API server refuses an object.
    pub async fn serve(&self, replicas: RangeInclusive<u8>) -> kube::Result<()> {
        self.create(self.manifest()).await?;
        let endpoints = self.create_pods(replicas).await?;
        self.create_slice(SLICE, "IPv4", &endpoints).await.map(drop)
    }

    /// Other pods take the place of those that [`serve`](Self::serve) created.
    ///
    /// # Errors
    /// If the API server refuses an object.
    pub async fn replace(&self, replicas: RangeInclusive<u8>) -> kube::Result<()> {
        let endpoints = self.create_pods(replicas).await?;
        self.slices().patch(SLICE, &PatchParams::default(), &Patch::Merge(json!({"endpoints": endpoints}))).await?;
        Ok(())
    }

    async fn create_pods(&self, replicas: RangeInclusive<u8>) -> kube::Result<Value> {
        let mut endpoints = Vec::new();
        for replica in replicas {
            let (pod, address) = (format!("flows-{replica}"), format!("198.18.0.{replica}"));
            self.create_pod(&self.namespace, &pod, &address, json!({})).await?;
            endpoints.push(self.endpoint(&pod, &address));
        }
        Ok(json!(endpoints))
    }

    /// The Service.
    pub fn manifest(&self) -> Value {
        json!({
            "metadata": {"name": "flows"},
            "spec": {"selector": {"app": "flows"}, "ports": [{"name": "http", "port": 80, "targetPort": self.port}]},
        })
    }

    /// Creates a Service.
    ///
    /// # Errors
    /// If the API server refuses the Service.
    pub async fn create(&self, service: Value) -> kube::Result<()> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), &self.namespace);
        let service = serde_json::from_value(service).map_err(kube::Error::SerdeError)?;
        services.create(&PostParams::default(), &service).await.map(drop)
    }

    /// A ready endpoint for a pod, as an EndpointSlice has it.
    pub fn endpoint(&self, pod: &str, address: &str) -> Value {
        let target = json!({"kind": "Pod", "namespace": self.namespace, "name": pod});
        json!({"addresses": [address], "conditions": {"ready": true}, "targetRef": target})
    }

    /// Creates an EndpointSlice of the Service, as the controller or a tenant writes it.
    ///
    /// # Errors
    /// If the API server refuses the EndpointSlice.
    pub async fn create_slice(&self, name: &str, family: &str, endpoints: &Value) -> kube::Result<EndpointSlice> {
        let slice = json!({
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": "flows"}},
            "addressType": family,
            "ports": [{"name": "http", "port": self.port, "protocol": "TCP"}],
            "endpoints": endpoints,
        });
        let slice = serde_json::from_value(slice).map_err(kube::Error::SerdeError)?;
        self.slices().create(&PostParams::default(), &slice).await
    }

    fn slices(&self) -> Api<EndpointSlice> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates a pod with an address in its status.
    ///
    /// # Errors
    /// If the API server refuses the pod.
    pub async fn create_pod(&self, namespace: &str, name: &str, address: &str, spec: Value) -> kube::Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let mut pod = json!({
            "metadata": {"name": name, "labels": {"app": "flows"}},
            "spec": {"containers": [{"name": "flows", "image": "flows"}], "automountServiceAccountToken": false},
        });
        if let (Some(fields), Value::Object(more)) = (pod["spec"].as_object_mut(), spec) {
            fields.extend(more);
        }
        let pod = serde_json::from_value(pod).map_err(kube::Error::SerdeError)?;
        // A controller makes the ServiceAccount of a new namespace.
        let begun = Instant::now();
        while let Err(error) = pods.create(&PostParams::default(), &pod).await {
            if begun.elapsed() > PATIENCE {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let status = json!({"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]});
        self.set_pod_status(namespace, name, status).await
    }

    /// Changes the status of a pod.
    ///
    /// # Errors
    /// If the API server refuses the status.
    pub async fn set_pod_status(&self, namespace: &str, name: &str, status: Value) -> kube::Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let body = Patch::Merge(json!({"status": status}));
        pods.patch_status(name, &PatchParams::default(), &body).await.map(drop)
    }
}
