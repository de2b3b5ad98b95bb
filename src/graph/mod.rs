//! The part of Meta's Graph API that handles the key of a phone number.
//!
//! [`Client`] makes all calls, [`Reader`] only those that change nothing. [`wire`] parses the answers, [`call_limiter`]
//! decides whether a call may be made now, [`redact`] keeps credentials out of every text. [`waflows_core::meta`] defines
//! the classes of failure.
//!
//! Sources: Meta's guide "WhatsApp Flows: Encryption" and the reference page of
//! `/{phone-number-id}/whatsapp_business_encryption`. They differ in the shape of answers; this module accepts both.

mod answer;
pub mod call_limiter;
mod client;
mod config;
mod credentials;
mod debug_token;
mod error;
mod exchange;
mod list;
mod reader;
mod redact;
pub mod replay;
mod token_answer;
mod transport;
mod usage;
pub mod wire;

pub use call_limiter::{CallLimiter, Hold, HoldCause};
pub use client::Client;
pub use config::{Config, ConfigError};
pub use credentials::{AccessToken, AppCredentials, AppSecret, Credentials, CredentialsId};
pub use debug_token::{is_not_its_own_judge, refuses_app};
pub use error::CallError;
pub use reader::Reader;
pub(crate) use redact::redact_tokens;
