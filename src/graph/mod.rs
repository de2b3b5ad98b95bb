//! Meta's Graph API, as far as the key of a phone number goes.
//!
//! [`Client`] makes the two calls there are, [`Reader`] only the one that changes nothing, [`wire`] reads their answers,
//! [`pacing`] decides whether a call may be made now, [`redact`] keeps credentials out of every text. What a refusal means
//! is said in [`waflows_core::meta`].
//!
//! Sources: Meta's guide "WhatsApp Flows: Encryption" and the reference page of
//! `/{phone-number-id}/whatsapp_business_encryption`. They differ in the shape of answers; both are read.

mod answer;
mod client;
mod credentials;
mod exchange;
pub mod pacing;
mod reader;
mod redact;
pub mod replay;
mod transport;
mod usage;
pub mod wire;

pub use client::{Client, Config, ConfigError};
pub use credentials::{AccessToken, AppSecret, Credentials, MalformedCredential};
pub use pacing::{CallLimiter, Hold, HoldCause};
pub use reader::Reader;

use waflows_core::meta::GraphError;

/// What a call can end in besides an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum CallError {
    /// The call failed, for this number.
    Failed(GraphError),
    /// An answer, to this call or to an earlier one, refused the credentials or asked for patience.
    Paused(Hold),
    /// The call was not made: while it waited for its turn, its caller lost the leave to make it.
    Withdrawn,
}
