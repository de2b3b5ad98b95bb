//! What the tests and tools of this workspace share: the operator's binary as a process, control planes with the
//! definition installed, the objects that users write, keys, and ways to wait.
//!
//! This crate does not depend on the operator. A test gets the path of the operator's binary from Cargo, in
//! `env!("CARGO_BIN_EXE_waflows-operator")`, and passes it on.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

pub mod cluster;
pub mod emulator;
pub mod flow_service;
pub mod http;
pub mod keys;
pub mod memory;
pub mod objects;
pub mod operator;
pub mod process;
pub mod secrecy;
pub mod state;
pub mod status;
pub mod storefront;
pub mod tls;
pub mod wait;
pub mod world;

pub use cluster::{client, client_of, control_plane, kubectl, new_control_plane, new_namespace};
pub use flow_service::FlowService;
pub use keys::TestKey;
pub use objects::{TOKEN, many_numbers, strs};
pub use operator::{Launch, Operator};
pub use status::{condition_of, is_current, number_of};
pub use world::World;
