//! Random histories of a resource: what people, Meta and the operator's own end may do, in any order. After each, the
//! world is mended, and must come to rest.

use fastrand::Rng;

use super::meta::{Fault, Model};
use super::*;

const HISTORIES: u64 = 150;
const IDS: [&str; 4] = ["1", "2", "3", "4"];
const FOREIGN: usize = 9;

/// Says which history failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the history of seed {} failed", self.0);
        }
    }
}

#[test]
fn every_history_ends_well() {
    for seed in 0..HISTORIES {
        let _seed = Seed(seed);
        let mut history = History::new(seed);
        for _ in 0..20 {
            history.step();
        }
        history.mend();
        history.wait(36 * HOUR);
        history.check_rest();
    }
}

struct History {
    random: Rng,
    stage: Stage,
    meta: Model,
    disturbances: usize,
    /// Hours for which uploads to some number came to nothing, one by one.
    fruitless: f64,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let count = random.usize(1..=IDS.len());
        let (stage, meta) = (Stage::new(&IDS[..count]), Model::new(&IDS));
        Self { random, stage, meta, disturbances: 0, fruitless: 0.0 }
    }

    fn step(&mut self) {
        self.disturbances += 1;
        let id = IDS[self.random.usize(..IDS.len())];
        let n = self.random.usize(0..4);
        match self.random.u32(0..19) {
            0..=4 => {
                let minutes = [1, 7, 70, 700][n];
                self.wait(minutes * MINUTE);
            }
            5 => self.meta.line(id).set(Some(FOREIGN), Some("VALID")),
            6 => {
                let line = self.meta.line(id);
                line.set(line.key, line.key.map(|_| ["MISMATCH", "PENDING"][n % 2]));
            }
            7 => self.meta.line(id).set(None, None),
            8 | 9 => self.meta.line(id).fault = self.fault(),
            10 => self.meta.line(id).is_unsigned ^= true,
            11 => self.meta.line(id).lag = n,
            12 => self.meta.refuses_token ^= true,
            13 => self.stage.set_key(Ok(key(n))),
            14 => self.stage.set_key(Err(verdict(
                [Reason::SecretNotFound, Reason::PassphraseRejected, Reason::KeyDamaged, Reason::SecretForbidden][n],
            ))),
            15 => self.stage.edit(|spec| match n {
                0 => spec.mode = Mode::Observe,
                1 => spec.mode = Mode::Enforce,
                2 => spec.suspend = Some(spec.suspend != Some(true)),
                _ => spec.phone_number_ids = IDS[..=n].iter().map(ToString::to_string).collect(),
            }),
            16 => self.stage.request_sync(&self.disturbances.to_string()),
            17 => self.crash(),
            _ => self.jump(),
        }
    }

    fn fault(&mut self) -> Option<Fault> {
        let faults = [
            None,
            Some(Fault::Down),
            Some(Fault::Refused),
            Some(Fault::UploadRefused),
            Some(Fault::Limited),
            Some(Fault::UploadLost),
            Some(Fault::AnswerLost),
            Some(Fault::Unreadable),
        ];
        faults[self.random.usize(..faults.len())]
    }

    /// The process ends after the calls to Meta and before the status was written.
    fn crash(&mut self) {
        let stored = self.stage.resource.status.clone();
        self.stage.round(&mut self.meta);
        self.stage.resource.status = stored;
    }

    /// The clock is set.
    fn jump(&mut self) {
        let by = self.random.u32(1..100) * HOUR;
        if self.random.bool() { self.stage.now += by } else { self.stage.now -= by }
    }

    /// Time goes by, and the operator works.
    fn wait(&mut self, time: Duration) {
        let end = self.stage.now + time;
        let is_fruitless = self
            .meta
            .lines
            .values()
            .any(|line| matches!(line.fault, Some(Fault::UploadLost | Fault::AnswerLost | Fault::Unreadable)));
        self.fruitless += if is_fruitless { time.as_secs_f64() / 3600.0 } else { 0.0 };
        let mut rounds = 0;
        loop {
            match self.stage.due() {
                Due::Later(Some(next)) if next <= end => self.stage.now = next.max(self.stage.now),
                Due::Later(_) => break,
                Due::Now(_) => {
                    self.round();
                    rounds += 1;
                    let most = 20 + time.as_secs() / 15;
                    assert!(rounds <= most, "{rounds} rounds until {}: {:#?}", self.stage.now, self.stage.resource);
                }
            }
        }
        self.stage.now = end;
    }

    fn round(&mut self) {
        let uploads = self.meta.uploads();
        let round = self.stage.round(&mut self.meta).expect("it is due");
        let spec = &self.stage.resource.spec;
        let may_upload = spec.mode == Mode::Enforce
            && !spec.is_suspended()
            && self.stage.key.is_ok()
            && self.stage.credentials.is_ok();
        assert!(may_upload || self.meta.uploads() == uploads, "an upload that is not allowed: {:?}", round.plan);
        assert!(round.outcomes.len() <= round.plan.uploads.len());
        assert!(round.summary.next.is_none_or(|next| next >= self.stage.now));
        let is_ready = self.stage.condition(ConditionType::Ready).is_some_and(|c| c.status == "True");
        if is_ready && !spec.is_suspended() {
            self.check_valid();
        }
    }

    /// Every number held the key when it was last read.
    fn check_valid(&self) {
        let ours = self.stage.status().public_key_fingerprint.as_deref();
        for id in &self.stage.resource.spec.phone_number_ids {
            let (key, status) = self.meta.lines[id].told.clone().expect("Ready without an answer");
            let holds_ours = key.map(fingerprint_text).as_deref() == ours && status.as_deref() == Some("VALID");
            assert!(holds_ours, "Ready while number {id} showed {key:?} {status:?}");
        }
    }

    /// All that is at fault is put right, except what others wrote to the numbers.
    fn mend(&mut self) {
        self.meta.refuses_token = false;
        for line in self.meta.lines.values_mut() {
            (line.fault, line.is_unsigned, line.lag) = (None, false, 0);
            if line.status.as_deref() == Some("PENDING") {
                line.status = Some("MISMATCH".into());
            }
        }
        self.stage.set_key(Ok(key(1)));
        self.stage.edit(|spec| (spec.mode, spec.suspend) = (Mode::Enforce, None));
    }

    fn check_rest(&mut self) {
        let numbers = self.stage.status().phone_numbers.clone();
        for number in &numbers {
            let line = &self.meta.lines[&number.phone_number_id];
            match number.state {
                NumberState::Valid => assert!(line.is_valid(1), "{number:#?}"),
                NumberState::Contested => assert_ne!(line.key, Some(1), "{number:#?}"),
                _ => panic!("not at rest: {number:#?}"),
            }
        }
        let is_contested = numbers.iter().any(|number| number.state == NumberState::Contested);
        assert_eq!(self.stage.ready(), if is_contested { "NumberContested" } else { "AllNumbersValid" });
        for (id, line) in &self.meta.lines {
            let bound = 8 * self.disturbances + (13.0 * self.fruitless) as usize;
            assert!(
                line.uploads.len() <= bound,
                "{} uploads to {id}, {} disturbances",
                line.uploads.len(),
                self.disturbances
            );
        }
        self.check_calm(numbers.len());
    }

    /// Nothing happens but checks.
    fn check_calm(&mut self, numbers: usize) {
        let (uploads, reads) = (self.meta.uploads(), self.meta.reads());
        self.wait(10 * HOUR);
        assert_eq!(self.meta.uploads(), uploads);
        assert!(self.meta.reads() - reads <= 10 * numbers, "more reads than checks");
        let Due::Later(Some(check)) = self.stage.due() else { panic!("no check to come") };
        let reads = self.meta.reads();
        self.wait(Duration::try_from(check.duration_since(self.stage.now)).unwrap() - Duration::from_secs(1));
        assert_eq!(self.meta.reads(), reads);
    }
}
