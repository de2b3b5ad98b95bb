//! Requests to Flow endpoints on a real API server, against an emulator of endpoints.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod ping;
mod proofs;
mod scene;
mod targets;
