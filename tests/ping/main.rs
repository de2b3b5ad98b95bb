//! `ping` as a process, against an emulator of Flow endpoints and against the endpoints of `examples/endpoint`.
//! `tests/check/bad_inputs` tests the messages for bad input.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod examples;
mod keys;
mod outcomes;
mod scene;
mod several;
mod transport;
mod unknown_key;
