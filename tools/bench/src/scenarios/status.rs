//! (s) The verb `status` on a whole fleet.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::fleet::Fleet;
use crate::report::Report;
use crate::scenarios::{RolledOut, roll_out};
use crate::usage::Usage;
use crate::world::{Programs, World};

/// How often the memory of the process is read.
const POLL: Duration = Duration::from_millis(5);
const LIMIT_SECONDS: f64 = 2.0;
const LIMIT_MEBIBYTES: f64 = 60.0;

pub(super) async fn run(report: &mut Report, programs: &Programs) -> Result<(), Error> {
    let RolledOut { world, operator, .. } = roll_out(report, programs, Fleet::of(2000, 5), Duration::ZERO, &[]).await?;
    operator.stop()?;
    for format in ["table", "json"] {
        let (time, peak) = status(&world, format).await?;
        report.figure_at_most(format!("status -A -o {format}"), time.as_secs_f64(), "s", LIMIT_SECONDS);
        report.figure_at_most(format!("peak memory with -o {format}"), peak, "MiB", LIMIT_MEBIBYTES);
    }
    Ok(())
}

/// Runs the verb. Returns its time and its peak memory in MiB.
async fn status(world: &World, format: &str) -> Result<(Duration, f64), Error> {
    let started = Instant::now();
    let mut process = Command::new(&world.operator)
        .args(["status", "-A", "-o", format, "--kubeconfig"])
        .arg(world.cluster.kubeconfig())
        .stdout(Stdio::null())
        .spawn()
        .map_err(Error::io("starting status"))?;
    let mut peak = 0.0_f64;
    while process.try_wait().map_err(Error::io("waiting for status"))?.is_none() {
        // A process that has just ended has no memory to read.
        peak = Usage::of(process.id()).map_or(peak, |usage| peak.max(usage.peak));
        tokio::time::sleep(POLL).await;
    }
    Ok((started.elapsed(), peak))
}
