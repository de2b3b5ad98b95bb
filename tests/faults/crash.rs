//! The operator is killed before and after each of its writes, one after the other, and started again.

use futures::StreamExt;

use crate::job::{Job, Reference, Stage};
use crate::writes::{Point, Side};

/// Jobs under way at once.
const AT_ONCE: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_write_changes_nothing_in_the_end() {
    let reference = Reference::get().await;
    let count = reference.writes.len();
    let points = (1..=count).flat_map(|number| [Side::Before, Side::After].map(|side| Point { number, side }));
    let runs = points.map(|point| async move {
        let ended = tokio::spawn(async move { run(point, reference).await }).await;
        let result = ended.unwrap_or_else(|panic| Err(format!("{panic}")));
        result.map_err(|error| format!("== {:?} {}\n{error}", point, reference.writes[point.number - 1]))
    });
    let results: Vec<_> = futures::stream::iter(runs).buffer_unordered(AT_ONCE).collect().await;
    let total = results.len();
    let failures: Vec<_> = results.iter().filter_map(|result| result.as_ref().err().cloned()).collect();
    let killed = results.into_iter().filter(|result| *result == Ok(true)).count();
    println!("killed at {killed} of {total} points: before and after each of\n{}", reference.writes.join("\n"));
    assert!(failures.is_empty(), "{} kills left a trace\n{}", failures.len(), failures.join("\n"));
    // Runs differ by a write or two: a busy machine makes two rounds of what an idle one does in one.
    assert!(killed * 4 >= total * 3, "only {killed} of {total} points were reached");
}

/// Whether the point was reached.
async fn run(point: Point, reference: &Reference) -> Result<bool, String> {
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
    // The last write is an event, which no stage waits for.
    tokio::select! {
        () = job.look_again() => {}
        () = job.writes.stopped() => {
            was_killed = true;
            job.restart();
            job.look_again().await;
        }
    }
    job.verdict(reference).await.map(|()| was_killed)
}
