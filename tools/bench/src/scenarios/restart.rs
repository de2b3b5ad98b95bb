//! (f) The operator starts again, and nothing is due.

use std::time::Duration;

use crate::error::Error;
use crate::fleet::Fleet;
use crate::operator::{Operator, UNBOUNDED};
use crate::report::Report;
use crate::scenarios::{NONE, RolledOut, check_calls, roll_out};
use crate::world::Programs;

/// What the design asks for.
const LIMIT_SECONDS: f64 = 0.5;

pub(super) async fn run(report: &mut Report, programs: &Programs) -> Result<(), Error> {
    let fleet = Fleet::of(2000, 5);
    let RolledOut { mut world, operator, .. } = roll_out(report, programs, fleet, Duration::ZERO, &[]).await?;
    operator.stop()?;
    world.graph.reset().await?;
    world.audit.reset()?;

    let mut operator = Operator::start(&world, &UNBOUNDED)?;
    let time = operator.until_ready().await?;
    report.figure_at_most("start to readyz", time.as_secs_f64(), "s", LIMIT_SECONDS);
    let (usage, _) = operator.usage_at_rest().await?;
    report.seconds("CPU until all is at rest", usage.cpu);
    let requests = world.audit.requests()?;
    for (kind, count) in requests.kinds() {
        report.figure(format!("API requests: {kind}"), count as f64, "");
    }
    report.check("API requests that write", 0, requests.writes());
    report.check("reads of Secrets", 0, requests.of("get secrets"));
    check_calls(report, "restart", &world, fleet, NONE).await
}
