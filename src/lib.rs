//! Keeps the encryption key of WhatsApp Flows on phone numbers.
//!
//! - [`crd`]: the `FlowsEncryptionKey` resource; [`conditions`]: how its state is told
//! - [`key`]: bytes of a Secret → public key
//! - [`graph`]: Meta's Graph API
//! - [`controller`]: observe → plan → execute → summarize
//! - [`leader`]: several replicas, one writer
//! - [`app`], [`cli`], [`server`], [`telemetry`]: the process around it

mod apiserver;
pub mod app;
pub mod cli;
pub mod conditions;
pub mod controller;
pub mod crd;
pub mod graph;
pub mod key;
pub mod leader;
pub mod server;
pub mod telemetry;
pub mod text;
