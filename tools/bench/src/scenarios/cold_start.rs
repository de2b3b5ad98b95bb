//! (b) All resources are there, then the operator starts.

use crate::error::Error;
use crate::fleet::Fleet;
use crate::report::Report;
use crate::scenarios::{GRAPH_LATENCY, RolledOut, report_requests, roll_out};
use crate::world::Programs;

/// What the design asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
}

pub(super) async fn run(
    report: &mut Report,
    programs: &Programs,
    fleet: Fleet,
    limits: Option<Limits>,
) -> Result<(), Error> {
    let RolledOut { world, operator, time, at_ready, others } =
        roll_out(report, programs, fleet, GRAPH_LATENCY, &[]).await?;
    match limits {
        Some(limits) => {
            report.figure_at_most("process start to all Ready", time.as_secs_f64(), "s", limits.seconds);
            report.figure_at_most("operator's CPU", at_ready.cpu.as_secs_f64(), "s", limits.cpu_seconds);
        }
        None => {
            report.seconds("process start to all Ready", time);
            report.seconds("operator's CPU", at_ready.cpu);
        }
    }
    report.figure("operator's peak memory", at_ready.peak, "MiB");
    report.seconds("API server's CPU", others.api_server);
    report.seconds("etcd's CPU", others.etcd);
    report.seconds("emulator's CPU", others.emulator);
    report_requests(report, &world, fleet).await?;
    operator.stop()
}
