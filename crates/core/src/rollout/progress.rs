//! Whether a reconcile is complete. Pure.

use super::outcome::Outcome;
use crate::observation::Observation;
use crate::rollout::plan::Plan;

/// Progress of a reconcile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The reconcile is running, or was interrupted and another one follows. The status shows the work done so far.
    Underway,
    /// The reconcile is complete.
    Finished,
}

impl Progress {
    /// The progress at the end of a reconcile. `is_permitted` is false if the reconcile lost its write fence: then it
    /// is complete only if nothing was left to do.
    pub fn of(is_permitted: bool, observation: &Observation, plan: &Plan, outcomes: &[Outcome]) -> Self {
        let is_complete = outcomes.len() == plan.uploads.len()
            && !observation.numbers.iter().any(|number| observation.was_skipped(number));
        if is_permitted || is_complete { Self::Finished } else { Self::Underway }
    }
}
