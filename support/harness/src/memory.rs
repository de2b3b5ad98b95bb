//! The memory of a process, as Linux reports it.

use std::io;

/// A figure in KiB of `/proc/<process ID>/status`, such as `VmRSS`.
///
/// # Errors
/// Where the process does not run, or there is no such figure.
pub fn kibibytes(process_id: u32, name: &str) -> io::Result<u64> {
    let path = format!("/proc/{process_id}/status");
    let status = std::fs::read_to_string(&path)?;
    let figure = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let figure = figure.and_then(|figure| figure.split_whitespace().next()?.parse().ok());
    figure.ok_or_else(|| io::Error::other(format!("{path} has no {name}")))
}
