//! What must hold after every fault. `broken.rs` shows that each of these complains.

use fault_proxy::UPLOADS;
use harness::memory;
use harness::state::Uploads;

use crate::job::Job;

/// A process may have so much more memory at its end than one that met no fault.
const RESIDENT_KIB: u64 = 24 * 1024;
/// How many more files and connections it may have open.
const DESCRIPTORS: usize = 6;

/// Numbers that got the key more often than without faults. There is no allowance: an operator that does not know the
/// result of an upload has to read first.
pub(crate) fn superfluous(expected: &Uploads, uploads: &Uploads) -> Option<String> {
    let more = |id: &str, count: usize| count > expected.get(id).copied().unwrap_or_default();
    let more: Vec<_> = uploads.iter().filter(|(id, count)| more(id, **count)).collect();
    (!more.is_empty()).then(|| format!("uploads: expected {expected:?}, found {more:?}"))
}

/// Whether there were more tries of uploads or statuses, successful or not, than a fault that was met so many times
/// explains. Only a fault makes the operator repeat an upload. A status may also be written once more because a
/// reconcile is cut in two, or takes long enough for a checkpoint.
pub(crate) fn tried_too_often(expected: &[String], made: &[String], met: usize) -> Option<String> {
    let count = |writes: &[String], of: &str| writes.iter().filter(|write| write.contains(of)).count();
    let bound = |of: &str| match of {
        UPLOADS => count(expected, of) + met,
        _ => 2 * count(expected, of) + 2 * met,
    };
    let of = [UPLOADS, "/status"].into_iter().find(|of| count(made, of) > bound(of))?;
    Some(format!(
        "{} writes to {of}, where {} were expected and a fault was met {met} times",
        count(made, of),
        bound(of)
    ))
}

/// The resources that a process holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Footprint {
    pub(crate) resident_kib: u64,
    pub(crate) descriptors: usize,
    /// Requests under way: to the API server (the watches) and to Meta. A task can hang only in one of these.
    pub(crate) requests: [usize; 2],
}

impl Footprint {
    pub(crate) fn of(job: &Job) -> Self {
        let requests = [job.kubernetes.open(), job.graph.open()];
        Self { requests, ..Self::of_process(job.world.operator.process_id()) }
    }

    pub(crate) fn of_process(id: u32) -> Self {
        let resident_kib = memory::kibibytes(id, "VmRSS").expect("the process runs, on Linux");
        let descriptors = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
        Self { resident_kib, descriptors, requests: [0, 0] }
    }
}

/// Whether a process holds more than one that met no fault.
pub(crate) fn growth(reference: &Footprint, now: &Footprint) -> Option<String> {
    let grew = now.resident_kib > reference.resident_kib + RESIDENT_KIB
        || now.descriptors > reference.descriptors + DESCRIPTORS
        || now.requests != reference.requests;
    grew.then(|| format!("{now:?}, where a run without faults ends with {reference:?}"))
}
