//! The `process_*` metrics from `/proc`. Linux only: on other systems these metrics are absent.

use std::sync::LazyLock;
use std::{fmt, fs};

use super::openmetrics::Page;
use crate::metrics::catalog;

/// Clock ticks per second in `/proc`: `USER_HZ`, which is 100 on every platform that the operator is built for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Start of the machine, in Unix time.
static BOOT_TIME: LazyLock<Option<f64>> =
    LazyLock::new(|| value_after(&fs::read_to_string("/proc/stat").ok()?, "btime "));

pub(super) struct Process {
    cpu_seconds: f64,
    resident_bytes: f64,
    virtual_bytes: f64,
    open_fds: u64,
    max_fds: Option<f64>,
    start_seconds: Option<f64>,
}

impl Process {
    /// See proc(5).
    pub(super) fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The command's name, in parentheses, may contain anything. The third field comes after it.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let limits = fs::read_to_string("/proc/self/limits").ok()?;
        Some(Self {
            cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS_PER_SECOND,
            resident_bytes: value_after(&status, "VmRSS:")? * 1024.0,
            virtual_bytes: value_after(&status, "VmSize:")? * 1024.0,
            // Without the descriptor that reads the directory.
            open_fds: (fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1),
            max_fds: value_after(&limits, "Max open files"),
            start_seconds: BOOT_TIME.zip(ticks(22)).map(|(boot, ticks)| boot + ticks / TICKS_PER_SECOND),
        })
    }

    pub(super) fn encode(&self, page: &mut Page<'_>) -> fmt::Result {
        page.counter(&catalog::CPU, self.cpu_seconds)?;
        page.gauge(&catalog::RESIDENT_MEMORY, &self.resident_bytes)?;
        page.gauge(&catalog::VIRTUAL_MEMORY, &self.virtual_bytes)?;
        page.gauge(&catalog::OPEN_FDS, &self.open_fds)?;
        self.max_fds.map_or(Ok(()), |max_fds| page.gauge(&catalog::MAX_FDS, &max_fds))?;
        self.start_seconds.map_or(Ok(()), |start| page.gauge(&catalog::START_TIME, &start))
    }
}

/// The number after the text `start` at the start of a line.
fn value_after(lines: &str, start: &str) -> Option<f64> {
    let rest = lines.lines().find_map(|line| line.strip_prefix(start))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_process_knows_itself() {
        let process = Process::read().unwrap();
        assert!(process.resident_bytes > 1e6 && process.virtual_bytes >= process.resident_bytes);
        assert!(process.open_fds >= 3 && process.max_fds.unwrap() >= process.open_fds as f64);
        let age = jiff::Timestamp::now().as_second() as f64 - process.start_seconds.unwrap();
        assert!((-2.0..3600.0).contains(&age), "started {age} s ago");
        assert!(process.cpu_seconds < 3600.0);
    }

    #[test]
    fn values_are_found_by_their_line() {
        let text = "VmPeak: 12 kB\nVmRSS:\t  34 kB\nMax open files   1024   4096  files\nbtime 99\n";
        assert_eq!(value_after(text, "VmRSS:"), Some(34.0));
        assert_eq!(value_after(text, "Max open files"), Some(1024.0));
        assert_eq!(value_after(text, "btime "), Some(99.0));
        assert_eq!(value_after("Max open files unlimited", "Max open files"), None);
    }
}
