//! The commands that only read, as processes: `check` against the Graph emulator over HTTP, `inspect`, `completions`.
//! `tests/cluster` tests `check` on a cluster.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod accounts;
mod bad_inputs;
mod findings;
mod inspect;
mod manifests;
mod meta;
mod process;
mod progress;
mod scene;
mod usage;
