//! The verbs that read and change resources in the cluster of a kubeconfig.
//!
//! [`connection`] finds the cluster, [`selection`] the resources, [`target`] a single one, [`changes`] follows them. [`resource`] is a resource as
//! the verbs show it, [`render`] prints resources in every format. A verb writes only what its name says: an annotation,
//! `spec.suspend`, or with `rotate` a key or a reference to one.

mod change;
mod changes;
pub(crate) mod connection;
mod error;
mod operator;
mod paint;
mod render;
mod report;
mod resource;
mod rotate;
pub(crate) mod selection;
mod status;
pub(crate) mod target;
mod version;
mod waiting;

pub use change::{resume, suspend, sync, wait};
pub use connection::ConnectError;
pub use error::VerbError;
pub use report::report;
pub use rotate::{RotateError, abort, proceed, rotate};
pub use status::status;
pub use version::version;
