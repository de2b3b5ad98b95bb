//! The operator's binary on a real API server, against the Graph emulator.
//!
//! All tests share one control plane; each has a namespace, an emulator and an operator process of its own.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

mod accounts;
mod behaviour;
mod check;
mod checkpoints;
mod clock;
mod crd;
mod credentials;
mod edits;
mod events;
mod failed_uploads;
mod faults;
mod flow;
mod foreign_status;
mod gitops;
mod graph;
mod history;
mod keys;
mod leader;
mod listing;
mod logs;
mod main_job;
mod malformed;
mod memory;
mod metrics;
mod others;
mod outages;
mod oversize;
mod ownership;
mod probes;
mod refused_writes;
mod renames;
mod replicas;
mod restarts;
mod rights;
mod rotation;
mod scope;
mod shared_refusal;
mod shutdown;
mod suspension;
mod tokens;
mod traces;
mod transitions;
mod troubles;

/// The operator's binary.
const OPERATOR: &str = env!("CARGO_BIN_EXE_waflows-operator");
