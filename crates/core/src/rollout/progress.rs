//! Whether a round has done all it may. Pure.

use super::outcome::Outcome;
use crate::observation::Observation;
use crate::rollout::plan::Plan;

/// Whether a round is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It goes on, or was cut short and another one follows; the status tells how far it came.
    Underway,
    /// It came to its end.
    Finished,
}

impl Progress {
    /// Of a round that has done all it may. One that lost its write fence was cut short, unless nothing was left to do.
    pub fn of(is_permitted: bool, observation: &Observation, plan: &Plan, outcomes: &[Outcome]) -> Self {
        let is_complete = outcomes.len() == plan.uploads.len()
            && !observation.numbers.iter().any(|number| observation.was_skipped(number));
        if is_permitted || is_complete { Self::Finished } else { Self::Underway }
    }
}
