//! The one resource that a command line names.

use kube::Api;
use waflows_core::api::crd::FlowsEncryptionKey;
use waflows_core::store::object_key::ObjectKey;

use super::connection::Connection;
use super::error::{Doing, VerbError};
use super::selection::Selection;
use crate::cli::{OneArgs, SelectArgs};

/// One resource, and how to follow it.
pub(crate) struct Target {
    pub(crate) connection: Connection,
    pub(super) selection: Selection,
    pub(super) key: ObjectKey,
    pub(crate) resource: FlowsEncryptionKey,
}

impl Target {
    /// Reads the resource.
    ///
    /// # Errors
    /// If the name is none, or the resource cannot be read.
    pub(crate) async fn find(args: &OneArgs) -> Result<Self, VerbError> {
        let connection = Connection::open(&args.cluster).await?;
        let names = vec![args.name.clone()];
        let select = SelectArgs { names, namespace: args.namespace.clone(), ..SelectArgs::default() };
        let selection = Selection::of(&select, &connection)?;
        // Says what is wrong if the resource cannot be read.
        let found = selection.read(|resource| Some(resource.key)).await?;
        let key = found.into_iter().next().ok_or_else(|| VerbError::NoName(args.name.clone()))?;
        let api: Api<FlowsEncryptionKey> = Api::namespaced(connection.client.clone(), &key.namespace);
        let resource = api.get(&key.name).await.map_err(|error| Doing::Read.failed(&error))?;
        Ok(Self { connection, selection, key, resource })
    }
}
