//! The reads of one reconcile that are still to be made.

use std::collections::VecDeque;

/// Calls to Meta for one resource that run side by side. A call takes a quarter of a second, so that a resource of 500
/// numbers is read in 15 s; more would let one resource use up the connections and the rate limit of all.
pub(crate) const PARALLEL_CALLS: usize = 8;

/// The numbers to read, or the accounts to list.
#[derive(Debug, Clone, Default)]
pub(super) struct Reads {
    /// Their positions in the observation.
    waiting: VecDeque<usize>,
    under_way: usize,
    /// Unless the credentials are trusted, the first call goes alone: what refuses the first would refuse all.
    has_answer: bool,
}

impl Reads {
    /// The reads at these positions, none of them begun.
    pub(super) fn of(waiting: VecDeque<usize>) -> Self {
        Self { waiting, ..Self::default() }
    }

    /// Lets all reads begin together.
    pub(super) fn trust(&mut self) {
        self.has_answer = true;
    }

    pub(super) fn next(&mut self, is_revoked: bool) -> Option<usize> {
        let limit = if self.has_answer { PARALLEL_CALLS } else { 1 };
        if is_revoked || self.under_way >= limit {
            return None;
        }
        let position = self.waiting.pop_front()?;
        self.under_way += 1;
        Some(position)
    }

    pub(super) fn is_over(&self, is_revoked: bool) -> bool {
        self.under_way == 0 && (is_revoked || self.waiting.is_empty())
    }

    pub(super) fn note_result(&mut self) {
        (self.under_way, self.has_answer) = (self.under_way.saturating_sub(1), true);
    }
}
