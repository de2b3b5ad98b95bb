//! The size of what is shipped.

use crate::error::Error;
use crate::report::Report;
use crate::world::Programs;

const LIMIT_MIB: f64 = 15.0;

pub(super) fn run(report: &mut Report, programs: &Programs) -> Result<(), Error> {
    let path = &programs.operator;
    let metadata = std::fs::metadata(path).map_err(Error::io(format!("reading {}", path.display())))?;
    report.figure_at_most("waflows-operator, stripped", metadata.len() as f64 / 1024.0 / 1024.0, "MiB", LIMIT_MIB);
    Ok(())
}
