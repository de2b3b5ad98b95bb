//! (a) From the apply of one resource to Ready, one resource after the other.

use std::time::{Duration, Instant};

use kube::Api;
use kube::api::{Patch, PatchParams};
use waflows_core::api::crd::FlowsEncryptionKey;

use crate::error::Error;
use crate::fleet::{Fleet, NAMESPACE};
use crate::operator::{Operator, UNBOUNDED};
use crate::progress::Progress;
use crate::report::Report;
use crate::scenarios::{FRESH, check_calls};
use crate::world::{Programs, World};

const TRIES: usize = 50;
/// What the operator and the API server may add to the round trips.
const OVERHEAD_MS: f64 = 10.0;

/// Round trips of a resource with one number, or with two to nine: read, canary's upload and read back, and the same for
/// the other numbers. The token was accepted for the resource before, so that all reads go together.
fn round_trips(numbers: usize) -> u32 {
    if numbers == 1 { 3 } else { 5 }
}

pub(super) async fn run(
    report: &mut Report,
    programs: &Programs,
    numbers: usize,
    latency: Duration,
) -> Result<(), Error> {
    let world = World::set_up(programs, latency.into()).await?;
    let fleet = Fleet::sharing(TRIES, numbers);
    fleet.create_secrets(&world.client, &world.key).await?;
    let round_trip = world.graph.round_trip().await?;
    let mut operator = Operator::start(&world, &UNBOUNDED)?;
    operator.until_ready().await?;

    let api: Api<FlowsEncryptionKey> = Api::namespaced(world.client.clone(), NAMESPACE);
    let mut progress = Progress::begin(&world.client).await?;
    let (mut from_request, mut from_answer) = (Vec::new(), Vec::new());
    for (index, name) in fleet.names().enumerate() {
        let resource = fleet.resource(index);
        let asked = Instant::now();
        let applied = api.patch(&name, &PatchParams::apply("bench"), &Patch::Apply(&resource)).await;
        let answered = Instant::now();
        applied.map_err(Error::kubernetes("applying a FlowsEncryptionKey"))?;
        let ready = progress.ready([name].into_iter(), &world.key.fingerprint);
        operator.during("the resource is Ready", ready).await?;
        from_request.push(asked.elapsed());
        from_answer.push(answered.elapsed());
    }

    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    let trips = round_trips(numbers);
    let floor = millis(trips * round_trip);
    report.figure(format!("floor: {trips} x latency"), millis(trips * latency), "ms");
    report.figure(format!("floor: {trips} round trips as measured"), floor, "ms");
    from_answer.sort_unstable();
    from_request.sort_unstable();
    let median = millis(from_answer[TRIES / 2]);
    report.figure_at_most("median from the answer to the apply", median, "ms", floor + OVERHEAD_MS);
    report.figure("95th percentile", millis(from_answer[TRIES * 95 / 100]), "ms");
    report.figure("shortest", millis(from_answer[0]), "ms");
    report.figure("median from the request of the apply", millis(from_request[TRIES / 2]), "ms");
    check_calls(report, "50 applies", &world, fleet, FRESH).await
}
