//! The commands that look and change nothing, as processes: `check` against the Graph emulator over HTTP, `inspect`,
//! `completions`. `check` on a cluster is the matter of `tests/cluster`.

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
