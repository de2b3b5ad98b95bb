//! (g) Secrets that no resource refers to.

use std::time::Duration;

use crate::error::Error;
use crate::fleet::{Fleet, create_namespace, create_secrets, secret};
use crate::operator::{Operator, UNBOUNDED};
use crate::report::Report;
use crate::scenarios::{RolledOut, roll_out};
use crate::usage::Usage;
use crate::world::{Programs, World};

const SECRETS: usize = 5000;
const BYTES: usize = 100_000;
const NAMESPACE: &str = "unrelated";
const LIMIT_MIB: f64 = 2.0;

pub(super) async fn run(report: &mut Report, programs: &Programs) -> Result<(), Error> {
    let fleet = Fleet::of(200, 10);
    let RolledOut { world, operator, .. } = roll_out(report, programs, fleet, Duration::ZERO, &[]).await?;
    operator.stop()?;
    let without = usage_after_restart(&world).await?;
    create_namespace(&world.client, NAMESPACE).await?;
    let value = vec![b'x'; BYTES];
    let secrets = (0..SECRETS).map(|index| secret(&format!("unrelated-{index:05}"), "value", &value));
    create_secrets(&world.client, NAMESPACE, secrets).await?;
    let with = usage_after_restart(&world).await?;

    report.figure("at rest without them", without.resident, "MiB");
    report.figure_at_most("extra at rest with them", with.resident - without.resident, "MiB", LIMIT_MIB);
    report.figure("of it anonymous", with.anonymous - without.anonymous, "MiB");
    report.figure("peak without them", without.peak, "MiB");
    report.figure_at_most("extra peak with them", with.peak - without.peak, "MiB", LIMIT_MIB);
    report.seconds("CPU without them", without.cpu);
    report.seconds("CPU with them", with.cpu);
    Ok(())
}

async fn usage_after_restart(world: &World) -> Result<Usage, Error> {
    let mut operator = Operator::start(world, &UNBOUNDED)?;
    operator.until_ready().await?;
    let (usage, _) = operator.usage_at_rest().await?;
    operator.stop()?;
    Ok(usage)
}
