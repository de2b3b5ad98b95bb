//! What happens to the world, step by step.

use super::super::meta::Fault;
use super::super::*;
use super::oracles;
use super::process::Life;
use super::world::World;

const IDS: [&str; 4] = ["1", "2", "3", "4"];
const NAMES: [&str; 2] = ["first", "second"];
const FOREIGN: usize = 9;
const FAULTS: [Option<Fault>; 14] = [
    None,
    Some(Fault::Down),
    Some(Fault::Refused),
    Some(Fault::UploadRefused),
    Some(Fault::Limited),
    Some(Fault::UploadLimited),
    Some(Fault::UploadLost),
    Some(Fault::UploadFails),
    Some(Fault::AnswerLost),
    Some(Fault::Unreadable),
    Some(Fault::Silent),
    Some(Fault::Hushed),
    Some(Fault::Swallowed),
    Some(Fault::Late),
];

/// One history.
pub(super) struct History {
    world: World,
    disturbances: usize,
    /// The hours in which uploads to some number had no effect, one by one.
    fruitless: f64,
}

impl History {
    pub(super) fn new(seed: u64) -> Self {
        let mut world = World::new(seed, &IDS);
        let (resources, count) = (world.random.usize(1..=2), world.random.usize(1..=IDS.len()));
        NAMES[..resources].iter().for_each(|name| world.create(name, &IDS[..count], 1));
        Self { world, disturbances: 0, fruitless: 0.0 }
    }

    /// One thing happens, between the reconciles or in the middle of one.
    pub(super) fn step(&mut self) {
        let count = self.world.stages.len();
        if count == 0 || self.world.random.u8(..) < 192 {
            return self.disturb();
        }
        let position = self.world.random.usize(..count);
        let Schedule::Now(work) = self.world.due(position) else { return self.disturb() };
        let mut begun = self.world.look(position, work, Life::default());
        if self.world.random.bool() {
            let count = self.world.random.usize(..IDS.len());
            self.world.read(&mut begun, count);
            if self.world.random.bool() {
                self.world.checkpoint(&mut begun);
            }
            self.disturb();
        }
        self.world.decide(&mut begun);
        if self.world.random.bool() {
            self.world.checkpoint(&mut begun);
        }
        self.disturb();
        self.world.finish(begun);
    }

    fn disturb(&mut self) {
        self.disturbances += 1;
        let id = IDS[self.world.random.usize(..IDS.len())];
        let n = self.world.random.usize(0..4);
        let line = self.world.meta.line(id);
        match self.world.random.u32(0..27) {
            0..=4 => self.wait([1, 7, 70, 700][n] * MINUTE),
            5 => line.set(Some(FOREIGN), Some("VALID")),
            6 => line.set(line.key, line.key.map(|_| ["MISMATCH", "PENDING"][n % 2])),
            7 => line.set(None, None),
            8..=10 => line.fault = FAULTS[self.world.random.usize(..FAULTS.len())],
            11 => line.is_unsigned ^= true,
            12 => line.lag = n,
            13 => self.world.meta.refuses_token ^= true,
            14 | 15 => self.end_process(),
            16 => self.jump(),
            18 => self.world.refuses_writes ^= true,
            // Meta cannot be reached at all, or is back.
            17 => self.world.meta.lines.values_mut().for_each(|line| line.fault = [Some(Fault::Down), None][n % 2]),
            _ => self.disturb_resource(n),
        }
    }

    /// People and other writers.
    fn disturb_resource(&mut self, n: usize) {
        let count = self.world.stages.len();
        let action = self.world.random.u32(0..10);
        if count == 0 || (action == 0 && count < NAMES.len()) {
            return self.create();
        }
        let (position, now) = (self.world.random.usize(..count), self.world.now);
        let request = self.disturbances.to_string();
        match action {
            0 => self.world.delete(position),
            1 => self.world.change(position, |stage| stage.set_key(Ok(key(n)))),
            2 => self.world.change(position, |stage| stage.set_key(Err(bad_key(n)))),
            3 => self.world.change(position, |stage| stage.request_sync(&request)),
            4 => self.world.change(position, |stage| overwrite(stage, n, now)),
            5 => self.world.change(position, |stage| {
                stage.edit(|spec| spec.phone_number_ids = IDS[..=n].iter().map(ToString::to_string).collect());
            }),
            6 => self.world.change(position, |stage| stage.touch_token()),
            7 => self.world.change(position, |stage| stage.refer_to_other_token()),
            8 => self.world.change(position, |stage| stage.edit(|spec| spec.suspend = Some(!spec.is_suspended()))),
            _ => self.world.change(position, |stage| {
                stage.edit(|spec| spec.mode = if n == 0 { Mode::Enforce } else { Mode::Observe });
            }),
        }
    }

    fn create(&mut self) {
        let taken = self.world.stages.iter().any(|stage| stage.resource.metadata.name.as_deref() == Some(NAMES[0]));
        let (count, key) = (self.world.random.usize(1..=IDS.len()), self.world.random.usize(0..4));
        self.world.create(NAMES[usize::from(taken)], &IDS[..count], key);
    }

    /// The process ends after some call of a reconcile, and another takes over.
    fn end_process(&mut self) {
        for position in 0..self.world.stages.len() {
            let random = &mut self.world.random;
            let life = Life { calls_left: Some(random.usize(..8)), ends_with_upload: random.bool(), ..Life::default() };
            self.world.reconcile(position, life);
        }
        self.world.restart();
    }

    /// The clock is set.
    fn jump(&mut self) {
        let by = self.world.random.u32(1..100) * HOUR;
        if self.world.random.bool() { self.world.now += by } else { self.world.now -= by }
    }

    fn wait(&mut self, time: Duration) {
        let is_fruitless = self.world.meta.lines.values().any(|line| {
            let without_effect = [
                Fault::UploadLost,
                Fault::UploadFails,
                Fault::AnswerLost,
                Fault::Unreadable,
                Fault::Silent,
                Fault::Hushed,
                Fault::Swallowed,
                Fault::Late,
            ];
            line.fault.is_some_and(|fault| without_effect.contains(&fault))
        });
        self.fruitless += if is_fruitless { time.as_secs_f64() / 3600.0 } else { 0.0 };
        if self.world.refuses_writes {
            // Reconciles are repeated every minute by then: ten of them show all there is.
            self.world.wait(time.min(10 * MINUTE));
            self.world.refuses_writes = false;
        }
        self.world.wait(time);
    }

    /// All that is at fault is put right, except what others wrote to the numbers.
    pub(super) fn mend(&mut self) {
        let world = &mut self.world;
        (world.meta.refuses_token, world.refuses_writes) = (false, false);
        for line in world.meta.lines.values_mut() {
            line.land(Timestamp::MAX);
            (line.fault, line.is_unsigned, line.lag) = (None, false, 0);
            if line.status.as_deref() == Some("PENDING") {
                line.status = Some("MISMATCH".into());
            }
        }
        for position in 0..world.stages.len() {
            world.change(position, |stage| {
                stage.set_key(Ok(key(1 + position)));
                stage.edit(|spec| (spec.mode, spec.suspend) = (Mode::Enforce, None));
            });
        }
    }

    /// Waits, and checks that all is well and stays so.
    pub(super) fn come_to_rest(&mut self) {
        self.wait(36 * HOUR);
        oracles::check_rest(&self.world);
        for (id, line) in &self.world.meta.lines {
            // The worst of 100,000 histories had four uploads for each disturbance, beside one in five minutes while
            // nobody could see whether it came to anything.
            let bound = 5 * self.disturbances + (12.0 * self.fruitless) as usize;
            let uploads = line.uploads.len();
            assert!(
                uploads <= bound,
                "{uploads} uploads to {id} instead of {bound}, {} disturbances: {line:?}",
                self.disturbances
            );
        }
        self.check_calm();
    }

    /// Nothing happens but checks.
    fn check_calm(&mut self) {
        let numbers: usize = self.world.stages.iter().map(|stage| stage.resource.spec.phone_number_ids.len()).sum();
        let (uploads, reads) = (self.world.meta.uploads(), self.world.meta.reads());
        self.wait(10 * HOUR);
        assert_eq!(self.world.meta.uploads(), uploads);
        assert!(self.world.meta.reads() - reads <= 10 * numbers, "more reads than checks");
        let next = (0..self.world.stages.len()).map(|position| match self.world.due(position) {
            Schedule::Later(Some(check)) => check,
            due => panic!("no check to come: {due:?}"),
        });
        let Some(next) = next.min() else { return };
        let reads = self.world.meta.reads();
        let wait = Duration::try_from(next.duration_since(self.world.now)).unwrap();
        self.wait(wait.saturating_sub(Duration::from_secs(1)));
        assert_eq!(self.world.meta.reads(), reads);
    }
}

fn bad_key(n: usize) -> ConditionReason {
    let reasons = [Reason::SecretNotFound, Reason::PassphraseRejected, Reason::KeyDamaged, Reason::SecretForbidden];
    because(reasons[n])
}

/// Someone else writes to the status.
fn overwrite(stage: &mut Stage, n: usize, now: Timestamp) {
    let Some(status) = &mut stage.resource.status else { return };
    let later = Some(Time(now + 9000 * HOUR));
    match n {
        0 => *status = FlowsEncryptionKeyStatus { observed_generation: Some(-1), ..Default::default() },
        1 => status.phone_numbers.clear(),
        2 => status.conditions.clear(),
        _ => {
            for number in &mut status.phone_numbers {
                (number.last_read_time, number.next_attempt_time) = (later.clone(), later.clone());
                number.last_upload_time = number.last_upload_time.as_ref().and(later.clone());
            }
        }
    }
}
