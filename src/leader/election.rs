//! The election as one candidate sees it: a state machine without clock or client.
//!
//! It keeps two candidates apart by four rules:
//!
//! 1. Every write is conditional on the version that was read: a Lease that someone else wrote meanwhile is read
//!    again.
//! 2. A candidate takes a Lease from its holder only after it saw no change of it for the duration that the holder
//!    wrote into it. Renew times are other machines' clocks and count for nothing.
//! 3. A leader leads for the renew deadline, which is shorter than that duration, from the moment it *sent* its last
//!    successful write. Whatever others see of that write, they see later.
//! 4. A Lease that vanished may have been renewed by a holder unseen before it went, so a candidate that knew one waits
//!    for as long as if it had changed. The holder itself creates it again at once.
//!
//! All times of the machine are durations since an origin of the process's choice, on a clock that never jumps.
//! Clocks of several processes may differ in everything but their speed.

use std::time::Duration;

use jiff::Timestamp;

use super::config::Timing;
use super::record::{Claim, Record};

/// Written by a candidate that gives its Lease back, as client-go does: nothing shorter is valid.
const RELEASED_SECONDS: i32 = 1;

/// One candidate. Drive it with [`Election::next`], do what it says, and tell the outcome with [`Election::handle`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Election {
    identity: String,
    timing: Timing,
    /// The Lease as last read or written.
    record: Option<Record>,
    /// Whether the Lease may have changed since, so that it is read before it is written.
    stale: bool,
    /// When the Lease may be taken if it does not change until then.
    takeable_at: Duration,
    /// The longest time for which a holder that was not seen may go on; none while no Lease was ever seen.
    vanished_wait: Option<Duration>,
    /// Not before then is the next request due.
    attempt_at: Duration,
    /// While leading: until when.
    until: Option<Duration>,
    /// Once releasing: when to give up.
    release_by: Option<Duration>,
    /// Whether the Lease may bear our name.
    claimed: bool,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read the Lease.
    Read,
    /// Create the Lease.
    Create(Claim),
    /// Replace the Lease if it still has this version.
    Replace {
        /// `metadata.resourceVersion`.
        version: String,
        /// What to write.
        claim: Claim,
    },
    /// Nothing before this time.
    Wait(Duration),
    /// The term is over: no write may start any more.
    StepDown,
    /// The Lease is released, or left to expire. Only after [`Election::release`].
    Done,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The Lease was read, or there was none to read or to replace.
    Found(Option<Record>),
    /// The Lease was written and is now like this.
    Written(Record),
    /// Someone else was faster.
    Conflict,
    /// Refused, or nobody knows whether it happened.
    Failed,
}

impl Election {
    /// A candidate that knows nothing yet.
    pub fn new(identity: String, timing: Timing) -> Self {
        Self {
            identity,
            timing,
            record: None,
            stale: true,
            takeable_at: Duration::ZERO,
            vanished_wait: None,
            attempt_at: Duration::ZERO,
            until: None,
            release_by: None,
            claimed: false,
        }
    }

    /// While this candidate leads: until when, unless it renews.
    pub fn leads_until(&self) -> Option<Duration> {
        self.until
    }

    /// Whether this candidate leads at a time, also if nothing was done for long.
    pub fn leads(&self, now: Duration) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Who else holds the Lease, as far as known.
    pub fn other_holder(&self) -> Option<&str> {
        self.record.as_ref()?.holder.as_deref().filter(|holder| *holder != self.identity)
    }

    /// Bound on a request that starts now. A leader does not wait for an answer beyond its term: by then another
    /// candidate may have led and gone.
    pub fn request_timeout(&self, now: Duration) -> Duration {
        let timeout = self.timing.request_timeout();
        self.until.map_or(timeout, |until| timeout.min(until.saturating_sub(now)))
    }

    /// From now on only gives back what is held. To be called when no write of the leader is under way any more.
    pub fn release(&mut self, now: Duration) {
        if self.release_by.is_none() {
            self.release_by = Some(now + self.timing.renew_deadline());
            self.attempt_at = now;
        }
    }

    /// What to do. May be called at any time while no request is under way; `wall` is for people who look at the
    /// Lease.
    pub fn next(&mut self, now: Duration, wall: Timestamp) -> Action {
        let over = !self.leads(now) || self.other_holder().is_some();
        if self.until.is_some() && (over || self.release_by.is_some()) {
            self.until = None;
            self.stale |= over;
            return Action::StepDown;
        }
        if let Some(release_by) = self.release_by {
            return self.next_of_release(now, release_by, wall);
        }
        if now < self.attempt_at {
            return Action::Wait(self.until.map_or(self.attempt_at, |until| until.min(self.attempt_at)));
        }
        if self.stale {
            return Action::Read;
        }
        if self.until.is_none() && now < self.takeable_at {
            self.stale = true;
            self.attempt_at = self.takeable_at.min(now + self.timing.retry_period());
            return Action::Wait(self.attempt_at);
        }
        self.claimed = true;
        self.write(self.claim(wall))
    }

    fn next_of_release(&self, now: Duration, release_by: Duration, wall: Timestamp) -> Action {
        if !self.claimed || now >= release_by {
            return Action::Done;
        }
        if now < self.attempt_at {
            return Action::Wait(release_by.min(self.attempt_at));
        }
        if self.stale {
            return Action::Read;
        }
        match &self.record {
            Some(record) if self.holds(record) => self.write(Claim {
                holder: String::new(),
                duration_seconds: RELEASED_SECONDS,
                acquired: wall,
                renewed: wall,
                transitions: record.transitions,
            }),
            _ => Action::Done,
        }
    }

    fn write(&self, claim: Claim) -> Action {
        match &self.record {
            Some(record) => Action::Replace { version: record.version.clone(), claim },
            None => Action::Create(claim),
        }
    }

    fn claim(&self, wall: Timestamp) -> Claim {
        let (acquired, transitions) = match &self.record {
            Some(record) if self.holds(record) => (record.acquired.unwrap_or(wall), record.transitions),
            Some(record) => (wall, record.transitions.saturating_add(1)),
            None => (wall, 0),
        };
        Claim {
            holder: self.identity.clone(),
            duration_seconds: whole_seconds(self.timing.lease_duration()),
            acquired,
            renewed: wall,
            transitions,
        }
    }

    /// Takes in how the request ended that started at `sent`.
    pub fn handle(&mut self, outcome: Outcome, sent: Duration, now: Duration) {
        self.attempt_at = sent + self.timing.retry_period();
        match outcome {
            Outcome::Found(record) => {
                self.observe(record, now);
                // What to make of it is decided at once.
                self.attempt_at = now;
            }
            Outcome::Written(record) => {
                self.observe(Some(record), now);
                self.lead_until(sent + self.timing.renew_deadline(), now);
            }
            Outcome::Conflict | Outcome::Failed => self.stale = true,
        }
    }

    fn observe(&mut self, record: Option<Record>, now: Duration) {
        self.stale = false;
        let version = |record: &Option<Record>| record.as_ref().map(|record| record.version.clone());
        if version(&self.record) == version(&record) {
            return;
        }
        let own = self.timing.lease_duration();
        let wait = match &record {
            Some(record) => {
                let duration = record.duration.unwrap_or(own);
                self.vanished_wait = Some(own.max(duration));
                if record.holder.is_none() || self.holds(record) { Duration::ZERO } else { duration }
            }
            None => self.vanished_wait.unwrap_or_default(),
        };
        self.takeable_at = now + wait;
        self.record = record;
    }

    /// A term that ended meanwhile is not prolonged: it has to be stepped down from first.
    fn lead_until(&mut self, until: Duration, now: Duration) {
        let over = self.until.is_some() && !self.leads(now);
        if now < until && !over && self.release_by.is_none() {
            self.until = Some(until);
        }
    }

    fn holds(&self, record: &Record) -> bool {
        record.holder.as_ref() == Some(&self.identity)
    }
}

/// Rounded up: others may wait too long, but not too short.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}
