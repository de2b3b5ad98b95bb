//! Keeps the encryption key of WhatsApp Flows on phone numbers.
//!
//! - [`crd`]: the `FlowsEncryptionKey` resource; [`conditions`]: how its state is told
//! - [`key`]: bytes of a Secret → public key
//! - [`graph`]: Meta's Graph API
//! - [`controller`]: observe → plan → execute → summarize
//! - [`leader`]: several replicas, one writer
//! - [`health`]: whether the process lives and sees the cluster; [`metrics`]: what Prometheus is told
//! - [`check`]: what the operator would do, said beforehand; [`inspect`]: what a key file holds
//! - [`app`], [`cli`], [`printout`], [`selector`], [`server`], [`telemetry`]: the process around it

mod apiserver;
pub mod app;
pub mod check;
pub mod cli;
pub mod conditions;
pub mod controller;
pub mod crd;
pub mod graph;
pub mod health;
pub mod inspect;
pub mod key;
pub mod leader;
pub mod metrics;
pub mod printout;
pub mod selector;
pub mod server;
mod sieve;
pub mod telemetry;
pub mod text;
