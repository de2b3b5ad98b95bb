//! The resources that the command line means.

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use kube::api::ListParams;
use kube::{Api, Client};
use waflows_core::api::crd::FlowsEncryptionKey;
use waflows_core::store::object_key::ObjectKey;

use super::connection::Connection;
use super::error::{Doing, VerbError};
use super::resource::Resource;
use crate::cli::SelectArgs;
use crate::controller::partial_object::PartialObject;

/// Resources of one answer. An answer is in memory as a whole, so that smaller pages need less memory.
pub(super) const PAGE: u32 = 250;
/// Named resources that are read at the same time.
const PARALLEL: usize = 8;
/// What may stand before a name: how people and kubectl write the kind.
const KINDS: [&str; 4] = ["fek", "flowsencryptionkey", "flowsencryptionkeys", "flowsencryptionkey.waflows.dev"];

/// The type that all verbs read.
pub(super) type Object = PartialObject<FlowsEncryptionKey>;

/// The selected resources.
pub(crate) struct Selection {
    client: Client,
    /// None for all namespaces.
    pub(crate) namespace: Option<String>,
    pub(crate) names: Vec<String>,
    pub(crate) labels: Option<String>,
}

impl Selection {
    /// Reads the flags.
    ///
    /// # Errors
    /// If a name is none, or the client cannot be set up.
    pub(crate) fn of(args: &SelectArgs, connection: &Connection) -> Result<Self, VerbError> {
        let given = args.namespace.clone().filter(|namespace| !namespace.is_empty());
        let namespace = (!args.all_namespaces).then(|| given.unwrap_or_else(|| connection.namespace.clone()));
        let mut names = args.names.iter().map(|name| bare(name)).collect::<Result<Vec<_>, _>>()?;
        names.sort_unstable();
        names.dedup();
        Ok(Self { client: connection.sieving()?, namespace, names, labels: args.labels.clone() })
    }

    /// The API for reading. It does not see labels and annotations.
    pub(super) fn api(&self) -> Api<Object> {
        api(self.client.clone(), self.namespace.as_deref())
    }

    /// Reads all selected resources, ordered by namespace and name, and keeps of each what `keep` returns.
    ///
    /// # Errors
    /// If they cannot be read, if a named one does not exist, or if there is none.
    pub(crate) async fn read<T>(&self, mut keep: impl FnMut(Resource) -> Option<T>) -> Result<Vec<T>, VerbError> {
        let mut kept = Vec::new();
        let mut count = 0;
        if self.names.is_empty() {
            let mut page = ListParams::default().limit(PAGE);
            page.label_selector.clone_from(&self.labels);
            loop {
                let list = self.api().list(&page).await.map_err(|error| self.reading().failed(&error))?;
                count += list.items.len();
                kept.extend(list.items.into_iter().filter_map(|object| keep(Resource::of(object))));
                page.continue_token = list.metadata.continue_.filter(|token| !token.is_empty());
                if page.continue_token.is_none() {
                    break;
                }
            }
        } else {
            let api = self.api();
            let reads = self.names.iter().map(|name| self.get(&api, name));
            let resources: Vec<_> = stream::iter(reads).buffered(PARALLEL).try_collect().await?;
            count = resources.len();
            kept.extend(resources.into_iter().filter_map(keep));
        }
        if count == 0 { Err(VerbError::Nothing(self.place())) } else { Ok(kept) }
    }

    async fn get(&self, api: &Api<Object>, name: &str) -> Result<Resource, VerbError> {
        api.get(name).await.map(Resource::of).map_err(|error| match &error {
            kube::Error::Api(status) if status.code == 404 && is_of_object(status) => {
                VerbError::NotFound(ObjectKey::new(self.namespace.as_deref().unwrap_or_default(), name))
            }
            error => self.reading().failed(error),
        })
    }

    /// What is being done when the resources are read.
    pub(super) fn reading(&self) -> Doing {
        if self.namespace.is_some() { Doing::Read } else { Doing::ReadAll }
    }

    fn place(&self) -> String {
        let place = match &self.namespace {
            Some(namespace) => format!("in namespace {namespace}; see other namespaces with -n NAME or -A"),
            None => "in the cluster".to_owned(),
        };
        match &self.labels {
            Some(labels) => format!("with the labels {labels} {place}"),
            None => place,
        }
    }
}

/// The API in a namespace, or in all.
pub(super) fn api(client: Client, namespace: Option<&str>) -> Api<Object> {
    match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    }
}

/// Whether a 404 is about an object: without the definition, the answer names none.
fn is_of_object(status: &kube::core::Status) -> bool {
    status.details.as_ref().is_some_and(|details| !details.name.is_empty())
}

/// The name without the kind before it.
pub(super) fn bare(text: &str) -> Result<String, VerbError> {
    let name = match text.split_once('/') {
        Some((kind, name)) if KINDS.contains(&kind.to_ascii_lowercase().as_str()) => name,
        Some(_) => return Err(VerbError::NoName(text.to_owned())),
        None => text,
    };
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    if is_name { Ok(name.to_owned()) } else { Err(VerbError::NoName(text.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_its_kind_before_it() {
        for text in ["storefront", "fek/storefront", "flowsencryptionkey.waflows.dev/storefront"] {
            assert_eq!(bare(text).unwrap(), "storefront");
        }
        for text in ["", "pod/storefront", "fek/", "a/b/c", "a b"] {
            assert!(bare(text).unwrap_err().to_string().contains("give NAME or fek/NAME"), "{text}");
        }
    }
}
