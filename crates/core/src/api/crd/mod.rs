//! The `FlowsEncryptionKey` resource: the spec that users write and the status that the operator reports.
//!
//! The doc comments of `spec` and `status` are the text of `kubectl explain` and of docs/reference.md.

mod definition;
mod endpoint;
mod limits;
mod rotation;
mod secret_key_ref;
mod spec;
mod status;

pub use definition::{definition, manifest};
pub use endpoint::{Endpoint, EndpointService, EndpointStatus, FailingTarget, Gate, Scheme};
pub use limits::*;
pub use rotation::{OnFailure, Rotation, RotationPhase, RotationStatus, RotationStop};
pub use secret_key_ref::SecretKeyRef;
pub use spec::{FlowsEncryptionKey, FlowsEncryptionKeySpec, Mode};
pub use status::{FailedCall, FlowsEncryptionKeyStatus, NumberError, NumberState, ObservedSecret, PhoneNumberStatus};
