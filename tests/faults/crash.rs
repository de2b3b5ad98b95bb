//! The operator is killed before and after each of its writes, one after the other, and started again.

use fault_proxy::{Point, Side, Which};
use futures::StreamExt;

use crate::job::{Job, Reference, Stage, at_once};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_write_changes_nothing_in_the_end() {
    let reference = Reference::get().await;
    let count = reference.writes.len();
    let points = (1..=count).flat_map(|number| [(number, Side::Before), (number, Side::After)]);
    let runs = points.map(|(number, side)| async move {
        let point = Point { which: Which::Number(number), side };
        let ended = tokio::spawn(async move { run(point, reference).await }).await;
        let result = ended.unwrap_or_else(|panic| Err(format!("{panic}")));
        result.map_err(|error| format!("== {side:?} {number}, {}\n{error}", reference.writes[number - 1]))
    });
    let results: Vec<_> = futures::stream::iter(runs).buffer_unordered(at_once()).collect().await;
    let total = results.len();
    let failures: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    println!("killed at {total} points: before and after each of\n{}", reference.writes.join("\n"));
    assert!(failures.is_empty(), "{} kills left a trace\n{}", failures.len(), failures.join("\n"));
}

async fn run(point: Point, reference: &Reference) -> Result<(), String> {
    let mut job = Job::new().await;
    job.writes.stop_at(point);
    let mut was_killed = false;
    for stage in Stage::ALL {
        job.begin(stage).await;
        let settled = tokio::select! {
            settled = job.settle(reference.state(stage)) => settled,
            () = job.writes.stopped() => {
                was_killed = true;
                job.restart();
                job.settle(reference.state(stage)).await
            }
        };
        settled.map_err(|error| format!("{stage:?}: {error}"))?;
    }
    // The last write is an event, which no stage waits for, and runs differ by a write or two. Each look adds a write,
    // so the point is always reached.
    while !was_killed {
        tokio::select! {
            _ = job.look_again() => {}
            () = job.writes.stopped() => {
                was_killed = true;
                job.restart();
            }
        }
    }
    job.verdict(reference).await
}
