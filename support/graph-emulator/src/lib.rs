//! A stateful emulator of the edges of Meta's Graph API that keep the encryption key of WhatsApp
//! Flows on phone numbers, over HTTP or TLS:
//!
//! - `GET` and `POST /{version}/{phone-number-id}/whatsapp_business_encryption`
//! - `GET /{version}/{waba-id}/phone_numbers`
//! - `GET /{version}/debug_token`
//!
//! It is as strict as Meta about what it accepts, answers in all the forms of Meta, can fail on
//! request, and counts and remembers all calls. The same process changes its state through
//! [`Control`]; others do so over HTTP below `/_emulator/`.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), graph_emulator::StartError> {
//! use graph_emulator::{Config, Emulator, Fault, FaultAction};
//!
//! let emulator = Emulator::start(Config::default()).await?;
//! emulator.add_token("a-token");
//! emulator.add_number("106540352242922");
//! // The next upload lands, but its caller sees the connection reset.
//! emulator.inject(Fault::new(FaultAction::ResetBeforeAnswer).uploads().times(1).landing());
//! let url = format!("{}/v25.0/106540352242922/whatsapp_business_encryption", emulator.base_url());
//! # let _ = url;
//! # Ok(())
//! # }
//! ```

mod action;
mod admin;
mod answer;
mod config;
mod control;
mod edge;
mod emulator;
mod error;
mod exchange;
mod faults;
mod inspection;
mod journal;
mod keys;
mod link;
mod list;
mod number;
mod server;
mod tls;
mod token;
mod wire;
mod world;

pub use action::{FaultAction, RateLimit, RetryAfter, Usage};
pub use config::Config;
pub use control::{Control, UnknownNumber};
pub use emulator::{Emulator, StartError};
pub use error::GraphError;
pub use faults::{ActiveFault, Fault, Operation, UploadEffect};
pub use journal::{Call, Counters, OperationCounts, Upload};
pub use keys::FOREIGN_PUBLIC_KEY;
pub use list::{Cursors, ListSettings};
pub use number::{DEFAULT_WABA_ID, ForeignWriter, Lag, Listed, NumberSettings, NumberSnapshot};
pub use tls::TlsError;
pub use token::{Expiry, Inspection, TargetIds, Token, appsecret_proof};
pub use wire::{KeyText, LineBreaks, NoKey, Presentation, ResponseShape};
