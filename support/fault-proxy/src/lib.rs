//! A proxy that does harm, between the operator and the API server, or between the operator and Meta. It delays, cuts
//! and falsifies answers, and it counts the writes, so that a test can kill the operator at each of them.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod body;
mod fault;
mod proxy;
mod relay;
mod writes;

pub use fault::{Action, Call, Fault, Snapshot};
pub use proxy::Proxy;
pub use writes::{Point, Side, UPLOADS, Which, Writes};
