//! Candidates against a simulated API server, in any order of events. Clocks disagree, requests and answers get lost or
//! arrive late, and processes are paused and replaced at any moment.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::config::Timing;
use super::election::{Action, Election, Outcome};
use super::record::{Claim, Record};

/// Lease duration and renew deadline of each candidate, in milliseconds.
type Timings = [(u64, u64); 3];

const SAME: Timings = [(15_000, 10_000); 3];
const MIXED: Timings = [(15_000, 10_000), (20_000, 19_000), (1500, 1000)];

#[derive(Debug, Clone)]
enum Event {
    /// Time passes.
    Pass(Duration),
    /// The candidate carries out its next action. Its wall clock shows this many seconds.
    Step(usize, i64),
    /// The request arrives.
    Arrive(usize),
    /// The answer arrives, if it is in time.
    Answer(usize),
    /// The candidate stops waiting for the answer. The request may still arrive.
    Lose(usize),
    /// A step, with its request and answer in order.
    Exchange(usize, i64),
    /// A request arrives after its candidate stopped waiting.
    ArriveLate(usize),
    /// Someone deletes the Lease, only if all candidates have the same timing: otherwise nobody knows how long to wait.
    Delete,
    /// Someone labels the Lease.
    Label,
    /// Another process replaces the candidate.
    Restart(usize),
    /// The candidate must release the Lease.
    Release(usize),
}

struct Process {
    election: Election,
    timing: Timing,
    /// Offset of the candidate's clock.
    origin: Duration,
    request: Option<InFlight>,
    /// Whether the candidate ever saw the Lease.
    aware: bool,
    /// Whether its last read found no Lease.
    finds_none: bool,
    /// End of its term. None after it finished all its work and released the Lease.
    led_until: Option<Duration>,
    releasing: bool,
}

impl Process {
    /// Time at which the last write of its last term has ended.
    fn last_write(&self) -> Duration {
        self.led_until.map_or(Duration::ZERO, |until| until + self.timing.margin())
    }
}

struct InFlight {
    action: Action,
    sent: Duration,
    timeout: Duration,
    outcome: Option<Outcome>,
}

#[derive(Default)]
struct World {
    now: Duration,
    lease: Option<Record>,
    versions: u64,
    processes: Vec<Process>,
    mixed: bool,
    late: Vec<Action>,
}

impl World {
    fn new(timings: Timings, origins: [u32; 3]) -> Self {
        let mut world = Self { mixed: timings == MIXED, ..Self::default() };
        for (index, origin) in origins.into_iter().enumerate() {
            let (lease_duration, renew_deadline) = timings[index];
            let timing =
                Timing::new(Duration::from_millis(lease_duration), Duration::from_millis(renew_deadline)).unwrap();
            world.processes.push(Process {
                election: Election::new(format!("{index}-0"), timing),
                timing,
                origin: Duration::from_millis(origin.into()),
                request: None,
                aware: false,
                finds_none: false,
                led_until: None,
                releasing: false,
            });
        }
        world
    }

    fn apply(&mut self, event: &Event) {
        match *event {
            Event::Pass(time) => self.now += time,
            Event::Step(index, wall) => self.step(index, wall),
            Event::Arrive(index) => self.arrive(index),
            Event::Answer(index) => self.answer(index),
            Event::Lose(index) => self.lose(index),
            Event::Exchange(index, wall) => {
                for _ in 0..4 {
                    self.step(index, wall);
                    self.arrive(index);
                    self.answer(index);
                }
            }
            Event::ArriveLate(index) => {
                if !self.late.is_empty() {
                    let action = self.late.swap_remove(index % self.late.len());
                    self.serve(&action);
                }
            }
            Event::Delete => self.delete(),
            Event::Label => {
                let version = self.new_version();
                if let Some(lease) = &mut self.lease {
                    lease.version = version;
                }
            }
            Event::Restart(index) => self.restart(index),
            Event::Release(index) => {
                let now = self.clock(index);
                let process = &mut self.processes[index];
                process.election.release(now);
                process.releasing = true;
                // Requested only when no write is in progress any more, even if the term had ended before.
                process.led_until = process.led_until.filter(|_| process.election.leads(now));
            }
        }
        self.check();
    }

    fn clock(&self, index: usize) -> Duration {
        self.now + self.processes[index].origin
    }

    fn step(&mut self, index: usize, wall: i64) {
        let now = self.clock(index);
        let process = &mut self.processes[index];
        if process.request.is_some() {
            return;
        }
        let action = process.election.next(now, Timestamp::from_second(wall).unwrap());
        match action {
            Action::Wait(until) => assert!(until > now, "waits for what is past"),
            Action::StepDown => {
                process.led_until = process.led_until.filter(|_| !process.releasing);
                self.step(index, wall);
            }
            Action::Done => self.restart(index),
            Action::Read | Action::Create(_) | Action::Replace { .. } => {
                let timeout = process.election.request_timeout(now);
                process.request = Some(InFlight { action, sent: now, timeout, outcome: None });
            }
        }
    }

    fn arrive(&mut self, index: usize) {
        let Some(request) = &self.processes[index].request else {
            return;
        };
        if request.outcome.is_none() {
            let action = request.action.clone();
            let outcome = self.serve(&action);
            if let Some(request) = &mut self.processes[index].request {
                request.outcome = Some(outcome);
            }
        }
    }

    /// The API server handles a request.
    fn serve(&mut self, action: &Action) -> Outcome {
        match (action, &self.lease) {
            (Action::Read, lease) => Outcome::Found(lease.clone()),
            (Action::Create(_), Some(_)) => Outcome::Conflict,
            (Action::Replace { .. }, None) => Outcome::Found(None),
            (Action::Replace { version, .. }, Some(lease)) if lease.version != *version => Outcome::Conflict,
            (Action::Create(claim) | Action::Replace { claim, .. }, _) => {
                let record = stored(claim, self.new_version());
                self.lease = Some(record.clone());
                Outcome::Written(record)
            }
            (Action::Wait(_) | Action::StepDown | Action::Done, _) => unreachable!("these are no requests"),
        }
    }

    fn answer(&mut self, index: usize) {
        let now = self.clock(index);
        let others_write = self.others(index).any(|other| self.now < other.last_write());
        let process = &mut self.processes[index];
        let Some(InFlight { sent, timeout, outcome: Some(outcome), .. }) = &process.request else {
            return;
        };
        // The only case that the election does not survive: someone deletes the Lease, and a process that never saw it
        // starts before the holder has created the Lease again.
        let misled = *outcome == Outcome::Found(None) && !process.aware && others_write;
        if misled || now >= *sent + *timeout {
            return self.lose(index);
        }
        match outcome {
            Outcome::Found(None) => process.finds_none = true,
            Outcome::Found(Some(_)) | Outcome::Written(_) => (process.aware, process.finds_none) = (true, false),
            Outcome::Conflict | Outcome::Failed => {}
        }
        let (outcome, sent) = (outcome.clone(), *sent);
        process.request = None;
        let led = process.election.leads(now);
        process.election.handle(outcome, sent, now);
        if !led && process.election.leads(now) {
            self.begin_term(index);
        }
    }

    fn begin_term(&mut self, index: usize) {
        let over = self.others(index).all(|other| self.now >= other.last_write());
        assert!(over, "no time was left for what the last leader had begun");
    }

    fn others(&self, index: usize) -> impl Iterator<Item = &Process> {
        self.processes.iter().enumerate().filter(move |(other, _)| *other != index).map(|(_, process)| process)
    }

    fn lose(&mut self, index: usize) {
        let now = self.clock(index);
        let process = &mut self.processes[index];
        if let Some(request) = process.request.take() {
            process.election.handle(Outcome::Failed, request.sent, now);
            if request.outcome.is_none() {
                self.late.push(request.action);
            }
        }
    }

    /// Deletes the Lease, unless a candidate believes that there is no Lease or is about to create one: absence has no
    /// version, so nobody would see a Lease that is created and deleted meanwhile.
    fn delete(&mut self) {
        let in_flight = self.processes.iter().filter_map(|process| process.request.as_ref());
        let unseen = |outcome: &Option<Outcome>| *outcome == Some(Outcome::Found(None));
        let believed_absent = self.processes.iter().any(|process| process.finds_none)
            || in_flight.clone().any(|request| unseen(&request.outcome))
            || in_flight.map(|request| &request.action).chain(&self.late).any(|it| matches!(it, Action::Create(_)));
        if !self.mixed && !believed_absent {
            self.lease = None;
        }
    }

    fn restart(&mut self, index: usize) {
        let identity = format!("{index}-{}", self.new_version());
        let process = &mut self.processes[index];
        self.late.extend(process.request.take().filter(|it| it.outcome.is_none()).map(|it| it.action));
        process.election = Election::new(identity, process.timing);
        process.aware = false;
        process.finds_none = false;
        process.releasing = false;
    }

    fn new_version(&mut self) -> String {
        self.versions += 1;
        self.versions.to_string()
    }

    fn leads(&self, index: usize) -> bool {
        self.processes[index].election.leads(self.clock(index))
    }

    fn check(&mut self) {
        let leaders: Vec<_> = (0..self.processes.len()).filter(|index| self.leads(*index)).collect();
        assert!(leaders.len() <= 1, "at {:?} all of {leaders:?} lead", self.now);
        for process in &mut self.processes {
            if let Some(until) = process.election.leads_until() {
                process.led_until = Some(until.saturating_sub(process.origin));
            }
        }
    }

    /// Whether a candidate leads within the given time, if nothing fails.
    fn recovers_within(&mut self, time: Duration) -> bool {
        let end = self.now + time;
        for index in 0..self.processes.len() {
            self.lose(index);
        }
        while self.now < end {
            for index in 0..self.processes.len() {
                self.apply(&Event::Exchange(index, 0));
            }
            if (0..self.processes.len()).any(|index| self.leads(index)) {
                return true;
            }
            self.apply(&Event::Pass(Duration::from_millis(100)));
        }
        false
    }
}

fn stored(claim: &Claim, version: String) -> Record {
    Record {
        version,
        holder: Some(claim.holder.clone()).filter(|holder| !holder.is_empty()),
        duration: Some(Duration::from_secs(claim.duration_seconds.unsigned_abs().into())),
        acquired: Some(claim.acquired),
        transitions: claim.transitions,
    }
}

fn event() -> impl Strategy<Value = Event> {
    let process = || 0..3_usize;
    let wall = || -100_000_i64..100_000;
    prop_oneof![
        8 => (0_u64..2500).prop_map(|ms| Event::Pass(Duration::from_millis(ms))),
        2 => (9_000_u64..21_000).prop_map(|ms| Event::Pass(Duration::from_millis(ms))),
        8 => (process(), wall()).prop_map(|(index, wall)| Event::Exchange(index, wall)),
        6 => (process(), wall()).prop_map(|(index, wall)| Event::Step(index, wall)),
        5 => process().prop_map(Event::Arrive),
        5 => process().prop_map(Event::Answer),
        2 => process().prop_map(Event::Lose),
        3 => (0_usize..8).prop_map(Event::ArriveLate),
        1 => Just(Event::Delete),
        1 => Just(Event::Label),
        1 => process().prop_map(Event::Restart),
        1 => process().prop_map(Event::Release),
    ]
}

/// Number of histories, unless `PROPTEST_CASES` is set. The seed is in `.cargo/config.toml`.
const HISTORIES: u32 = 500;

fn config() -> ProptestConfig {
    let given = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_some() { given } else { ProptestConfig { cases: HISTORIES, ..given } }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_two_lead_at_once_and_after_any_trouble_someone_leads(
        timings in prop_oneof![Just(SAME), Just(MIXED)],
        origins in any::<[u32; 3]>(),
        events in prop::collection::vec(event(), 0..200),
    ) {
        let mut world = World::new(timings, origins);
        for event in &events {
            world.apply(event);
        }
        prop_assert!(world.recovers_within(Duration::from_secs(2 * 20)), "nobody leads");
    }
}

#[test]
fn the_lease_goes_from_one_to_the_next() {
    let mut world = World::new(MIXED, [7, 0, 90_000_000]);
    assert!(world.recovers_within(Duration::from_secs(1)));
    let identities = [0, 1].map(|index| {
        assert!(world.leads(index));
        let holder = world.lease.clone().and_then(|lease| lease.holder);
        world.apply(&Event::Release(index));
        world.apply(&Event::Step(index, 0));
        world.apply(&Event::Arrive(index));
        world.apply(&Event::Answer(index));
        world.apply(&Event::Pass(world.processes[index + 1].timing.retry_period()));
        world.apply(&Event::Exchange(index + 1, 0));
        holder
    });
    assert!(world.leads(2));
    assert_ne!(identities[0], identities[1]);
    assert_eq!(world.lease.map(|lease| lease.transitions), Some(2));
}
