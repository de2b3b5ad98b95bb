//! Where the figures come from.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::error::Error;

/// The machine, and the versions of what was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    date: String,
    cores: usize,
    processor: String,
    memory_gib: f64,
    kernel: String,
    /// The load of the last minute before the start. Above 0.1 something else was at work, and times are too long.
    load_average: f64,
    operator: String,
    commit: String,
}

impl Machine {
    /// Describes the machine and the operator's binary.
    pub(crate) fn describe(operator: &Path) -> Result<Self, Error> {
        let proc = |file: &str| std::fs::read_to_string(file).map_err(Error::io(format!("reading {file}")));
        let cpu = proc("/proc/cpuinfo")?;
        let processor = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
        let memory = proc("/proc/meminfo")?;
        let memory_kib: Option<f64> = memory.split_whitespace().nth(1).and_then(|kib| kib.parse().ok());
        Ok(Self {
            date: jiff::Timestamp::now().strftime("%F %R UTC").to_string(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: processor.unwrap_or("unknown").to_owned(),
            memory_gib: (memory_kib.unwrap_or_default() / 1024.0 / 1024.0).round(),
            kernel: proc("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load_average: load_average()?,
            operator: said_by(Command::new(operator).arg("--version")),
            commit: said_by(Command::new("git").args(["describe", "--always", "--dirty"])),
        })
    }

    /// Prints it.
    pub(crate) fn print(&self) {
        let Self { date, cores, processor, memory_gib, kernel, load_average, operator, commit, .. } = self;
        println!("{operator} ({commit}), {date}");
        println!("{cores} cores of {processor}, {memory_gib} GiB, Linux {kernel}, load average {load_average}");
    }
}

/// How many processes wanted to run, on the average of the last minute.
pub(crate) fn load_average() -> Result<f64, Error> {
    let file = "/proc/loadavg";
    let load = std::fs::read_to_string(file).map_err(Error::io(format!("reading {file}")))?;
    let load = load.split(' ').next().and_then(|load| load.parse().ok());
    load.ok_or_else(|| Error::Unreadable { file: file.to_owned() })
}

fn said_by(command: &mut Command) -> String {
    let output = command.output().ok().filter(|output| output.status.success());
    output.map_or("unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
