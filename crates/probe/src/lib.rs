//! Does an endpoint have the private half of a key? Asked as Meta asks: with the health check of WhatsApp Flows, encrypted
//! with the public half (Meta's guides "Implementing endpoints for Flows" and "WhatsApp Business Encryption").
//!
//! [`encode`] makes the [`Request`] to be posted, and an [`Opener`], the only thing that can read the answer to it.
//! [`Opener::decode`] turns that answer into a [`ProbeFinding`](waflows_core::endpoint::ProbeFinding): one of nine names
//! and an HTTP status. Nothing else of an answer leaves this crate, for an endpoint may answer anything.
//!
//! No I/O, no clock: random bytes come in as an argument. A request costs one RSA encryption, well under a millisecond.

mod answer;
mod flow_cipher;
mod request;
mod secret;

use std::time::Duration;

pub use answer::Opener;
pub use request::{AskWith, Request, UnusableKey, encode};
/// Where the random bytes come from.
pub use rsa::rand_core;
pub use secret::SigningSecret;

/// So much of an answer is looked at, in bytes. That to a health check has 60.
pub const MAX_ANSWER: usize = 64 * 1024;

/// So long is waited for an answer, from the first packet to the last byte. Meta gives up then as well.
pub const TIME_LIMIT: Duration = Duration::from_secs(10);
