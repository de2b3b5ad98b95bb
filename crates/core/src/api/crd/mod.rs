//! The `FlowsEncryptionKey` resource: the spec that users write and the status that the operator reports.
//!
//! The doc comments of `spec` and `status` are the text of `kubectl explain` and of docs/reference.md.

mod definition;
mod limits;
mod spec;
mod status;

pub use definition::{definition, manifest};
pub use limits::*;
pub use spec::{FlowsEncryptionKey, FlowsEncryptionKeySpec, Mode, SecretKeyRef};
pub use status::{FailedCall, FlowsEncryptionKeyStatus, NumberError, NumberState, ObservedSecret, PhoneNumberStatus};
