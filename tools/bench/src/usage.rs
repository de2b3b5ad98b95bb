//! What a process has used, as Linux reports it.

use std::time::{Duration, Instant};

use harness::memory;

use crate::error::Error;

const POLL: Duration = Duration::from_millis(250);
/// Memory is at rest once it has not moved for this long.
const REST: Duration = Duration::from_secs(15);
/// Smaller moves are noise.
const NOISE: f64 = 0.125;
const PATIENCE: Duration = Duration::from_secs(120);

/// CPU time and memory of a process, the latter in MiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// In user and system mode, all threads together, in steps of 10 ms.
    pub(crate) cpu: Duration,
    /// Resident memory.
    pub(crate) resident: f64,
    /// The anonymous part of it: heap and stacks, without the pages of the binary.
    pub(crate) anonymous: f64,
    /// The most that was ever resident.
    pub(crate) peak: f64,
}

impl Usage {
    /// As it is now.
    pub(crate) fn of(process_id: u32) -> Result<Self, Error> {
        let mebibytes = |name: &str| {
            let figure = memory::kibibytes(process_id, name).map_err(Error::io("reading the memory of a process"));
            figure.map(|kibibytes| kibibytes as f64 / 1024.0)
        };
        Ok(Self {
            cpu: cpu(process_id)?,
            resident: mebibytes("VmRSS")?,
            anonymous: mebibytes("RssAnon")?,
            peak: mebibytes("VmHWM")?,
        })
    }

    /// The usage once memory is at rest. The flag is false if memory did not come to rest.
    pub(crate) async fn at_rest(process_id: u32) -> Result<(Self, bool), Error> {
        let start = Instant::now();
        let mut since = start;
        let mut reference = Self::of(process_id)?;
        loop {
            tokio::time::sleep(POLL).await;
            let now = Self::of(process_id)?;
            if (now.resident - reference.resident).abs() > NOISE {
                (since, reference) = (Instant::now(), now);
            }
            if since.elapsed() >= REST || start.elapsed() > PATIENCE {
                return Ok((now, since.elapsed() >= REST));
            }
        }
    }
}

/// CPU time of a process.
pub(crate) fn cpu(process_id: u32) -> Result<Duration, Error> {
    let file = format!("/proc/{process_id}/stat");
    let stat = std::fs::read_to_string(&file).map_err(Error::io(format!("reading {file}")))?;
    // The program's name in parentheses may hold anything; utime and stime are the 12th and 13th field after it.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_whitespace());
    let ticks: Vec<f64> =
        fields.into_iter().flatten().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    let [user, system] = ticks[..] else { return Err(Error::Unreadable { file }) };
    Ok(Duration::from_secs_f64((user + system) / rustix::param::clock_ticks_per_second() as f64))
}
