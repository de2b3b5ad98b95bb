//! The `FlowsEncryptionKey` resource: the spec that users write and the status that the operator reports.
//!
//! The doc comments of `spec` and `status` are the text of `kubectl explain` and of docs/reference.md.

mod business_account;
mod definition;
mod endpoint;
mod error;
mod limits;
mod rotation;
mod secret_key_ref;
mod serialization;
mod spec;
mod status;
mod token;

pub use business_account::{AccountState, Adopt, BusinessAccount, BusinessAccountStatus};
pub use definition::{definition, manifest};
pub use endpoint::{Endpoint, EndpointService, EndpointStatus, FailingTarget, Gate, Scheme};
pub use error::{FailedCall, NumberError};
pub use limits::*;
pub use rotation::{OnFailure, Rotation, RotationPhase, RotationStatus, RotationStop, UNREPORTED_KEY};
pub use secret_key_ref::SecretKeyRef;
pub use spec::{FlowsEncryptionKey, FlowsEncryptionKeySpec, Mode};
pub use status::{FlowsEncryptionKeyStatus, NumberState, ObservedSecret, PhoneNumberStatus};
pub use token::{TokenInspection, TokenStatus};
