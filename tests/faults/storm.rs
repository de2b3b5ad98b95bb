//! A fault that lasts: the operator tries again after ever longer waits, and makes few calls.

use std::time::{Duration, Instant};

use fault_proxy::{Action, Call, Fault};
use harness::storefront::NUMBERS;

use crate::job::{Job, Leg, Reference, Stage};
use crate::oracle::superfluous;

/// How often something is tried before the fault is lifted.
const TRIES: usize = 6;
/// The bound of all calls, to the API server and to Meta, for each try. A reconcile of two numbers and four Secrets
/// makes fewer.
const CALLS_PER_TRY: usize = 16;
/// Five waits of 5 s, doubling, at the scale of the jobs are 3.1 s. A flood takes a fraction of a second.
const IF_DOUBLING: Duration = Duration::from_millis(1500);
/// Five waits of 5 s at that scale are 0.5 s.
const IF_STEADY: Duration = Duration::from_millis(400);

/// The calls for one number, so that its tries are not mixed with those of another.
fn is_of_first_number(call: &Call) -> bool {
    call.path.contains(NUMBERS[0])
}

/// Waits for the sixth try. Each try meets the fault `calls_of_a_try` times. Asserts that the sixth try comes late
/// enough, and that the job is then done as without the fault.
async fn outlast(leg: Leg, fault: Fault, calls_of_a_try: usize, least: Duration) {
    let reference = Reference::get().await;
    let job = Job::new().await;
    let proxy = job.proxy(leg);
    // Without the checks whether the API server is there, which come at their own pace.
    let calls = || job.calls().iter().filter(|(call, _)| call != "GET /version").map(|(_, count)| count).sum::<usize>();
    proxy.set(fault);
    job.begin(Stage::Applied).await;
    job.world.wait_until("tried", || proxy.met() >= calls_of_a_try).await;
    let (first, before) = (Instant::now(), calls());
    job.world.wait_until("tried again and again", || proxy.met() >= TRIES * calls_of_a_try).await;
    let (took, calls, uploads) = (first.elapsed(), calls() - before, job.writes.uploads());
    proxy.lift();
    println!("{TRIES} tries in {took:.1?}, {calls} calls, {uploads} uploads");
    assert!(took >= least, "{TRIES} tries in {took:?} are a flood");
    assert!(calls <= TRIES * CALLS_PER_TRY, "{calls} calls in {TRIES} tries: {:#?}", job.calls());
    // One for each number, and each that failed.
    assert!(uploads <= 2 + TRIES, "{uploads} uploads in {TRIES} tries");
    job.settle(reference.state(Stage::Applied)).await.unwrap();
    assert_eq!(superfluous(&reference.uploads, &job.uploads()), None);
}

fn answer(status: u16) -> Action {
    Action::Answer { status, retry_after: None }
}

fn later(status: u16) -> Action {
    Action::Answer { status, retry_after: Some(1) }
}

macro_rules! outlasts {
    ($($name:ident: $leg:ident, $of:expr, $action:expr, $calls:expr, $least:ident;)+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            outlast(Leg::$leg, Fault { of: $of, action: $action }, $calls, $least).await;
        })+
    };
}

outlasts! {
    // A conflict is resolved at once, up to four times in a row.
    statuses_in_conflict: Kubernetes, Call::is_status, answer(409), 5, IF_DOUBLING;
    statuses_that_fail: Kubernetes, Call::is_status, answer(500), 1, IF_DOUBLING;
    statuses_that_are_too_many: Kubernetes, Call::is_status, later(429), 1, IF_DOUBLING;
    statuses_that_are_written_unheard: Kubernetes, Call::is_status, Action::ResetAfter, 1, IF_DOUBLING;
    a_secret_that_cannot_be_read: Kubernetes, |call| call.is_secret() && call.ends_with("/flows-key"), answer(500), 1, IF_STEADY;
    uploads_that_fail: Graph, |call| call.is_write() && is_of_first_number(call), answer(500), 1, IF_DOUBLING;
    uploads_that_are_too_many: Graph, |call| call.is_write() && is_of_first_number(call), answer(429), 1, IF_DOUBLING;
    // The client itself repeats a failed read twice.
    reads_that_fail: Graph, |call| !call.is_write() && is_of_first_number(call), answer(503), 3, IF_DOUBLING;
    reads_that_are_too_many: Graph, |call| !call.is_write() && is_of_first_number(call), answer(429), 1, IF_DOUBLING;
}
