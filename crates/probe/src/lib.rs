//! Asks whether an endpoint has the private half of a key. The question is the same as Meta's: the health check of
//! WhatsApp Flows, encrypted with the public half (Meta's guides "Implementing endpoints for Flows" and "WhatsApp
//! Business Encryption").
//!
//! [`encode`] makes the [`Request`] to post, and an [`Opener`]. Only this opener can read the answer to the request.
//! [`Opener::decode`] turns the answer into a [`ProbeFinding`](waflows_core::endpoint::ProbeFinding): one of nine names
//! and an HTTP status. Nothing else of an answer leaves this crate, because an endpoint may answer anything.
//!
//! This crate has no I/O and no clock, and receives random bytes as an argument. A request costs one RSA encryption,
//! well under a millisecond.

mod answer;
mod flow_cipher;
mod request;
mod secret;

use std::time::Duration;

pub use answer::{MAX_ANSWER, Opener};
pub use request::{AskWith, Request, UnusableKey, encode};
/// The traits of the source of random bytes.
pub use rsa::rand_core;
pub use secret::SigningSecret;

/// Limit of the time from the first packet to the last byte of an answer. The same as Meta's limit.
pub const TIME_LIMIT: Duration = Duration::from_secs(10);
