//! Random histories of two resources that share phone numbers: what people, other writers, Meta, the clock and the
//! operator's own end may do, in any order and in the middle of a reconcile. After each history all faults are mended,
//! and the world must come to rest.
//!
//! `WAFLOWS_SIMULATION_HISTORIES` is how many histories are gone through, `WAFLOWS_SIMULATION_SEED` the seed of the
//! first one. A failure names the seed that brings it about again.

mod accounts;
mod history;
mod oracles;
mod process;
mod world;

use std::ops::Range;
use std::thread;

use self::history::History;

const HISTORIES: u64 = 2000;
const STEPS: usize = 20;

#[test]
fn every_history_ends_well() {
    go_through(HISTORIES, |seed| {
        let mut history = History::new(seed);
        (0..STEPS).for_each(|_| history.step());
        history.mend();
        history.come_to_rest();
    });
}

/// Goes through this many histories, unless the environment asks for others.
fn go_through(count: u64, history: impl Fn(u64) + Sync) {
    let first = from_environment("WAFLOWS_SIMULATION_SEED").unwrap_or(0);
    let end = first + from_environment("WAFLOWS_SIMULATION_HISTORIES").unwrap_or(count);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = (end - first).div_ceil(threads as u64).max(1);
    let part = |seeds: Range<u64>| {
        for seed in seeds {
            let _seed = Seed(seed);
            history(seed);
        }
    };
    thread::scope(|scope| {
        for begin in (first..end).step_by(share as usize) {
            let part = &part;
            scope.spawn(move || part(begin..(begin + share).min(end)));
        }
    });
}

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a whole number, not {text:?}")))
}

/// Says which history failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if thread::panicking() {
            let again = format!("WAFLOWS_SIMULATION_SEED={} WAFLOWS_SIMULATION_HISTORIES=1", self.0);
            eprintln!("the history of seed {} failed; once more: {again} cargo test --lib every_history", self.0);
        }
    }
}
