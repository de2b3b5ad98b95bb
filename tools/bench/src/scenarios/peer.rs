//! (p) The same rollout by this operator, and by a lean operator with controller-runtime in Go (`tools/bench/peer`).

use crate::error::Error;
use crate::fleet::Fleet;
use crate::report::Report;
use crate::scenarios::{GRAPH_LATENCY, roll_out};
use crate::world::Programs;

/// The most that this operator may take, as a share of what the other operator takes.
const LIMITS: [(&str, f64); 3] = [("time", 0.6), ("CPU", 0.4), ("resident memory", 0.45)];

pub(super) async fn run(report: &mut Report, programs: &Programs) -> Result<(), Error> {
    let peer = Programs { operator: programs.peer.clone(), ..programs.clone() };
    let ours = measure(report, "operator", programs).await?;
    let theirs = measure(report, "peer", &peer).await?;
    for (n, (what, limit)) in LIMITS.into_iter().enumerate() {
        report.figure_at_most(format!("operator / peer: {what}"), ours[n] / theirs[n], "", limit);
    }
    Ok(())
}

/// Time, CPU and resident memory of a rollout, once all resources are Ready.
async fn measure(report: &mut Report, name: &str, programs: &Programs) -> Result<[f64; 3], Error> {
    let rolled_out = roll_out(report, programs, Fleet::of(2000, 5), GRAPH_LATENCY, &[]).await?;
    let (time, usage) = (rolled_out.time, rolled_out.at_ready);
    report.seconds(format!("{name}: process start to all Ready"), time);
    report.seconds(format!("{name}: CPU"), usage.cpu);
    report.figure(format!("{name}: resident memory"), usage.resident, "MiB");
    report.figure(format!("{name}: peak"), usage.peak, "MiB");
    report.seconds(format!("{name}: API server's CPU"), rolled_out.others.api_server);
    rolled_out.operator.stop()?;
    Ok([time.as_secs_f64(), usage.cpu.as_secs_f64(), usage.resident])
}
