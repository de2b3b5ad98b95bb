//! Keeps the encryption key of WhatsApp Flows on phone numbers.
//!
//! `waflows_core` has the decisions, `waflows_key` the parsing of keys. This crate has all I/O:
//!
//! - [`graph`]: the client of Meta's Graph API
//! - [`controller`]: watches, work queue and reconciles; carries out the decisions of the core
//! - [`leader`]: leader election, so that only one replica writes
//! - [`health`]: liveness and readiness; [`metrics`]: the counters for Prometheus
//! - [`endpoint`]: the client of Flow endpoints, and the words for their answers
//! - [`check`], [`inspect`], [`numbers`], [`ping`], [`ready`] and [`token`]: the subcommands that change nothing
//! - [`verbs`]: the subcommands for every day, which read and change resources
//! - [`completion`], [`json_schema`], [`plugin`]: shells, editors and kubectl
//! - [`app`], [`cli`], [`command_output`], [`given_credentials`], [`selector`], [`server`], [`telemetry`]: the process

mod apiserver;
pub mod app;
pub mod check;
pub mod cli;
pub mod command_output;
pub mod completion;
pub mod controller;
pub mod endpoint;
pub mod given_credentials;
pub mod graph;
pub mod health;
mod input_file;
pub mod inspect;
pub mod json_schema;
pub mod leader;
pub mod metrics;
pub mod numbers;
mod outbound;
pub mod ping;
pub mod plugin;
pub mod ready;
mod scopes;
pub mod selector;
pub mod server;
mod sieve;
mod table;
pub mod telemetry;
pub mod token;
pub mod verbs;
