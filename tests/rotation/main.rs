//! Rotations under traffic: the operator's binary on a real API server, emulators of Meta and of a Flow endpoint, and
//! simulated WhatsApp clients that use the Flow all the time. See docs/assurance.md.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod gated;
mod old_key;
mod rollback;
mod run;
mod scenario;
mod stage;
mod swap;
mod ungated;
mod waiting;

/// The operator's binary.
const OPERATOR: &str = env!("CARGO_BIN_EXE_waflows-operator");
