//! The operator's binary on a real API server and the emulator, with faults between them. See docs/assurance.md.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

mod broken;
mod crash;
mod job;
mod load;
mod oracle;
mod stale;
mod storm;
mod table;

/// The operator's binary.
const OPERATOR: &str = env!("CARGO_BIN_EXE_waflows-operator");
