//! Many resources with their Secrets.

use futures::{StreamExt, TryStreamExt, stream};
use harness::objects::{typed_secret, typed_spec};
use harness::{TestKey, cluster};
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::{Api, Client};
use waflows_core::api::crd::{FlowsEncryptionKey, SecretKeyRef};

use crate::error::Error;

/// Where the resources are, and what they refer to.
pub(crate) const NAMESPACE: &str = "fleet";
/// Requests under way at once.
const CONCURRENCY: usize = 64;

/// Resources that all have the same number of phone numbers, all of them distinct. Several may share a Secret.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fleet {
    pub(crate) resources: usize,
    pub(crate) numbers_each: usize,
    pub(crate) resources_per_key: usize,
    pub(crate) resources_per_token: usize,
    /// Opens the private keys, which are encrypted. None if they are not.
    pub(crate) passphrase: Option<&'static str>,
}

impl Fleet {
    /// Each with a key Secret of its own, ten with the same access token.
    pub(crate) fn of(resources: usize, numbers_each: usize) -> Self {
        Self { resources, numbers_each, resources_per_key: 1, resources_per_token: 10, passphrase: None }
    }

    /// All with the same key and the same token.
    pub(crate) fn sharing(resources: usize, numbers_each: usize) -> Self {
        Self { resources_per_key: resources, resources_per_token: resources, ..Self::of(resources, numbers_each) }
    }

    /// The phone numbers of all resources together.
    pub(crate) fn numbers(self) -> usize {
        self.resources * self.numbers_each
    }

    /// Their IDs.
    pub(crate) fn all_numbers(self) -> impl Iterator<Item = String> {
        (0..self.numbers()).map(phone_number_id)
    }

    /// The names of the resources.
    pub(crate) fn names(self) -> impl Iterator<Item = String> {
        (0..self.resources).map(name)
    }

    /// Creates everything, the resources last.
    pub(crate) async fn create(self, client: &Client, key: &TestKey) -> Result<(), Error> {
        self.create_secrets(client, key).await?;
        let api: Api<FlowsEncryptionKey> = Api::namespaced(client.clone(), NAMESPACE);
        let create = |index| {
            let api = api.clone();
            async move { api.create(&PostParams::default(), &self.resource(index)).await.map(drop) }
        };
        let created = stream::iter(0..self.resources).map(create).buffer_unordered(CONCURRENCY).try_collect::<()>();
        created.await.map_err(Error::kubernetes("creating FlowsEncryptionKeys"))
    }

    /// Creates the namespace and the Secrets.
    pub(crate) async fn create_secrets(self, client: &Client, key: &TestKey) -> Result<(), Error> {
        create_namespace(client, NAMESPACE).await?;
        let keys = (0..self.resources.div_ceil(self.resources_per_key)).map(|index| self.key_secret(index, key));
        let tokens = (0..self.resources.div_ceil(self.resources_per_token))
            .map(|index| secret(&token_secret(index), "token", format!("EAAFleetToken{index:08}").as_bytes()));
        create_secrets(client, NAMESPACE, keys.chain(tokens)).await
    }

    fn key_secret(self, index: usize, key: &TestKey) -> Secret {
        let entries = self.passphrase.map(|passphrase| ("passphrase", passphrase)).into_iter();
        let entries = entries.chain([("private.pem", key.private_pem.as_str())]);
        typed_secret(&key_secret(index), entries.map(|(entry, value)| (entry.to_owned(), value.as_bytes().to_vec())))
    }

    /// One of the resources.
    pub(crate) fn resource(self, index: usize) -> FlowsEncryptionKey {
        let first = index * self.numbers_each;
        let reference = |name: String, key: &str| SecretKeyRef { name, key: key.to_owned() };
        let key = reference(key_secret(index / self.resources_per_key), "private.pem");
        let token = reference(token_secret(index / self.resources_per_token), "token");
        let mut spec =
            typed_spec(key.clone(), token, (first..first + self.numbers_each).map(phone_number_id).collect());
        spec.passphrase_secret_ref = self.passphrase.map(|_| SecretKeyRef { key: "passphrase".to_owned(), ..key });
        FlowsEncryptionKey::new(&name(index), spec)
    }
}

/// Creates a namespace.
pub(crate) async fn create_namespace(client: &Client, name: &str) -> Result<(), Error> {
    cluster::create_namespace(client, name).await.map_err(Error::kubernetes("creating a namespace"))
}

/// Creates Secrets, many at once.
pub(crate) async fn create_secrets(
    client: &Client,
    namespace: &str,
    secrets: impl Iterator<Item = Secret> + Send,
) -> Result<(), Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let create = |secret| {
        let api = api.clone();
        async move { api.create(&PostParams::default(), &secret).await.map(drop) }
    };
    let created = stream::iter(secrets).map(create).buffer_unordered(CONCURRENCY).try_collect::<()>();
    created.await.map_err(Error::kubernetes("creating Secrets"))
}

/// A Secret with one value.
pub(crate) fn secret(name: &str, key: &str, value: &[u8]) -> Secret {
    typed_secret(name, [(key.to_owned(), value.to_vec())])
}

/// Name of a Secret with a private key.
pub(crate) fn key_secret(index: usize) -> String {
    format!("key-{index:05}")
}

fn token_secret(index: usize) -> String {
    format!("token-{index:05}")
}

fn name(index: usize) -> String {
    format!("fleet-{index:05}")
}

fn phone_number_id(index: usize) -> String {
    format!("1{index:014}")
}
