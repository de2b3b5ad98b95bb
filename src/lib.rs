//! Keeps the encryption key of WhatsApp Flows on phone numbers.
//!
//! What is decided stands in `waflows_core`, how keys are read in `waflows_key`. Here is everything that does:
//!
//! - [`graph`]: Meta's Graph API
//! - [`controller`]: carries out what the core decides
//! - [`leader`]: several replicas, one writer
//! - [`health`]: whether the process lives and sees the cluster; [`metrics`]: what Prometheus is told
//! - [`check`]: what the operator would do, said beforehand; [`inspect`]: what a key file holds
//! - [`endpoint`]: asks a Flow endpoint for the private half of a key; [`ping`]: the same as a command
//! - [`app`], [`cli`], [`command_output`], [`selector`], [`server`], [`telemetry`]: the process around it

mod apiserver;
pub mod app;
pub mod check;
pub mod cli;
pub mod command_output;
pub mod controller;
pub mod endpoint;
pub mod graph;
pub mod health;
mod input_file;
pub mod inspect;
pub mod leader;
pub mod metrics;
mod outbound;
pub mod ping;
pub mod selector;
pub mod server;
mod sieve;
pub mod telemetry;
