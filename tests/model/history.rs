//! What an observer of the whole world remembers, in order to judge the operator.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::objects::{FOREIGN, key_number};
use crate::setup::Setup;
use crate::world::{Shown, World};

/// What must never happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Violation {
    /// A process began an upload while another held the Lease.
    UploadOfFollower,
    /// A process wrote a status while another held the Lease.
    WriteOfFollower,
    /// An upload began for a resource that does not own the number.
    UploadOfOther,
    /// An upload began for a resource that is suspended, deleted or in mode Observe.
    ForbiddenUpload,
    /// An upload began of a key that is no longer the one in the Secret.
    UploadOfOldKey,
    /// An upload began that nothing called for, or too soon after the one before.
    NeedlessUpload,
    /// A valid key was replaced by a key that the endpoint was not proven to open.
    UnprovenKey,
    /// A key went to a second number while the first one that held it was not VALID.
    UntriedKey,
    /// Ready was written as True though the last answer of some number did not show the key as VALID.
    FalseReady,
    /// Reconciling and Stalled were written together.
    ReconcilingAndStalled,
}

/// What happened so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct History {
    /// For each resource and number: the last answer to its reads.
    pub(crate) last_answers: Vec<Vec<Option<Shown>>>,
    /// For each resource: the keys that some number showed as VALID.
    pub(crate) proven: Vec<BTreeSet<usize>>,
    /// For each number.
    pub(crate) efforts: Vec<Effort>,
    pub(crate) violations: BTreeSet<Violation>,
    /// How many processes were started anew.
    pub(crate) lives: u8,
}

/// The uploads to a number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Effort {
    /// Uploads that the events around the number call for.
    pub(crate) called_for: u8,
    /// The last upload.
    pub(crate) last: Option<(usize, Timestamp)>,
    /// Uploads in a row that had only one reason: the upload before had no effect.
    pub(crate) repeats: u8,
}

/// The wait of the design: a minute, doubling.
fn wait_if_shown(repeats: u8) -> Duration {
    Duration::from_secs(60 << repeats.min(8))
}

/// The wait of the design: five seconds, doubling.
fn wait_if_not_shown(repeats: u8) -> Duration {
    Duration::from_secs(5 << repeats.min(5))
}

/// In milliseconds. After this time an upload delays no other.
pub(crate) fn longest_wait(repeats: u8) -> i64 {
    i64::try_from(wait_if_shown(repeats).as_millis()).unwrap()
}

/// Repeats count up to here: the backoff is at its bound.
const MOST_REPEATS: u8 = 10;
const MOST_CALLED_FOR: u8 = 3;

impl History {
    pub(crate) fn new(setup: &Setup) -> Self {
        let effort = Effort { called_for: 1, ..Effort::default() };
        Self {
            last_answers: vec![vec![None; setup.numbers]; setup.resources.len()],
            proven: vec![BTreeSet::new(); setup.resources.len()],
            efforts: vec![effort; setup.numbers],
            violations: BTreeSet::new(),
            lives: 0,
        }
    }

    /// Notes an answer to a read.
    pub(crate) fn note_answer(&mut self, x: usize, number: usize, key: Option<usize>, signed: bool) {
        self.last_answers[x][number] = Some((key, signed));
        self.proven[x].extend(key.filter(|_| signed));
    }

    /// Something happened that calls for one more upload to the number.
    pub(crate) fn call_for(&mut self, number: usize) {
        let effort = &mut self.efforts[number];
        effort.called_for = (effort.called_for + 1).min(MOST_CALLED_FOR);
    }

    /// The same for all numbers.
    pub(crate) fn call_for_all(&mut self) {
        (0..self.efforts.len()).for_each(|number| self.call_for(number));
    }
}

impl World {
    /// Notes an upload that begins, and its violations.
    pub(crate) fn judge_upload(&mut self, replica: usize, x: usize, number: usize, key: usize) {
        let found = [
            (self.is_follower(replica), Violation::UploadOfFollower),
            (self.owner(number).is_some_and(|owner| owner != x), Violation::UploadOfOther),
            (!self.may_upload(x), Violation::ForbiddenUpload),
            (self.keys[x].0 != Some(key) && !self.keeps_old_key(x, key), Violation::UploadOfOldKey),
            (self.is_unproven(replica, x, number, key), Violation::UnprovenKey),
            (self.is_needless(x, number, key), Violation::NeedlessUpload),
            (self.is_untried(x, number, key), Violation::UntriedKey),
        ];
        self.history.violations.extend(found.into_iter().filter(|(is_so, _)| *is_so).map(|(_, violation)| violation));
        self.count_upload(number, key);
    }

    /// Whether the Lease names another process.
    pub(crate) fn is_follower(&self, replica: usize) -> bool {
        let prefix = format!("{replica}-");
        let holder = self.lease.as_ref().and_then(|lease| lease.holder.as_deref());
        self.replicas.len() > 1 && !holder.is_some_and(|holder| holder.starts_with(&prefix))
    }

    fn may_upload(&self, x: usize) -> bool {
        self.resources[x].as_ref().is_some_and(|resource| {
            resource.spec.mode == waflows_core::api::crd::Mode::Enforce && !resource.spec.is_suspended()
        })
    }

    /// The resource whose stored claim on the number is the earliest of those that may upload.
    pub(crate) fn owner(&self, number: usize) -> Option<usize> {
        let claims = (0..self.resources.len()).filter(|x| self.may_upload(*x)).filter_map(|x| {
            let status = self.resources[x].as_ref()?.status.as_ref()?;
            let has_bad_key =
                status.conditions.iter().any(|condition| condition.type_ == "KeyLoaded" && condition.status == "False");
            let id = crate::objects::id(number);
            let stored = status.phone_numbers.iter().find(|stored| stored.phone_number_id == id)?;
            // A suspended resource has given up its numbers.
            let counts = !has_bad_key && status.suspended_since.is_none();
            (counts && self.listed(x).any(|n| n == number)).then_some((stored.owned_since.as_ref()?.0, x))
        });
        // Names are in the order of the resources.
        claims.min().map(|(_, x)| x)
    }

    /// Whether the numbers should hold this key for now, whatever is in the Secret.
    fn keeps_old_key(&self, x: usize, key: usize) -> bool {
        let rotation = self.resources[x].as_ref().and_then(|resource| resource.status.as_ref()?.rotation.as_ref());
        rotation.is_some_and(|it| it.phase.keeps_old_key() && key_number(&it.from) == Some(key))
    }

    /// Whether the number last showed another valid key, and the process has no proof that the endpoint opens this key.
    fn is_unproven(&self, replica: usize, x: usize, number: usize, key: usize) -> bool {
        let has_other =
            self.history.last_answers[x][number].is_some_and(|(shown, signed)| signed && shown != Some(key));
        !self.targets.is_empty() && has_other && !self.replicas[replica].probing[x].has_proven(key)
    }

    fn is_needless(&self, x: usize, number: usize, key: usize) -> bool {
        let effort = &self.history.efforts[number];
        if self.history.last_answers[x][number] == Some((Some(key), true)) {
            return true;
        }
        if effort.called_for > 0 {
            return false;
        }
        let Some((last, at)) = effort.last.filter(|(last, _)| *last == key) else { return false };
        let shows_it = self.history.last_answers[x][number].is_some_and(|(shown, _)| shown == Some(last));
        self.since(at) < if shows_it { wait_if_shown(effort.repeats) } else { wait_if_not_shown(effort.repeats) }
    }

    fn count_upload(&mut self, number: usize, key: usize) {
        let effort = &mut self.history.efforts[number];
        if effort.called_for > 0 {
            (effort.called_for, effort.repeats) = (effort.called_for - 1, 0);
        } else if effort.last.is_some_and(|(last, _)| last == key) {
            effort.repeats = (effort.repeats + 1).min(MOST_REPEATS);
        }
        effort.last = Some((key, self.now));
    }

    /// Whether another number of the resource holds the key without a signature, now or in its last answer, and no
    /// number has shown the key as VALID.
    fn is_untried(&self, x: usize, number: usize, key: usize) -> bool {
        let is_unsigned = |n: usize| {
            let line = &self.lines[n];
            (line.key, line.signed) == (Some(key), false) || self.history.last_answers[x][n] == Some((Some(key), false))
        };
        !self.history.proven[x].contains(&key) && self.listed(x).filter(|n| *n != number).any(is_unsigned)
    }

    /// Notes a status that is stored, and its violations.
    pub(crate) fn judge_status(&mut self, replica: usize, x: usize) {
        let Some(resource) = &self.resources[x] else { return };
        let Some(status) = &resource.status else { return };
        let is = |kind: &str| status.conditions.iter().any(|c| c.type_ == kind && c.status == "True");
        let shows = status.public_key_fingerprint.as_deref().and_then(key_number);
        let has_shown_it = |id: &String| {
            let number = id.parse::<usize>().unwrap();
            shows.is_some_and(|key| key != FOREIGN && self.history.last_answers[x][number] == Some((Some(key), true)))
        };
        let is_proven =
            status.phone_numbers.iter().map(|number| &number.phone_number_id).eq(&resource.spec.phone_number_ids)
                && resource.spec.phone_number_ids.iter().all(has_shown_it);
        // A suspended resource keeps its last Ready.
        let is_false = is("Ready") && !is_proven && !resource.spec.is_suspended();
        let found = [
            (self.is_follower(replica), Violation::WriteOfFollower),
            (is_false, Violation::FalseReady),
            (is("Reconciling") && is("Stalled"), Violation::ReconcilingAndStalled),
        ];
        self.history.violations.extend(found.into_iter().filter(|(is_so, _)| *is_so).map(|(_, violation)| violation));
    }
}
