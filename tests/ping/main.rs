//! `ping` as a process, against an emulator of Flow endpoints. What is said of bad input is the matter of
//! `tests/check/bad_inputs`.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod keys;
mod outcomes;
mod scene;
mod several;
mod transport;
mod unknown_key;
