//! The operator's binary on a real API server and the emulator, with faults between them. See docs/assurance.md.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

mod body;
mod broken;
mod crash;
mod fault;
mod job;
mod load;
mod model;
mod oracle;
mod proxy;
mod specs;
mod stale;
mod storm;
mod table;
mod writes;

#[expect(dead_code, reason = "crates/key/tests uses the rest")]
#[path = "../../crates/key/tests/keys/openssl.rs"]
mod openssl;
#[expect(dead_code, reason = "tests/cluster uses the rest")]
#[path = "../cluster/world.rs"]
mod world;
