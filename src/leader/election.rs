//! The leader election of one candidate: a state machine without clock or client.
//!
//! Four rules prevent two leaders at the same time:
//!
//! 1. Optimistic concurrency: every write has the resource version that was read. If someone else wrote the Lease
//!    meanwhile, the candidate reads it again.
//! 2. A candidate takes a Lease from its holder only if the Lease has not changed for the duration that the holder
//!    wrote into it. Renew times come from the clocks of other machines and are ignored.
//! 3. A leader leads for the renew deadline from the moment it *sent* its last successful write. The renew deadline is
//!    shorter than the lease duration. Others can only see the write later.
//! 4. If a Lease vanished, its holder may have renewed it unseen before. So a candidate that knew the Lease waits as if
//!    it had changed: for the longer of its own duration and the last duration that it read. The holder itself creates
//!    the Lease again at once. (A process that starts just then, and knew no Lease, cannot distinguish this from a
//!    first start.)
//!
//! All times are durations since an origin that the process chooses, on a monotonic clock. The clocks of several
//! processes may differ in everything except their speed.

use std::time::Duration;

use jiff::Timestamp;

use super::config::Timing;
use super::record::{Claim, Record};

/// Lease duration in a released Lease, in seconds, as in client-go. A shorter duration is invalid.
const RELEASED_SECONDS: i32 = 1;

/// One candidate. Call [`Election::next`], carry out the action, and pass the outcome to [`Election::handle`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Election {
    identity: String,
    timing: Timing,
    /// The Lease as last read or written.
    record: Option<Record>,
    /// Whether the Lease may have changed since. Then it must be read before a write.
    stale: bool,
    /// Time at which the Lease may be taken, if it does not change before.
    takeable_at: Duration,
    /// The longest time for which an unseen holder may still lead. None if this candidate never saw a Lease.
    vanished_wait: Option<Duration>,
    /// Earliest time of the next request.
    attempt_at: Duration,
    /// End of the term, while this candidate leads.
    until: Option<Duration>,
    /// Deadline of the release, once releasing.
    release_by: Option<Duration>,
    /// Whether this candidate may be the holder in the Lease.
    claimed: bool,
}

/// The next action of a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read the Lease.
    Read,
    /// Create the Lease.
    Create(Claim),
    /// Replace the Lease, if it still has this resource version.
    Replace {
        /// `metadata.resourceVersion`.
        version: String,
        /// The fields to write.
        claim: Claim,
    },
    /// Do nothing before this time.
    Wait(Duration),
    /// The term has ended: no write may start any more.
    StepDown,
    /// The Lease is released, or will expire. Only after [`Election::release`].
    Done,
}

/// The outcome of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The Lease was read. None if there is no Lease to read or to replace.
    Found(Option<Record>),
    /// The Lease was written. The record is its new content.
    Written(Record),
    /// Someone else wrote the Lease first.
    Conflict,
    /// The request was refused, or its result is unknown.
    Failed,
}

impl Election {
    /// A candidate that has not read the Lease yet.
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

    /// End of the term without a further renewal. None if this candidate does not lead.
    pub fn leads_until(&self) -> Option<Duration> {
        self.until
    }

    /// Whether this candidate leads at the given time, even if it has not run for long.
    pub fn leads(&self, now: Duration) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// The other holder of the Lease, if known.
    pub fn other_holder(&self) -> Option<&str> {
        self.record.as_ref()?.holder.as_deref().filter(|holder| *holder != self.identity)
    }

    /// Timeout of a request that starts now. A leader does not wait for an answer beyond its term: by then another
    /// candidate may already have led and stopped.
    pub fn request_timeout(&self, now: Duration) -> Duration {
        let timeout = self.timing.request_timeout();
        self.until.map_or(timeout, |until| timeout.min(until.saturating_sub(now)))
    }

    /// Starts the release of the Lease. Call this only when no write of the leader is in progress any more.
    pub fn release(&mut self, now: Duration) {
        if self.release_by.is_none() {
            self.release_by = Some(now + self.timing.renew_deadline());
            self.attempt_at = now;
        }
    }

    /// The next action. May be called at any time while no request is in progress. `wall` is written into the Lease for
    /// people.
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
        let held = self.record.as_ref().filter(|record| self.holds(record));
        match held {
            _ if !self.claimed || now >= release_by => Action::Done,
            None if !self.stale => Action::Done,
            _ if now < self.attempt_at => Action::Wait(release_by.min(self.attempt_at)),
            Some(record) if !self.stale => self.write(Claim {
                holder: String::new(),
                duration_seconds: RELEASED_SECONDS,
                acquired: wall,
                renewed: wall,
                transitions: record.transitions,
            }),
            _ => Action::Read,
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

    /// Handles the outcome of the request that was sent at `sent`.
    pub fn handle(&mut self, outcome: Outcome, sent: Duration, now: Duration) {
        self.attempt_at = sent + self.timing.retry_period();
        match outcome {
            Outcome::Found(record) => {
                self.observe(record, now);
                // `next` decides at once what to do.
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

    /// Does not extend a term that ended meanwhile: the candidate must step down first.
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

/// Rounds up: others may wait too long, but not too short.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wall clocks differ and jump, so the election must ignore this time.
    const WALL: Timestamp = Timestamp::UNIX_EPOCH;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn candidate() -> Election {
        Election::new("me".into(), Timing::new(seconds(15), seconds(10)).unwrap())
    }

    fn record(version: &str, holder: Option<&str>) -> Record {
        let duration = Some(seconds(20));
        Record {
            version: version.into(),
            holder: holder.map(Into::into),
            duration,
            acquired: Some(WALL),
            transitions: 3,
        }
    }

    fn claim(transitions: i32) -> Claim {
        Claim { holder: "me".into(), duration_seconds: 15, acquired: WALL, renewed: WALL, transitions }
    }

    fn replace(version: &str, claim: Claim) -> Action {
        Action::Replace { version: version.into(), claim }
    }

    /// A candidate that got the Lease with a request sent at 0.
    fn leader() -> Election {
        let mut election = candidate();
        assert_eq!(election.next(seconds(0), WALL), Action::Read);
        election.handle(Outcome::Found(None), seconds(0), seconds(0));
        assert_eq!(election.next(seconds(0), WALL), Action::Create(claim(0)));
        election.handle(Outcome::Written(record("1", Some("me"))), seconds(0), seconds(1));
        assert_eq!(election.leads_until(), Some(seconds(10)), "counted from when it was sent");
        election
    }

    /// A candidate that read this record at 0.
    fn observer_of(record: Option<Record>) -> Election {
        let mut election = candidate();
        election.handle(Outcome::Found(record), seconds(0), seconds(0));
        election
    }

    #[test]
    fn a_leader_renews_every_retry_period_and_keeps_what_the_term_began_with() {
        let mut election = leader();
        assert_eq!(election.next(seconds(1), WALL), Action::Wait(seconds(2)));
        let later = Timestamp::from_second(2).unwrap();
        let renewal = Claim { renewed: later, ..claim(3) };
        assert_eq!(election.next(seconds(2), later), replace("1", renewal));
        election.handle(Outcome::Written(record("2", Some("me"))), seconds(2), seconds(3));
        assert_eq!(election.leads_until(), Some(seconds(12)));
        assert_eq!(election.next(seconds(3), later), Action::Wait(seconds(4)));
    }

    #[test]
    fn a_held_lease_is_taken_once_it_did_not_change_for_its_own_duration() {
        let mut election = observer_of(Some(record("1", Some("other"))));
        assert_eq!(election.next(seconds(0), WALL), Action::Wait(seconds(2)));
        assert_eq!(election.next(seconds(2), WALL), Action::Read);
        election.handle(Outcome::Found(Some(record("2", Some("other")))), seconds(2), seconds(5));
        for at in (5..25).step_by(2) {
            assert_eq!(election.next(seconds(at), WALL), Action::Wait(seconds(25.min(at + 2))));
            assert_eq!(election.next(seconds(25.min(at + 2)), WALL), Action::Read);
            election.handle(
                Outcome::Found(Some(record("2", Some("other")))),
                seconds(25.min(at + 2)),
                seconds(25.min(at + 2)),
            );
        }
        assert_eq!(election.next(seconds(25), WALL), replace("2", claim(4)));
        election.handle(Outcome::Written(record("3", Some("me"))), seconds(25), seconds(25));
        assert!(election.leads(seconds(34)) && !election.leads(seconds(35)));
    }

    #[test]
    fn how_long_a_candidate_waits_depends_on_what_it_saw() {
        let none = record("1", None);
        let mine = record("1", Some("me"));
        let no_duration = Record { duration: None, ..record("1", Some("other")) };
        for (seen, wait) in [
            (None, 0),
            (Some(none), 0),
            (Some(mine), 0),
            (Some(record("1", Some("other"))), 20),
            (Some(no_duration), 15),
        ] {
            let mut election = observer_of(seen.clone());
            assert_eq!(election.takeable_at, seconds(wait), "{seen:?}");
            let takes = matches!(election.next(seconds(0), WALL), Action::Create(_) | Action::Replace { .. });
            assert_eq!(takes, wait == 0, "{seen:?}");
        }
    }

    #[test]
    fn a_paused_leader_does_not_lead_when_it_wakes() {
        let mut election = leader();
        assert!(election.leads(seconds(9)) && !election.leads(seconds(10)));
        assert_eq!(election.next(seconds(60), WALL), Action::StepDown);
        assert_eq!(election.next(seconds(60), WALL), Action::Read);
        let mut lost = election.clone();

        election.handle(Outcome::Found(Some(record("1", Some("me")))), seconds(60), seconds(60));
        assert_eq!(election.next(seconds(60), WALL), replace("1", claim(3)), "nobody else wanted it");

        lost.handle(Outcome::Found(Some(record("2", Some("other")))), seconds(60), seconds(60));
        assert_eq!(lost.next(seconds(60), WALL), Action::Wait(seconds(62)));
        assert_eq!(lost.other_holder(), Some("other"));
    }

    #[test]
    fn a_success_that_arrives_after_the_term_does_not_prolong_it() {
        let mut election = leader();
        assert!(matches!(election.next(seconds(8), WALL), Action::Replace { .. }));
        assert_eq!(election.request_timeout(seconds(8)), seconds(2), "not beyond the term");
        election.handle(Outcome::Written(record("2", Some("me"))), seconds(8), seconds(11));
        assert!(!election.leads(seconds(11)));
        assert_eq!(election.next(seconds(11), WALL), Action::StepDown);
        assert_eq!(election.request_timeout(seconds(11)), seconds(5));
    }

    #[test]
    fn after_a_conflict_or_an_unknown_outcome_the_lease_is_read_before_it_is_written() {
        for outcome in [Outcome::Conflict, Outcome::Failed] {
            let mut election = leader();
            assert!(matches!(election.next(seconds(2), WALL), Action::Replace { .. }));
            election.handle(outcome, seconds(2), seconds(3));
            assert!(election.leads(seconds(3)));
            assert_eq!(election.next(seconds(3), WALL), Action::Wait(seconds(4)));
            assert_eq!(election.next(seconds(4), WALL), Action::Read);
            let mut replaced = election.clone();

            election.handle(Outcome::Found(Some(record("2", Some("me")))), seconds(4), seconds(4));
            assert_eq!(election.next(seconds(4), WALL), replace("2", claim(3)));

            replaced.handle(Outcome::Found(Some(record("2", Some("other")))), seconds(4), seconds(4));
            assert_eq!(replaced.next(seconds(4), WALL), Action::StepDown);
        }
    }

    #[test]
    fn a_vanished_lease_is_created_by_its_holder_at_once_and_by_others_later() {
        let mut election = leader();
        election.handle(Outcome::Found(None), seconds(2), seconds(2));
        assert_eq!(election.next(seconds(2), WALL), Action::Create(claim(0)));

        let mut other = observer_of(Some(record("1", Some("other"))));
        other.handle(Outcome::Found(None), seconds(2), seconds(2));
        assert!(matches!(other.next(seconds(2), WALL), Action::Wait(_)));
        other.handle(Outcome::Found(None), seconds(22), seconds(22));
        assert_eq!(other.next(seconds(22), WALL), Action::Create(claim(0)));
    }

    #[test]
    fn a_released_lease_is_free_at_once() {
        let mut election = leader();
        election.release(seconds(3));
        assert_eq!(election.next(seconds(3), WALL), Action::StepDown);
        assert!(!election.leads(seconds(3)));
        let released = Claim { holder: String::new(), duration_seconds: 1, ..claim(3) };
        assert_eq!(election.next(seconds(3), WALL), replace("1", released));
        election.handle(Outcome::Written(record("2", None)), seconds(3), seconds(3));
        assert_eq!(election.next(seconds(3), WALL), Action::Done);

        let mut next = observer_of(Some(record("2", None)));
        assert_eq!(next.next(seconds(3), WALL), replace("2", claim(4)));
    }

    #[test]
    fn only_what_is_still_held_is_released_and_not_for_ever() {
        let mut standby = observer_of(Some(record("1", Some("other"))));
        standby.release(seconds(1));
        assert_eq!(standby.next(seconds(1), WALL), Action::Done);

        let mut election = leader();
        election.release(seconds(3));
        assert_eq!(election.next(seconds(3), WALL), Action::StepDown);
        election.handle(Outcome::Failed, seconds(3), seconds(3));
        assert_eq!(election.next(seconds(4), WALL), Action::Wait(seconds(5)), "not again at once");
        assert_eq!(election.next(seconds(5), WALL), Action::Read);
        let mut replaced = election.clone();
        replaced.handle(Outcome::Found(Some(record("2", Some("other")))), seconds(5), seconds(5));
        assert_eq!(replaced.next(seconds(5), WALL), Action::Done);

        assert_eq!(election.next(seconds(13), WALL), Action::Done, "the Lease ends by itself");
    }

    #[test]
    fn what_may_be_held_is_looked_at_before_the_end() {
        let mut election = observer_of(None);
        assert_eq!(election.next(seconds(0), WALL), Action::Create(claim(0)));
        election.handle(Outcome::Failed, seconds(0), seconds(1));
        election.release(seconds(1));
        assert_eq!(election.next(seconds(1), WALL), Action::Read, "nobody knows whether it was created");
        election.handle(Outcome::Found(Some(record("1", Some("me")))), seconds(1), seconds(1));
        let released = Claim { holder: String::new(), duration_seconds: 1, ..claim(3) };
        assert_eq!(election.next(seconds(1), WALL), replace("1", released));
    }

    #[test]
    fn an_answer_that_comes_when_the_term_would_be_over_begins_none() {
        for (answered, expected) in [(9, Some(seconds(10))), (10, None)] {
            let mut election = observer_of(None);
            assert_eq!(election.next(seconds(0), WALL), Action::Create(claim(0)));
            election.handle(Outcome::Written(record("1", Some("me"))), seconds(0), seconds(answered));
            assert_eq!(election.leads_until(), expected, "{answered}");
        }
    }

    #[test]
    fn a_lease_lasts_whole_seconds_and_never_shorter_than_asked() {
        assert_eq!(whole_seconds(seconds(15)), 15);
        assert_eq!(whole_seconds(Duration::from_millis(1500)), 2);
        assert_eq!(whole_seconds(Duration::MAX), i32::MAX);
    }
}
