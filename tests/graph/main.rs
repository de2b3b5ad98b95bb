//! The Graph client against the emulator: what Meta may answer, what the network may do, and what must never leak.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

mod accounts;
mod errors;
mod limits;
mod network;
mod proxy;
mod relay;
mod secrecy;
mod shapes;
mod tls;
mod world;
