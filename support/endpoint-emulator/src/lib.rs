//! An emulator of a business's WhatsApp Flows endpoint, as the pods behind a Service: replicas, each on an address of
//! its own, at the same port. Each has a set of private keys, which change at once, after a while, at a restart or
//! never.
//!
//! The emulator decrypts and answers as Meta's guide for endpoints says, checks signatures, can answer in every known
//! wrong way, and remembers which key opened which request. Its state is changed from the same process through
//! [`Control`], or over HTTP below `/_emulator/` of any replica.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), endpoint_emulator::StartError> {
//! use endpoint_emulator::{Behaviour, Config, Emulator};
//!
//! let emulator = Emulator::start(Config { replicas: 3, ..Config::default() }).await?;
//! emulator.set_behaviour(2, Behaviour::IvNotFlipped);
//! assert!(emulator.url(0).starts_with("http://127.0.0.1:"));
//! # Ok(())
//! # }
//! ```

mod admin;
mod answer;
mod behaviour;
mod config;
mod control;
mod edge;
mod emulator;
mod flow;
mod journal;
mod keys;
mod replica;
mod tls;

pub use behaviour::Behaviour;
pub use config::{Certificate, Config};
pub use control::Control;
pub use emulator::{Emulator, StartError};
pub use journal::{Request, Signature};
pub use keys::KeyError;
pub use replica::KeyChange;
pub use tls::TlsError;
