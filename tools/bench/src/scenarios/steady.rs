//! (e) Nothing is due.

use std::time::Duration;

use crate::error::Error;
use crate::fleet::Fleet;
use crate::report::Report;
use crate::scenarios::{NONE, RolledOut, check_calls, roll_out};
use crate::world::Programs;

const TIME: Duration = Duration::from_secs(60);
/// Of one core.
const LIMIT_PERCENT: f64 = 0.1;

pub(super) async fn run(report: &mut Report, programs: &Programs) -> Result<(), Error> {
    let fleet = Fleet::of(2000, 5);
    let flags = ["--leader-election", "--lease-namespace", "default"];
    let RolledOut { mut world, operator, .. } = roll_out(report, programs, fleet, Duration::ZERO, &flags).await?;
    let (before, _) = operator.usage_at_rest().await?;
    world.graph.reset().await?;
    world.audit.reset()?;

    // The one wait that is itself what is measured.
    tokio::time::sleep(TIME).await;

    let used = operator.usage()?.cpu.saturating_sub(before.cpu);
    let percent = used.as_secs_f64() / TIME.as_secs_f64() * 100.0;
    report.figure_at_most("operator's CPU, of a core", percent, "%", LIMIT_PERCENT);
    let requests = world.audit.requests()?;
    for (kind, count) in requests.kinds() {
        report.figure(format!("API requests: {kind}"), count as f64, "");
    }
    report.check("API requests that write, those about the Lease aside", 0, requests.writes());
    report.check("reads of Secrets", 0, requests.of("get secrets"));
    check_calls(report, "60 s", &world, fleet, NONE).await
}
