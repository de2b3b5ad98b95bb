//! The operator's binary on a real API server, against the Graph emulator.
//!
//! All tests share one control plane; each has a namespace, an emulator and an operator process of its own.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

mod behaviour;
mod crd;
mod faults;
mod graph;
mod keys;
mod leader;
mod main_job;
mod ownership;
mod replicas;
mod troubles;
mod world;
