//! The verbs as processes on a real API server: `status`, `sync`, `wait`, `suspend`, `resume`, `rotate`, `version`, `report`, and
//! completion. Tables are golden files in `golden/`; `WAFLOWS_GENERATE=1` writes them anew.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod about;
mod failures;
mod plugin;
mod report;
mod rights;
mod rotate;
mod scene;
mod session;
mod status;
mod steer;
mod work;

/// The operator's binary.
const OPERATOR: &str = env!("CARGO_BIN_EXE_waflows-operator");
