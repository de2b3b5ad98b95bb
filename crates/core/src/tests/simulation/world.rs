//! Resources, Meta, and the operator that takes the resources through their rounds.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use fastrand::Rng;

use super::super::meta::{self, Model};
use super::super::*;
use super::oracles;
use super::process::{Life, Process, Told, token};
use crate::number::Ownership;
use crate::reconcile::ownership::{agenda, claim_numbers, unowned_numbers};
use crate::status::summarize::{MIN_PAUSE, follow};
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
    /// What the index was told of each resource (by its UID) last.
    indexed: HashMap<String, FlowsEncryptionKey>,
    pub(super) meta: Model,
    pub(super) told: Told,
    created: usize,
    /// Time that only goes forward, by which the operator waits.
    clock: Timestamp,
    /// When the operator looks at each resource (by its UID) next.
    wakes: HashMap<String, Timestamp>,
    /// Until when requests of a process that vanished may arrive.
    crossed_until: Timestamp,
    /// How many processes have ended.
    ended: usize,
}

/// A round between its reading and its end.
pub(super) struct Begun {
    key: ObjectKey,
    observation: Observation,
    /// Which numbers are still to be read.
    unread: VecDeque<usize>,
    plan: Plan,
    secrets: Vec<ObservedSecret>,
    /// The status that was last written.
    shown: Option<FlowsEncryptionKeyStatus>,
    life: Life,
    /// What it was told.
    told: Told,
    /// How many processes had ended when it began.
    ended: usize,
}

pub(super) fn uid(stage: &Stage) -> &str {
    stage.resource.metadata.uid.as_deref().unwrap_or_default()
}

pub(super) fn key_of(stage: &Stage) -> ObjectKey {
    ObjectKey::of(&stage.resource.metadata)
}

/// The resource without the texts that nothing is compared with: the index packs them, which takes longer than a round.
fn remembered(stage: &Stage) -> FlowsEncryptionKey {
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

fn new_index() -> Store {
    Store::new(&[None], Waits::default().before_takeover())
}

impl World {
    pub(super) fn new(seed: u64, ids: &[&str]) -> Self {
        Self {
            random: Rng::with_seed(seed),
            now: at(0),
            stages: Vec::new(),
            store: new_index(),
            indexed: HashMap::new(),
            meta: Model::new(ids),
            told: Told::default(),
            created: 0,
            clock: at(0),
            wakes: HashMap::new(),
            crossed_until: Timestamp::MIN,
            ended: 0,
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
        let vacated = self.store.delete_resource(&key_of(&stage), self.now);
        self.react(&key_of(&stage), &Change { spec_changed: false, vacated });
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
        let contenders = change.vacated.iter().flat_map(|vacated| &vacated.contenders);
        for key in contenders.chain(change.spec_changed.then_some(key)) {
            if let Some(stage) = self.stages.iter().find(|stage| key_of(stage) == *key) {
                self.wakes.insert(uid(stage).to_owned(), self.clock);
            }
        }
    }

    /// A round asks for the next one at this time, of the clock on the wall.
    fn wake_at(&mut self, uid: &str, next: Option<Timestamp>) {
        if let Some(next) = next {
            let wait = Duration::try_from(next.duration_since(self.now)).unwrap_or_default().max(MIN_PAUSE);
            // A change during the round goes before.
            self.wakes.entry(uid.to_owned()).or_insert(self.clock + wait);
        }
    }

    /// Another process takes over, and knows what the API server has.
    pub(super) fn restart(&mut self) {
        self.ended += 1;
        self.store = new_index();
        self.indexed.clear();
        for position in 0..self.stages.len() {
            self.learn(position);
            self.wakes.insert(uid(&self.stages[position]).to_owned(), self.clock);
        }
    }

    /// The index is told of a resource as it is now.
    fn learn(&mut self, position: usize) -> Change {
        let stage = &self.stages[position];
        let remembered = remembered(stage);
        // Most checks change nothing that is remembered.
        if self.indexed.get(uid(stage)) == Some(&remembered) {
            return Change::default();
        }
        let change = self.store.apply_resource(&remembered, self.now);
        self.indexed.insert(uid(stage).to_owned(), remembered);
        change
    }

    /// What there is to do for a resource, as the operator decides it.
    pub(super) fn due(&self, position: usize) -> Due {
        let stage = &self.stages[position];
        let unowned = unowned_numbers(&self.store, &stage.resource, &key_of(stage), self.now);
        agenda(due(&stage.resource, &stage.secrets, stage.interval, self.now), unowned)
    }

    /// The first half of a round: everything is read, numbers are claimed, and a plan is made.
    pub(super) fn begin(&mut self, position: usize, agenda: Work, life: Life) -> Begun {
        let mut begun = self.look(position, agenda, life);
        self.read(&mut begun, usize::MAX);
        self.decide(&mut begun);
        begun
    }

    /// A round begins, with the Secrets.
    pub(super) fn look(&mut self, position: usize, agenda: Work, mut life: Life) -> Begun {
        let stage = &mut self.stages[position];
        self.wakes.remove(uid(stage));
        stage.now = self.now;
        life.may_be_crossed = self.now < self.crossed_until;
        let observation = stage.look(agenda);
        let (shown, secrets) = (stage.resource.status.clone(), stage.secrets.clone());
        let unread = unread(&observation).into();
        let (plan, told, ended) = (Plan::default(), Told::default(), self.ended);
        Begun { key: key_of(stage), observation, unread, plan, secrets, shown, life, told, ended }
    }

    /// Reads so many numbers more; none where something has changed.
    pub(super) fn read(&mut self, begun: &mut Begun, count: usize) {
        for _ in 0..count {
            let is_permitted = self.is_permitted(begun);
            let Some(position) = begun.unread.pop_front().filter(|_| is_permitted) else { return begun.unread.clear() };
            let now = self.now;
            let (mut process, observation) = self.process(begun);
            read_number(observation, position, &mut process, now);
        }
    }

    /// Whether the round's process has ended meanwhile, and its round with it.
    fn is_gone(&self, begun: &Begun) -> bool {
        begun.ended != self.ended
    }

    /// The process that goes on with the round, and what the round knows.
    fn process<'a>(&'a mut self, begun: &'a mut Begun) -> (Process<'a>, &'a mut Observation) {
        let observation = &mut begun.observation;
        let resource = Arc::clone(&observation.resource);
        let secrets = observation.inputs.as_ref().map(|inputs| inputs.secrets.as_slice()).unwrap_or_default();
        let process = Process {
            meta: &mut self.meta,
            told: &mut begun.told,
            uid: resource.metadata.uid.clone().unwrap_or_default(),
            token: token(&resource.spec, secrets),
            life: &mut begun.life,
        };
        (process, observation)
    }

    /// Settles whose the numbers are.
    fn settle(&mut self, begun: &mut Begun) {
        if self.is_gone(begun) {
            return;
        }
        begun.observation.now = self.now;
        claim_numbers(&mut self.store, &mut begun.observation, &begun.key);
    }

    /// The reading is over.
    pub(super) fn decide(&mut self, begun: &mut Begun) {
        self.settle(begun);
        begun.plan = plan(&begun.observation);
    }

    /// A status while a round reads.
    pub(super) fn checkpoint_reading(&mut self, begun: &mut Begun) {
        self.settle(begun);
        self.checkpoint(begun);
    }

    /// A status while a round is under way.
    pub(super) fn checkpoint(&mut self, begun: &mut Begun) {
        if let Some(position) = self.writable(begun).filter(|_| !begun.life.is_over()) {
            let status = summarize(&begun.observation, &[], Progress::Underway, self.now).status;
            self.store(position, begun, status);
        }
    }

    /// The second half of a round: the uploads and the status.
    pub(super) fn finish(&mut self, mut begun: Begun) {
        if self.is_gone(&begun) {
            return;
        }
        let mut plan = begun.plan.clone();
        if !self.is_permitted(&begun) {
            plan.uploads.clear();
        }
        let wanted = begun.observation.expected();
        plan.uploads
            .retain(|u| self.store.owner(&u.phone_number_id, &begun.key, wanted, self.now) == Ownership::Uncontested);
        oracles::check_plan(self, &begun.observation, &plan);
        let uid = begun.observation.resource.metadata.uid.clone().unwrap_or_default();
        let now = self.now;
        let (mut process, observation) = self.process(&mut begun);
        let mut outcomes = meta::execute(observation, &plan, &mut process, now);
        assert!(outcomes.len() <= plan.uploads.len());
        let is_over = begun.life.is_over();
        if is_over {
            // The last one that it began was not seen to its end.
            outcomes.truncate(begun.life.uploads.saturating_sub(1));
        }
        let is_permitted = self.is_permitted(&begun) && !is_over;
        let progress = Progress::of(is_permitted, &begun.observation, &begun.plan, &outcomes);
        let is_noted = !is_over || self.random.bool();
        if let Some(position) = self.writable(&begun).filter(|_| is_noted) {
            let summary = summarize(&begun.observation, &outcomes, progress, self.now);
            assert!(summary.next.is_none_or(|next| next >= self.now));
            self.store(position, &mut begun, summary.status);
            self.wake_at(&uid, summary.next);
        } else if self.stages.iter().any(|stage| self::uid(stage) == uid) {
            self.wakes.insert(uid.clone(), self.clock);
        }
        self.store.finish_round(&begun.key);
        if is_over {
            self.crossed_until = self.now + MINUTE;
            self.restart();
        }
    }

    /// Whether the process lives, and nobody changed the resource or its Secrets since the round began.
    fn is_permitted(&self, begun: &Begun) -> bool {
        let began = &begun.observation.resource.metadata;
        !self.is_gone(begun)
            && self.stages.iter().any(|stage| {
                let metadata = &stage.resource.metadata;
                metadata.uid == began.uid
                    && metadata.generation == began.generation
                    && metadata.annotations == began.annotations
                    && stage.secrets == begun.secrets
            })
    }

    /// Where the status can be written to: not where the process or the resource is gone, or someone else wrote its
    /// status.
    fn writable(&self, begun: &Begun) -> Option<usize> {
        if self.is_gone(begun) {
            return None;
        }
        let uid = &begun.observation.resource.metadata.uid;
        let position = self.stages.iter().position(|stage| stage.resource.metadata.uid == *uid)?;
        (self.stages[position].resource.status == begun.shown).then_some(position)
    }

    fn store(&mut self, position: usize, begun: &mut Begun, mut status: FlowsEncryptionKeyStatus) {
        let before = begun.shown.clone().unwrap_or_default();
        follow(Some(&before), &mut status, self.now);
        let stage = &mut self.stages[position];
        stage.store(&status);
        oracles::check_conditions(&before.conditions, stage.status(), begun.observation.resource.spec.is_suspended());
        oracles::check_transitions(&before, stage.status(), self.now);
        self.told.note(&begun.told);
        oracles::check_ready(stage, &self.told);
        begun.shown.clone_from(&stage.resource.status);
        let change = self.learn(position);
        self.react(&begun.key, &change);
    }

    /// A round of a resource, if one is due.
    pub(super) fn round(&mut self, position: usize, life: Life) {
        if let Due::Now(agenda) = self.due(position) {
            let begun = self.begin(position, agenda, life);
            self.finish(begun);
        }
    }

    /// Time goes by, and the operator works.
    pub(super) fn wait(&mut self, time: Duration) {
        let end = self.clock + time;
        let mut rounds = 0;
        while let Some(next) = self.wakes.values().min().filter(|next| **next <= end).copied() {
            self.pass(next.max(self.clock));
            let agendas = self.woken();
            rounds += agendas.len() as u64;
            let most = (20 + time.as_secs() / 15) * self.stages.len() as u64;
            assert!(rounds <= most, "{rounds} rounds until {}: {:#?}", self.now, self.stages);
            self.rounds_at_once(agendas);
        }
        self.pass(end);
    }

    fn pass(&mut self, clock: Timestamp) {
        self.now += clock.duration_since(self.clock);
        self.clock = clock;
    }

    /// What there is to do for the resources whose time has come.
    fn woken(&mut self) -> Vec<(usize, Work)> {
        let mut agendas = Vec::new();
        for position in 0..self.stages.len() {
            let uid = uid(&self.stages[position]).to_owned();
            if self.wakes.get(&uid).is_none_or(|at| *at > self.clock) {
                continue;
            }
            self.wakes.remove(&uid);
            match self.due(position) {
                Due::Now(agenda) => agendas.push((position, agenda)),
                Due::Later(next) => self.wake_at(&uid, next),
            }
        }
        agendas
    }

    /// Rounds of several resources: all read before the first one uploads.
    fn rounds_at_once(&mut self, agendas: Vec<(usize, Work)>) {
        let mut rounds: Vec<_> =
            agendas.into_iter().map(|(position, agenda)| self.begin(position, agenda, Life::default())).collect();
        self.random.shuffle(&mut rounds);
        for mut begun in rounds {
            if self.random.u8(..) < 64 {
                self.checkpoint(&mut begun);
            }
            self.finish(begun);
        }
    }
}
