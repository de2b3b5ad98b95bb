//! What every fuzz target does with its input. `tests/fuzz.rs` runs the same functions with stable Rust.
//!
//! Each takes any bytes at all. A panic, an overflow or a failed assertion is a finding.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a failed expectation is a finding")]

mod answer;
mod endpoint;
mod key;
mod resource;

pub use answer::{answer, rate_limits};
pub use endpoint::endpoint;
pub use key::{key, passphrase};
pub use resource::resource;
