//! The models: each of some features, and exhaustive for those.

use std::time::Duration;

use jiff::Unit;

use crate::setup::{Budget, Setup};

const NONE: Budget = Budget {
    foreign_writes: 0,
    lost_signatures: 0,
    rotations: 0,
    removals: 0,
    suspensions: 0,
    mode_changes: 0,
    sync_requests: 0,
    deletions: 0,
    crashes: 0,
    outages: 0,
    deregistrations: 0,
    lags: 0,
    lost_answers: 0,
    late_arrivals: 0,
    failed_renewals: 0,
    key_changes: 0,
    aborts: 0,
    proceeds: 0,
    steps: 0,
};

/// A number that others write to, whose signature is lost, under a process that crashes.
pub(crate) fn drift() -> Setup {
    let budget = Budget { foreign_writes: 2, lost_signatures: 1, crashes: 1, ..NONE };
    Setup::new("drift", &[&[0]]).within(budget)
}

/// Two numbers at once.
pub(crate) fn two_numbers() -> Setup {
    let budget = Budget { foreign_writes: 1, lost_signatures: 1, crashes: 1, ..NONE };
    Setup::new("two numbers", &[&[0, 1]]).within(budget)
}

/// Meta shows old answers, loses answers, and does not answer at all.
pub(crate) fn unreliable_meta() -> Setup {
    let budget = Budget { outages: 1, lags: 1, lost_answers: 1, ..NONE };
    // An outage soon lasts longer than three intervals.
    let interval = Duration::from_secs(3600);
    Setup { interval, ..Setup::new("unreliable Meta", &[&[0]]).within(budget) }
}

/// Uploads take effect long after they were sent.
pub(crate) fn late_uploads() -> Setup {
    let budget = Budget { rotations: 1, crashes: 1, lost_answers: 1, late_arrivals: 1, ..NONE };
    Setup::new("late uploads", &[&[0]]).within(budget)
}

/// Meta takes keys and does not sign them.
pub(crate) fn unregistered() -> Setup {
    let budget = Budget { lost_signatures: 1, deregistrations: 1, crashes: 1, sync_requests: 1, ..NONE };
    // Some of the waits between uploads are then longer than the interval.
    let interval = Duration::from_secs(3600);
    Setup { interval, ..Setup::new("unregistered number", &[&[0]]).within(budget) }
}

/// A new key goes to two numbers, one of which may not be able to take it.
pub(crate) fn rotation() -> Setup {
    let budget = Budget { rotations: 1, crashes: 1, deregistrations: 1, ..NONE };
    Setup::new("rotation", &[&[0, 1]]).within(budget)
}

/// Numbers whose endpoint is asked before a valid key is replaced.
fn with_endpoint(name: &'static str, numbers: &[usize], targets: usize, budget: Budget) -> Setup {
    let interval = Duration::from_secs(3 * 60);
    Setup { targets, interval, grain: Unit::Minute, ..Setup::new(name, &[numbers]).within(budget) }
}

/// Two pods get a new key by and by, or in place of the old one, or lose one again.
pub(crate) fn endpoint() -> Setup {
    let budget = Budget { rotations: 1, key_changes: 2, ..NONE };
    with_endpoint("endpoint", &[0], 2, budget)
}

/// The endpoint and the Secret change under a process that crashes.
pub(crate) fn endpoint_crash() -> Setup {
    let budget = Budget { rotations: 1, key_changes: 1, crashes: 1, ..NONE };
    with_endpoint("endpoint and a crash", &[0], 1, budget)
}

/// A number loses its signature while the endpoint changes.
pub(crate) fn endpoint_drift() -> Setup {
    let budget = Budget { rotations: 1, key_changes: 1, lost_signatures: 1, ..NONE };
    with_endpoint("endpoint and a lost signature", &[0], 1, budget)
}

/// Two numbers, between which the endpoint may change.
pub(crate) fn endpoint_two_numbers() -> Setup {
    let budget = Budget { rotations: 1, key_changes: 2, ..NONE };
    with_endpoint("endpoint of two numbers", &[0, 1], 1, budget)
}

/// People stop a rotation, and let one go on.
pub(crate) fn endpoint_people() -> Setup {
    let budget = Budget { rotations: 1, key_changes: 1, aborts: 1, proceeds: 1, ..NONE };
    with_endpoint("endpoint and people", &[0], 1, budget)
}

/// The key changes again, or comes back, while the endpoint follows.
pub(crate) fn endpoint_rotations() -> Setup {
    let budget = Budget { rotations: 2, key_changes: 1, ..NONE };
    with_endpoint("endpoint and two rotations", &[0], 1, budget)
}

/// The Secret goes and comes back while the key changes.
pub(crate) fn missing_secret() -> Setup {
    let budget = Budget { rotations: 1, removals: 1, crashes: 1, lost_signatures: 1, ..NONE };
    Setup::new("missing Secret", &[&[0]]).within(budget)
}

/// A resource is suspended, resumed, observed and enforced.
pub(crate) fn modes() -> Setup {
    let budget = Budget { suspensions: 2, mode_changes: 1, rotations: 1, ..NONE };
    Setup::new("modes", &[&[0]]).within(budget)
}

/// Someone else keeps replacing the key.
pub(crate) fn contested() -> Setup {
    let budget = Budget { foreign_writes: 4, ..NONE };
    Setup::new("contested number", &[&[0]]).within(budget)
}

/// Two resources, one of which must not touch the number.
pub(crate) fn ownership() -> Setup {
    let budget = Budget { suspensions: 1, mode_changes: 1, ..NONE };
    Setup::new("ownership", &[&[0], &[0]]).within(budget)
}

/// The same, where one resource has a number of its own besides.
pub(crate) fn shared_and_own_number() -> Setup {
    Setup::new("shared and own number", &[&[0, 1], &[0]]).within(Budget { mode_changes: 1, ..NONE })
}

/// The owner goes, and the keys change, also to the same one.
pub(crate) fn succession() -> Setup {
    let budget = Budget { deletions: 1, rotations: 1, ..NONE };
    Setup::new("succession", &[&[0], &[0]]).within(budget)
}

/// Two processes compete for the Lease, and stall at any moment.
fn two_processes(name: &'static str, faults: Budget) -> Setup {
    Setup { replicas: 2, ..Setup::new(name, &[&[0]]).within(Budget { steps: 3, ..faults }) }
}

/// Nothing but stalls.
pub(crate) fn replicas() -> Setup {
    two_processes("replicas", NONE)
}

/// One of them ends at any moment.
pub(crate) fn replica_crash() -> Setup {
    two_processes("replicas, one of which crashes", Budget { crashes: 1, ..NONE })
}

/// Someone else writes to the number.
pub(crate) fn replica_drift() -> Setup {
    two_processes("replicas and a foreign write", Budget { foreign_writes: 1, ..NONE })
}

/// A request about the Lease fails.
pub(crate) fn replica_renewal() -> Setup {
    two_processes("replicas and a failed renewal", Budget { failed_renewals: 1, ..NONE })
}
