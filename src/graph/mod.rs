//! The part of Meta's Graph API that handles the key of a phone number.
//!
//! [`Client`] makes both calls, [`Reader`] only the read. [`wire`] parses the answers, [`pacing`] decides whether a
//! call may be made now, [`redact`] keeps credentials out of every text. [`waflows_core::meta`] defines the classes of
//! failure.
//!
//! Sources: Meta's guide "WhatsApp Flows: Encryption" and the reference page of
//! `/{phone-number-id}/whatsapp_business_encryption`. They differ in the shape of answers; this module accepts both.

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

/// The ways in which a call can end without a successful answer.
#[derive(Debug, Clone, PartialEq)]
pub enum CallError {
    /// The call failed, for this number.
    Failed(GraphError),
    /// A hold is in force: an answer to this call or an earlier one refused the credentials or limited the rate.
    Paused(Hold),
    /// The call was not made: while it waited for a permit, the caller lost its permission.
    Withdrawn,
}
