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
mod config;
mod credentials;
mod error;
mod exchange;
pub mod pacing;
mod reader;
mod redact;
pub mod replay;
mod transport;
mod usage;
pub mod wire;

pub use client::Client;
pub use config::{Config, ConfigError};
pub use credentials::{AccessToken, AppSecret, Credentials};
pub use error::CallError;
pub use pacing::{CallLimiter, Hold, HoldCause};
pub use reader::Reader;
