//! (d) Memory, and the CPU time that goes with it: after a rollout, and after a restart that finds nothing to do.

use std::time::Duration;

use crate::error::Error;
use crate::fleet::Fleet;
use crate::graph::Link;
use crate::operator::{Operator, UNBOUNDED};
use crate::report::Report;
use crate::scenarios::{RolledOut, roll_out};
use crate::world::Programs;

/// What the design asks for, in MiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) resident: f64,
    pub(crate) anonymous: Option<f64>,
}

/// The peak, as a multiple of what stays.
const PEAK_LIMIT: f64 = 1.3;

pub(super) async fn run(
    report: &mut Report,
    programs: &Programs,
    fleet: Fleet,
    limits: Limits,
    is_http2: bool,
) -> Result<(), Error> {
    let link = Link { latency: Duration::ZERO, is_http2 };
    let RolledOut { world, mut operator, time, .. } = roll_out(report, programs, fleet, link, &[]).await?;
    operator.until_ready().await?;
    if fleet.resources > 0 {
        report.seconds("rollout: start to all Ready", time);
    }
    report_usage(report, "rollout", &operator, limits).await?;
    operator.stop()?;

    let mut operator = Operator::start(&world, &UNBOUNDED)?;
    report.seconds("restart: start to readyz", operator.until_ready().await?);
    report_usage(report, "restart", &operator, limits).await
}

async fn report_usage(report: &mut Report, phase: &str, operator: &Operator, limits: Limits) -> Result<(), Error> {
    let (usage, is_at_rest) = operator.usage_at_rest().await?;
    report.figure_at_most(format!("{phase}: resident memory at rest"), usage.resident, "MiB", limits.resident);
    let anonymous = format!("{phase}: of it anonymous");
    match limits.anonymous {
        Some(limit) => report.figure_at_most(anonymous, usage.anonymous, "MiB", limit),
        None => report.figure(anonymous, usage.anonymous, "MiB"),
    }
    report.figure(format!("{phase}: peak"), usage.peak, "MiB");
    report.figure_at_most(format!("{phase}: peak, multiple"), usage.peak / usage.resident, "x", PEAK_LIMIT);
    report.seconds(format!("{phase}: CPU"), usage.cpu);
    report.check(format!("{phase}: memory comes to rest"), true, is_at_rest);
    Ok(())
}
