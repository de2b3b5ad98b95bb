//! (k) Many keys that take much memory to open, at once.

use std::time::Duration;

use crate::error::Error;
use crate::fleet::Fleet;
use crate::graph::Link;
use crate::report::Report;
use crate::scenarios::keys::{PASSPHRASE, SCRYPT, encrypted};
use crate::scenarios::roll_out_in;
use crate::world::{Programs, World};

const KEYS: usize = 40;
const LIMIT_MIB: f64 = 64.0;

pub(super) async fn run(report: &mut Report, programs: &Programs) -> Result<(), Error> {
    let fleet = Fleet { passphrase: Some(PASSPHRASE), ..Fleet::of(KEYS, 1) };
    let mut world = World::set_up(programs, Link::from(Duration::ZERO)).await?;
    world.key.private_pem = encrypted(&world.key, SCRYPT)?;
    fleet.create(&world.client, &world.key).await?;
    let rolled_out = roll_out_in(report, world, fleet, &[]).await?;
    report.seconds("process start to all Ready", rolled_out.time);
    report.figure_at_most("peak", rolled_out.at_ready.peak, "MiB", LIMIT_MIB);
    rolled_out.operator.stop()
}
