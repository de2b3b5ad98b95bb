//! Gated rotations with an overlap, over seeds: no customer sees any of them.

use std::env;

use futures::StreamExt;

use crate::run::{Summary, run};
use crate::stage::at_once;

/// Seeds in `make test`. `WAFLOWS_ROTATION_SEEDS` is another count, and `WAFLOWS_ROTATION_SEED` the first.
const SEEDS: u64 = 8;

fn number(variable: &str, default: u64) -> u64 {
    let text = env::var(variable).ok();
    text.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {text}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_customer_sees_a_gated_rotation() {
    let (first, count) = (number("WAFLOWS_ROTATION_SEED", 1), number("WAFLOWS_ROTATION_SEEDS", SEEDS));
    let runs = (first..first + count).map(|seed| async move {
        let ended = tokio::spawn(run(seed)).await;
        ended.unwrap_or_else(|panic| Err(format!("seed {seed}: {panic}")))
    });
    let results: Vec<_> = futures::stream::iter(runs).buffer_unordered(at_once()).collect().await;
    let (summaries, failures): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let sum = |of: fn(&Summary) -> u64| summaries.iter().flatten().map(of).sum::<u64>();
    println!(
        "{} rotations, {} requests, {} answers 421, {} refreshed keys, {} uploads, {} restarts, {} failures",
        summaries.len(),
        sum(|run| run.counts.requests),
        sum(|run| run.counts.wrong_key),
        sum(|run| run.counts.refreshed),
        sum(|run| run.uploads as u64),
        sum(|run| run.restarts as u64),
        sum(|run| run.counts.failures),
    );
    let failures: Vec<_> = failures.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{} of {count} rotations failed\n{}", failures.len(), failures.join("\n\n"));
}
