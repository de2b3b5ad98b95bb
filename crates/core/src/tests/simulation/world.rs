//! Resources, Meta, and the operator that takes the resources through their reconciles.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use fastrand::Rng;

use super::super::meta::Model;
use super::super::player;
use super::super::*;
use super::oracles;
use super::process::{LastAnswers, Life, Process, token};
use crate::number::Ownership;
use crate::reconcile::action::{Action, End, Event};
use crate::reconcile::machine::{Reconcile, Settings};
use crate::reconcile::work_due::work_due;
use crate::status::summarize::MIN_PAUSE;
use crate::store::object_key::ObjectKey;
use crate::store::store::{Change, Store};

/// Everything there is.
pub(super) struct World {
    pub(super) random: Rng,
    pub(super) now: Timestamp,
    /// The resources, as the API server has them.
    pub(super) stages: Vec<Stage>,
    /// What the operator knows of them.
    pub(super) store: Store,
    /// The version of each resource (by its UID) that the store has.
    in_store: HashMap<String, FlowsEncryptionKey>,
    pub(super) meta: Model,
    pub(super) answers: LastAnswers,
    created: usize,
    /// Time that only goes forward, by which the operator waits.
    clock: Timestamp,
    /// When the operator looks at each resource (by its UID) next.
    wakes: HashMap<String, Timestamp>,
    /// Until this time, requests of a vanished process may arrive.
    crossed_until: Timestamp,
    /// How many processes have ended.
    ended: usize,
    /// The API server takes no status.
    pub(super) refuses_writes: bool,
    /// Resources (by UID) whose last reconcile could not store its status, and how many in a row.
    owing: HashMap<String, i32>,
    /// Uploads that no stored status shows: resource (by UID) and number. They are forgotten when the process ends.
    unstored: HashSet<(String, String)>,
}

/// How a reconcile ended while its process went on.
#[derive(Clone, Copy)]
enum Ended {
    Finished(Option<Timestamp>),
    Dropped,
    /// The API server did not take the status.
    Refused,
}

/// A reconcile under way, and the process that drives it.
pub(super) struct Begun {
    key: ObjectKey,
    reconcile: Reconcile,
    secrets: Vec<ObservedSecret>,
    life: Life,
    /// The answers to the calls of the reconcile.
    answers: LastAnswers,
    /// How many processes had ended when it began.
    ended: usize,
}

pub(super) fn uid(stage: &Stage) -> &str {
    stage.resource.metadata.uid.as_deref().unwrap_or_default()
}

pub(super) fn key_of(stage: &Stage) -> ObjectKey {
    ObjectKey::of(&stage.resource.metadata)
}

/// The resource without the texts that no decision reads. The store packs texts, which takes longer than a reconcile.
fn cached(stage: &Stage) -> FlowsEncryptionKey {
    let mut resource = stage.resource.clone();
    if let Some(status) = &mut resource.status {
        (status.public_key, status.previous_fingerprints) = (None, Vec::new());
        (status.last_check_time, status.next_check_time, status.valid) = (None, None, None);
        status.last_successful_check_time = None;
        status.conditions.iter_mut().for_each(|condition| condition.message.clear());
        for number in &mut status.phone_numbers {
            let (phone_number_id, owned_since) =
                (std::mem::take(&mut number.phone_number_id), number.owned_since.take());
            *number = PhoneNumberStatus { phone_number_id, state: number.state, owned_since, ..Default::default() };
        }
    }
    resource
}

fn new_store() -> Store {
    Store::new(&[None], Waits::default().before_takeover())
}

impl World {
    pub(super) fn new(seed: u64, ids: &[&str]) -> Self {
        Self {
            random: Rng::with_seed(seed),
            now: at(0),
            stages: Vec::new(),
            store: new_store(),
            in_store: HashMap::new(),
            meta: Model::new(ids),
            answers: LastAnswers::default(),
            created: 0,
            clock: at(0),
            wakes: HashMap::new(),
            crossed_until: Timestamp::MIN,
            ended: 0,
            refuses_writes: false,
            owing: HashMap::new(),
            unstored: HashSet::new(),
        }
    }

    /// Someone creates a resource.
    pub(super) fn create(&mut self, name: &str, ids: &[&str], key_number: usize) {
        self.created += 1;
        let mut stage = Stage::new(ids);
        let metadata = &mut stage.resource.metadata;
        metadata.name = Some(name.to_owned());
        metadata.uid = Some(format!("{name}-{}", self.created));
        metadata.creation_timestamp = Some(Time(self.now));
        stage.key = Ok(key(key_number));
        stage.interval = HOUR * [1, 4][self.random.usize(..2)];
        self.stages.push(stage);
        self.change(self.stages.len() - 1, |_| {});
    }

    pub(super) fn delete(&mut self, position: usize) {
        let stage = self.stages.remove(position);
        self.wakes.remove(uid(&stage));
        let released = self.store.delete_resource(&key_of(&stage), self.now);
        self.react(&key_of(&stage), &Change { spec_changed: false, released });
    }

    /// Someone changes a resource or its Secrets.
    pub(super) fn change(&mut self, position: usize, change: impl FnOnce(&mut Stage)) {
        let stage = &mut self.stages[position];
        let secrets = stage.secrets.clone();
        change(stage);
        let (key, has_new_secrets) = (key_of(stage), stage.secrets != secrets);
        let mut change = self.learn(position);
        change.spec_changed |= has_new_secrets;
        self.react(&key, &change);
    }

    /// What the operator's queue does.
    fn react(&mut self, key: &ObjectKey, change: &Change) {
        let claimants = change.released.iter().flatten();
        for key in claimants.chain(change.spec_changed.then_some(key)) {
            if let Some(stage) = self.stages.iter().find(|stage| key_of(stage) == *key) {
                self.wakes.insert(uid(stage).to_owned(), self.clock);
            }
        }
    }

    /// A reconcile asks for the next one at this time of the wall clock.
    fn wake_at(&mut self, uid: &str, next: Option<Timestamp>) {
        if let Some(next) = next {
            let wait = Duration::try_from(next.duration_since(self.now)).unwrap_or_default().max(MIN_PAUSE);
            // A change during the reconcile goes before.
            self.wakes.entry(uid.to_owned()).or_insert(self.clock + wait);
        }
    }

    /// Another process takes over, and knows what the API server has.
    pub(super) fn restart(&mut self) {
        self.ended += 1;
        self.owing.clear();
        self.unstored.clear();
        self.store = new_store();
        self.in_store.clear();
        for position in 0..self.stages.len() {
            self.learn(position);
            self.wakes.insert(uid(&self.stages[position]).to_owned(), self.clock);
        }
    }

    /// The store gets the present version of a resource.
    fn learn(&mut self, position: usize) -> Change {
        let stage = &self.stages[position];
        let cached = cached(stage);
        // Most checks change nothing in the store.
        if self.in_store.get(uid(stage)) == Some(&cached) {
            return Change::default();
        }
        let change = self.store.apply_resource(&cached, self.now);
        self.in_store.insert(uid(stage).to_owned(), cached);
        change
    }

    /// What there is to do for a resource, as the operator decides it.
    pub(super) fn due(&self, position: usize) -> Schedule {
        let stage = &self.stages[position];
        work_due(&self.store, &stage.resource, &stage.secrets, stage.interval, self.now)
    }

    /// The first half of a reconcile: everything is read, numbers are claimed, and the uploads are decided.
    pub(super) fn begin(&mut self, position: usize, work: Work, life: Life) -> Begun {
        let mut begun = self.look(position, work, life);
        self.decide(&mut begun);
        begun
    }

    /// A reconcile begins, with the Secrets.
    pub(super) fn look(&mut self, position: usize, work: Work, mut life: Life) -> Begun {
        let stage = &mut self.stages[position];
        self.wakes.remove(uid(stage));
        stage.now = self.now;
        life.may_be_crossed = self.now < self.crossed_until;
        let settings = Settings {
            interval: stage.interval,
            waits: Waits::default(),
            owes_status: self.owing.contains_key(uid(stage)),
        };
        let mut reconcile = Reconcile::new(Arc::new(stage.resource.clone()), work, settings, self.now);
        if reconcile.observation().work.inputs {
            assert_eq!(reconcile.next(self.now), Some(Action::ReadSecrets));
            reconcile.handle(Event::SecretsRead(stage.inputs()), self.now);
        }
        let (key, secrets) = (key_of(stage), stage.secrets.clone());
        Begun { key, reconcile, secrets, life, answers: LastAnswers::default(), ended: self.ended }
    }

    /// Reads so many more numbers. Reads none if something has changed.
    pub(super) fn read(&mut self, begun: &mut Begun, count: usize) {
        for _ in 0..count {
            match self.advance(begun) {
                Some(action @ Action::ReadNumber { .. }) => self.call(begun, action),
                Some(Action::ClaimNumbers) | None => return,
                Some(action) => panic!("{action:?} before the numbers are claimed"),
            }
        }
    }

    /// The next action of the reconcile. A change revokes the reconcile first.
    fn advance(&self, begun: &mut Begun) -> Option<Action> {
        if !self.has_valid_fence(begun) {
            begun.reconcile.revoke();
        }
        begun.reconcile.next(self.now)
    }

    fn call(&mut self, begun: &mut Begun, action: Action) {
        let resource = Arc::clone(&begun.reconcile.observation().resource);
        let secrets = begun.reconcile.observation().inputs.as_ref().map(|inputs| inputs.secrets.clone());
        let mut process = Process {
            meta: &mut self.meta,
            answers: &mut begun.answers,
            uid: resource.metadata.uid.clone().unwrap_or_default(),
            token: token(&resource.spec, &secrets.unwrap_or_default()),
            life: &mut begun.life,
        };
        let event = player::call(&begun.reconcile, action, &mut process, self.now).expect("a call");
        begun.reconcile.handle(event, self.now);
    }

    /// Whether the process of the reconcile has ended meanwhile, and the reconcile with it.
    fn is_gone(&self, begun: &Begun) -> bool {
        begun.ended != self.ended
    }

    /// The reading comes to its end.
    pub(super) fn decide(&mut self, begun: &mut Begun) {
        self.read(begun, usize::MAX);
        if !self.is_gone(begun) {
            begun.reconcile.claim_numbers(&mut self.store, self.now);
        }
    }

    /// A status while a reconcile is under way.
    pub(super) fn checkpoint(&mut self, begun: &mut Begun) {
        if self.is_gone(begun) || begun.life.is_over() {
            return;
        }
        let status = begun.reconcile.status_so_far(&mut self.store, self.now);
        if let Some(position) = self.writable(begun).filter(|_| !self.refuses_writes) {
            self.store(position, begun, status, Event::CheckpointStored);
        }
    }

    /// The second half of a reconcile: the uploads and the status.
    pub(super) fn finish(&mut self, mut begun: Begun) {
        if self.is_gone(&begun) {
            return;
        }
        let uid = begun.reconcile.observation().resource.metadata.uid.clone().unwrap_or_default();
        let end = self.upload_and_write(&mut begun);
        self.store.finish_reconcile(&begun.key);
        if !self.stages.iter().any(|stage| self::uid(stage) == uid) {
            self.owing.remove(&uid);
        } else if let Some(Ended::Finished(next)) = end {
            self.owing.remove(&uid);
            self.wake_at(&uid, next);
        } else if let Some(Ended::Refused) = end {
            let failures = self.owing.entry(uid.clone()).or_default();
            *failures += 1;
            let wait = Waits::default().after_outage(*failures);
            self.wakes.entry(uid).or_insert(self.clock + wait);
        } else {
            // Somebody else has written the status, which does not show these uploads.
            self.unstored.retain(|(of, _)| *of != uid);
            self.wakes.insert(uid, self.clock);
        }
        if end.is_none() {
            self.crossed_until = self.now + MINUTE;
            self.restart();
        }
    }

    /// None if the process ended meanwhile.
    fn upload_and_write(&mut self, begun: &mut Begun) -> Option<Ended> {
        loop {
            let action = self.advance(begun)?;
            if begun.life.is_over() {
                return self.die(begun, action);
            }
            match action {
                Action::Upload(upload) => self.upload(begun, upload),
                Action::WriteStatus(write) => {
                    let Some(position) = self.writable(begun) else { return Some(Ended::Dropped) };
                    if self.refuses_writes {
                        return Some(Ended::Refused);
                    }
                    self.store(position, begun, write.status, Event::StatusStored);
                }
                Action::Publish(_) => drop(begun.reconcile.handle(Event::Published, self.now)),
                Action::Done(End::Dropped) => return Some(Ended::Dropped),
                Action::Done(End::Finished { next }) => {
                    assert!(next.is_none_or(|next| next >= self.now));
                    return Some(Ended::Finished(next));
                }
                action => self.call(begun, action),
            }
        }
    }

    fn upload(&mut self, begun: &mut Begun, upload: Upload) {
        let observation = begun.reconcile.observation();
        let owner = self.store.owner(&upload.phone_number_id, &begun.key, observation.expected(), self.now);
        if owner != Ownership::Uncontested {
            let event = Event::Uploaded { phone_number_id: upload.phone_number_id, call: None };
            begun.reconcile.handle(event, self.now);
            return;
        }
        oracles::check_upload(self, observation, &upload);
        let uid = observation.resource.metadata.uid.clone().unwrap_or_default();
        // Only the status knows what was uploaded.
        let is_new = self.unstored.insert((uid, upload.phone_number_id.clone()));
        assert!(is_new, "uploaded again before the last upload was stored: {upload:?}");
        self.call(begun, Action::Upload(upload));
    }

    /// The process ends before this action. An upload may have left already, and a last checkpoint may be stored.
    fn die(&mut self, begun: &mut Begun, action: Action) -> Option<Ended> {
        let status = begun.reconcile.status_so_far(&mut self.store, self.now);
        if let Some(position) = self.writable(begun).filter(|_| !self.refuses_writes && self.random.bool()) {
            self.store(position, begun, status, Event::CheckpointStored);
        }
        if let Action::Upload(upload) = action {
            let owner = self.store.owner(
                &upload.phone_number_id,
                &begun.key,
                begun.reconcile.observation().expected(),
                self.now,
            );
            if owner == Ownership::Uncontested {
                self.call(begun, Action::Upload(upload));
            }
        }
        None
    }

    /// Whether the process lives, and nobody changed the resource or its Secrets since the reconcile began.
    fn has_valid_fence(&self, begun: &Begun) -> bool {
        let began = &begun.reconcile.observation().resource.metadata;
        !self.is_gone(begun)
            && self.stages.iter().any(|stage| {
                let metadata = &stage.resource.metadata;
                metadata.uid == began.uid
                    && metadata.generation == began.generation
                    && metadata.annotations == began.annotations
                    && stage.secrets == begun.secrets
            })
    }

    /// The resource whose status can be written. None if the process or the resource is gone, or if someone else wrote
    /// the status.
    fn writable(&self, begun: &Begun) -> Option<usize> {
        if self.is_gone(begun) {
            return None;
        }
        let uid = &begun.reconcile.observation().resource.metadata.uid;
        let position = self.stages.iter().position(|stage| stage.resource.metadata.uid == *uid)?;
        (self.stages[position].resource.status == begun.reconcile.stored().status).then_some(position)
    }

    fn store(
        &mut self,
        position: usize,
        begun: &mut Begun,
        status: FlowsEncryptionKeyStatus,
        stored: fn(Arc<FlowsEncryptionKey>) -> Event,
    ) {
        let before = begun.reconcile.stored().status.clone().unwrap_or_default();
        let is_suspended = begun.reconcile.observation().resource.spec.is_suspended();
        let stage = &mut self.stages[position];
        stage.store(&status);
        oracles::check_conditions(&before.conditions, stage.status(), is_suspended);
        oracles::check_transitions(&before, stage.status(), self.now);
        self.answers.note(&begun.answers);
        oracles::check_ready(stage, &self.answers);
        let uid = uid(stage).to_owned();
        self.unstored.retain(|(of, _)| *of != uid);
        begun.reconcile.handle(stored(Arc::new(stage.resource.clone())), self.now);
        let change = self.learn(position);
        self.react(&begun.key, &change);
    }

    /// A reconcile of a resource, if one is due.
    pub(super) fn reconcile(&mut self, position: usize, life: Life) {
        if let Schedule::Now(work) = self.due(position) {
            let begun = self.begin(position, work, life);
            self.finish(begun);
        }
    }

    /// Time goes by, and the operator works.
    pub(super) fn wait(&mut self, time: Duration) {
        let end = self.clock + time;
        let mut reconciles = 0;
        while let Some(next) = self.wakes.values().min().filter(|next| **next <= end).copied() {
            self.pass(next.max(self.clock));
            let all_work = self.woken();
            reconciles += all_work.len() as u64;
            let most = (20 + time.as_secs() / 15) * self.stages.len() as u64;
            assert!(reconciles <= most, "{reconciles} reconciles until {}: {:#?}", self.now, self.stages);
            self.reconcile_at_once(all_work);
        }
        self.pass(end);
    }

    fn pass(&mut self, clock: Timestamp) {
        self.now += clock.duration_since(self.clock);
        self.clock = clock;
    }

    /// What there is to do for the resources whose time has come.
    fn woken(&mut self) -> Vec<(usize, Work)> {
        let mut all_work = Vec::new();
        for position in 0..self.stages.len() {
            let uid = uid(&self.stages[position]).to_owned();
            if self.wakes.get(&uid).is_none_or(|at| *at > self.clock) {
                continue;
            }
            self.wakes.remove(&uid);
            match self.due(position) {
                Schedule::Now(work) => all_work.push((position, work)),
                Schedule::Later(next) => self.wake_at(&uid, next),
            }
        }
        all_work
    }

    /// Reconciles of several resources: all read before the first one uploads.
    fn reconcile_at_once(&mut self, all_work: Vec<(usize, Work)>) {
        let mut reconciles: Vec<_> =
            all_work.into_iter().map(|(position, work)| self.begin(position, work, Life::default())).collect();
        self.random.shuffle(&mut reconciles);
        for mut begun in reconciles {
            if self.random.u8(..) < 64 {
                self.checkpoint(&mut begun);
            }
            self.finish(begun);
        }
    }
}
