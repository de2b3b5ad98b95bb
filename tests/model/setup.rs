//! What a model is made of, and how much may go wrong in it.

use std::time::Duration;

use jiff::Unit;
use waflows_core::schedule::backoff::Waits;
use waflows_operator::leader::Timing;

/// One model.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    /// The numbers that each resource lists.
    pub(crate) resources: Vec<Vec<usize>>,
    pub(crate) numbers: usize,
    /// Two compete for the Lease; one is alone.
    pub(crate) replicas: usize,
    /// Pods of the Flow endpoint; none for resources without `endpoint`.
    pub(crate) targets: usize,
    /// The check interval.
    pub(crate) interval: Duration,
    /// Time goes by in whole units of this. A coarse one keeps the states few where there are many timers.
    pub(crate) grain: Unit,
    pub(crate) budget: Budget,
    /// What is broken on purpose.
    pub(crate) mutation: Option<Mutation>,
}

/// How often each of these may happen, in any order and at any moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// Someone else writes a key of theirs to a number.
    pub(crate) foreign_writes: u8,
    /// Meta loses its signature over a number's key.
    pub(crate) lost_signatures: u8,
    /// The key in the Secret changes.
    pub(crate) rotations: u8,
    /// The Secret goes, and comes back.
    pub(crate) removals: u8,
    /// A resource is suspended or resumed.
    pub(crate) suspensions: u8,
    /// A resource changes its mode.
    pub(crate) mode_changes: u8,
    /// The annotation asks for a check.
    pub(crate) sync_requests: u8,
    /// A resource is deleted.
    pub(crate) deletions: u8,
    /// A process ends at any moment, and another starts in its place.
    pub(crate) crashes: u8,
    /// Calls about a number fail for a while.
    pub(crate) outages: u8,
    /// A number loses its registration: Meta takes keys and does not sign them.
    pub(crate) deregistrations: u8,
    /// Meta shows for a while what was before an upload.
    pub(crate) lags: u8,
    /// The answer to an upload is lost, or the client stops waiting for it.
    pub(crate) lost_answers: u8,
    /// An upload takes effect after its sender has stopped waiting for it, or has ended.
    pub(crate) late_arrivals: u8,
    /// A renewal of the Lease fails, with or without effect.
    pub(crate) failed_renewals: u8,
    /// A pod of the endpoint gets a key, loses one, or exchanges one for the other.
    pub(crate) key_changes: u8,
    /// The annotation asks to stop the rotation.
    pub(crate) aborts: u8,
    /// The annotation asks to go on with the rotation.
    pub(crate) proceeds: u8,
    /// Steps of five seconds that go by while processes have work to do; only with two of them.
    pub(crate) steps: u8,
}

/// A fault of the operator, to see that the model finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// Nobody asks who owns a number.
    IgnoreOwnership,
    /// Mode Observe is taken for Enforce.
    IgnoreMode,
    /// A reconcile goes on though its resource has changed.
    IgnoreChanges,
    /// The end of a term is ignored.
    IgnoreExpiry,
    /// A leader that lost the Lease still writes.
    WriteAsFollower,
    /// Every answer of the endpoint counts as a proof.
    IgnoreEndpoint,
    /// The endpoint is asked once in the life of a process.
    ProbeOnce,
    /// A new key goes to all numbers at once.
    SkipCanary,
    /// An upload that was answered counts as VALID.
    TrustUploads,
    /// The status forgets how many uploads had no effect.
    ForgetAttempts,
    /// Whatever was read is uploaded.
    UploadAlways,
    /// Ready stays as it was.
    KeepReady,
    /// A condition is added to the other.
    StallWhileReconciling,
    /// No reconcile sets a time for the next.
    ForgetNextReconcile,
}

impl Setup {
    /// A model of one process in which nothing goes wrong.
    pub(crate) fn new(name: &'static str, resources: &[&[usize]]) -> Self {
        let numbers = resources.iter().flat_map(|numbers| numbers.iter()).max().map_or(0, |most| most + 1);
        Self {
            name,
            resources: resources.iter().map(|numbers| numbers.to_vec()).collect(),
            numbers,
            replicas: 1,
            targets: 0,
            // The window in which replaced keys count is then four intervals, not 24.
            interval: Duration::from_secs(6 * 3600),
            // Stored times have no fractions of a second.
            grain: Unit::Second,
            budget: Budget::default(),
            mutation: None,
        }
    }

    /// The same with this budget of faults.
    pub(crate) fn within(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// The same, but every kind of fault may happen once more.
    pub(crate) fn widened(mut self) -> Self {
        let Budget {
            foreign_writes,
            lost_signatures,
            rotations,
            removals,
            suspensions,
            mode_changes,
            sync_requests,
            deletions,
            crashes,
            outages,
            deregistrations,
            lags,
            lost_answers,
            late_arrivals,
            failed_renewals,
            key_changes,
            aborts,
            proceeds,
            steps,
        } = &mut self.budget;
        let faults = [foreign_writes, lost_signatures, rotations, removals, suspensions, mode_changes, sync_requests];
        let ends = [deletions, crashes, outages, deregistrations, lags, lost_answers, late_arrivals];
        for count in faults.into_iter().chain(ends).chain([failed_renewals, key_changes, aborts, proceeds, steps]) {
            *count += u8::from(*count > 0);
        }
        self
    }

    /// The same with a fault of the operator.
    pub(crate) fn broken(mut self, mutation: Mutation) -> Self {
        self.mutation = Some(mutation);
        self
    }

    /// Whether the operator has this fault.
    pub(crate) fn has(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// The operator's own waits.
    pub(crate) fn waits(&self) -> Waits {
        Waits::default()
    }

    /// The operator's own timing.
    pub(crate) fn timing(&self) -> Timing {
        Timing::new(Duration::from_secs(15), Duration::from_secs(10)).unwrap()
    }
}
