//! Examples and commands of the documents. Every example is accepted by a real API server, beside the real definitions of
//! the other operators' resources that it uses; every shell block runs, or says why it cannot.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod commands;
mod examples;
mod policy;
