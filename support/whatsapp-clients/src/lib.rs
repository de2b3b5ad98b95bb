//! Simulated WhatsApp clients. They use a Flow all the time, as customers do, and count the failures that a customer
//! would see.
//!
//! Each client keeps the public key of a number for a time of its own: not at all, for some seconds, or for ever. Meta
//! does not document this time, so the clients differ. A client encrypts a `data_exchange` request with the key that it
//! has, and sends the request to a random target of the endpoint. If the target answers 421, the client asks the Graph
//! API for the key of the number, and tries once more. If the second request fails too, a customer sees an error.
//!
//! A client takes a key from the Graph API only if its signature is VALID. If the time of a kept key is over and there
//! is no VALID key, the client goes on with the key that it has. What WhatsApp does then is not documented.
//!
//! The encryption is written again here, from Meta's guides, and shares no code with the operator: a mistake of the
//! operator must not be repeated by the judge.

mod client;
mod config;
mod error;
mod exchange;
mod key_source;
mod memory;
mod report;
mod shared;
mod traffic;

pub use config::Config;
pub use error::StartError;
pub use memory::Memory;
pub use report::{Cause, Counts, Failure};
pub use traffic::Traffic;
