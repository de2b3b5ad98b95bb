//! (c) A new key in a Secret that many resources use.

use std::time::Instant;

use harness::TestKey;
use kube::Api;
use kube::api::PostParams;

use crate::error::Error;
use crate::fleet::{Fleet, NAMESPACE, key_secret, secret};
use crate::progress::Progress;
use crate::report::Report;
use crate::scenarios::{FRESH, GRAPH_LATENCY, RolledOut, check_calls, report_requests, roll_out};
use crate::world::Programs;

const LIMIT_SECONDS: f64 = 1.5;

pub(super) async fn run(report: &mut Report, programs: &Programs) -> Result<(), Error> {
    let fleet = Fleet::sharing(50, 10);
    let rolled_out = roll_out(report, programs, fleet, GRAPH_LATENCY, &[]).await?;
    let RolledOut { mut world, mut operator, .. } = rolled_out;
    let next = TestKey::generate();
    world.graph.reset().await?;
    world.audit.reset()?;
    let mut progress = Progress::begin(&world.client).await?;
    let before = operator.usage()?;

    let replacement = secret(&key_secret(0), "private.pem", next.private_pem.as_bytes());
    let secrets = Api::namespaced(world.client.clone(), NAMESPACE);
    let replaced = secrets.replace(&key_secret(0), &PostParams::default(), &replacement).await;
    let start = Instant::now();
    replaced.map_err(Error::kubernetes("replacing the key's Secret"))?;
    let ready = progress.ready(fleet.names(), &next.fingerprint);
    operator.during("all resources are Ready with the new key", ready).await?;

    report.figure_at_most("replace to all Ready", start.elapsed().as_secs_f64(), "s", LIMIT_SECONDS);
    report.seconds("operator's CPU", operator.usage()?.cpu.saturating_sub(before.cpu));
    // One event says that a new key is under way, one says the result.
    report.check("rotation: writes of a status, two each", 2 * fleet.resources, progress.count);
    report_requests(report, &world, fleet).await?;
    check_calls(report, "rotation", &world, fleet, FRESH).await
}
