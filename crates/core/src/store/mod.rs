//! The cache of the objects that the operator watches.

pub mod cached_resource;
pub mod namespaces;
pub mod object_key;
pub mod ownership;
pub mod resource_summary;
#[expect(clippy::module_inception, reason = "the store is what this module is named after")]
pub mod store;
