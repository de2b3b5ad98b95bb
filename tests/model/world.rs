//! A state of the model: what the API server stores, what Meta holds, and what every process of the operator has in
//! its memory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, Unit};
use waflows_core::api::crd::FlowsEncryptionKey;
use waflows_core::queue::Urgency;
use waflows_core::reconcile::machine::Reconcile;
use waflows_core::rollout::plan::Upload;
use waflows_core::rollout::uploads::Uploads;
use waflows_core::store::store::Store;
use waflows_operator::leader::election::Election;
use waflows_operator::leader::record::Record;

use crate::endpoint::Probing;
use crate::environment::Fate;
use crate::history::History;
use crate::objects::{id, origin, resource, secret_metadata, secrets};
use crate::setup::{Budget, Setup};

/// For so long after it was sent, a request may still take effect at Meta. The operator waits longer before it reads a
/// number again.
pub(crate) const LATEST_ARRIVAL: Duration = Duration::from_secs(55);
/// For so long Meta may show an old answer.
pub(crate) const LONGEST_LAG: Duration = Duration::from_secs(55);
/// As in the operator's clients: bound on a call to Meta.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_millis(4500);

/// A state.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    /// The check interval.
    pub(crate) interval: Duration,
    /// Time goes by in whole units of this.
    pub(crate) grain: Unit,
    /// The resources as the API server has them; none once deleted.
    pub(crate) resources: Vec<Option<Arc<FlowsEncryptionKey>>>,
    /// The key in each resource's Secret, and the Secret's version.
    pub(crate) keys: Vec<(Option<usize>, u32)>,
    pub(crate) lines: Vec<Line>,
    /// The pods of the Flow endpoint, with the keys that each opens.
    pub(crate) targets: Vec<BTreeSet<usize>>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) lease: Option<Record>,
    /// An upload whose sender does not wait for it any more.
    pub(crate) ghost: Option<Ghost>,
    pub(crate) budget: Budget,
    pub(crate) history: History,
}

/// What a read shows: the key, and whether its signature is valid.
pub(crate) type Shown = (Option<usize>, bool);

/// A phone number, as Meta has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Line {
    pub(crate) key: Option<usize>,
    pub(crate) signed: bool,
    /// What reads still show, and since when.
    pub(crate) stale: Option<(Option<usize>, bool, Timestamp)>,
    /// Calls about it fail.
    pub(crate) is_down: bool,
    /// Meta does not sign what is uploaded to it.
    pub(crate) is_unregistered: bool,
}

/// An upload on its way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ghost {
    pub(crate) number: usize,
    pub(crate) key: usize,
    pub(crate) sent: Timestamp,
}

/// A process of the operator.
#[derive(Debug, Clone)]
pub(crate) struct Replica {
    /// None where there is one process alone.
    pub(crate) election: Option<Election>,
    /// Since when it works in its present term, and whether it took the Lease from another.
    pub(crate) term: Option<(Timestamp, bool)>,
    pub(crate) store: Arc<Store>,
    /// The resources as the store has them.
    pub(crate) cached: Vec<Option<Arc<FlowsEncryptionKey>>>,
    /// When each resource last lost numbers that others list, and its key then. The store keeps the same privately.
    pub(crate) released: Vec<Option<(Timestamp, Option<String>)>>,
    /// What is known of each resource's endpoint.
    pub(crate) probing: Vec<Probing>,
    /// By resource.
    pub(crate) queue: Vec<Entry>,
    /// By resource.
    pub(crate) reconciles: Vec<Option<RunningReconcile>>,
}

/// The state of a resource in the queue. An entry has no position: the checker takes the resources that are ready in
/// every order, and `waflows_core::queue` would choose one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) queued: Option<Urgency>,
    pub(crate) timer: Option<Timestamp>,
}

/// A reconcile under way.
#[derive(Debug, Clone)]
pub(crate) struct RunningReconcile {
    pub(crate) machine: Reconcile,
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) is_revoked: bool,
    /// The term in which it began is over.
    pub(crate) is_orphaned: bool,
}

impl RunningReconcile {
    /// Whether a further upload may begin.
    pub(crate) fn has_uploads_left(&self) -> bool {
        let mut waiting = self.machine.uploads().into_iter().flat_map(Uploads::waiting);
        waiting.next().is_some() && !self.machine.is_revoked()
    }
}

/// An upload under way.
#[derive(Debug, Clone)]
pub(crate) struct InFlight {
    pub(crate) upload: Upload,
    pub(crate) sent: Timestamp,
    pub(crate) has_arrived: bool,
    /// The answer is lost.
    pub(crate) is_given_up: bool,
}

impl World {
    /// New resources, numbers without keys, processes that have just listed everything.
    pub(crate) fn new(setup: &Setup) -> Self {
        let made = |(x, numbers): (usize, &Vec<usize>)| Some(Arc::new(resource(x, numbers, setup.targets > 0)));
        let resources: Vec<_> = setup.resources.iter().enumerate().map(made).collect();
        let mut world = Self {
            now: origin(),
            interval: setup.interval,
            grain: setup.grain,
            keys: (0..resources.len()).map(|x| (Some(x), 1)).collect(),
            resources,
            lines: vec![Line::default(); setup.numbers],
            // The endpoint was given the key before the resource was.
            targets: vec![BTreeSet::from([0]); setup.targets],
            replicas: Vec::new(),
            lease: None,
            ghost: None,
            budget: setup.budget,
            history: History::new(setup),
        };
        for replica in 0..setup.replicas {
            let started = world.started(setup, replica, 0);
            world.replicas.push(started);
        }
        // Which of two is the first to lead makes no difference.
        world.elect(0, Fate::Answered);
        world
    }

    /// A process that has just started. No two bear the same identity.
    pub(crate) fn started(&self, setup: &Setup, replica: usize, life: u8) -> Replica {
        let mut store = Store::new(&[None], setup.waits().before_takeover());
        for (x, resource) in self.resources.iter().enumerate() {
            if let Some(resource) = resource {
                for secret in secrets(x, self.keys[x].1, self.keys[x].0.is_some()) {
                    store.apply_secret(&secret_metadata(&secret));
                }
                store.apply_resource(resource, self.now);
            }
        }
        let is_alone = setup.replicas == 1;
        Replica {
            election: (!is_alone).then(|| Election::new(format!("{replica}-{life}"), setup.timing())),
            term: is_alone.then_some((self.now, false)),
            store: Arc::new(store),
            cached: self.resources.clone(),
            released: vec![None; self.resources.len()],
            probing: vec![Probing::default(); self.resources.len()],
            queue: vec![Entry { queued: Some(Urgency::Due), timer: None }; self.resources.len()],
            reconciles: vec![None; self.resources.len()],
        }
    }

    /// The clock of the elections.
    pub(crate) fn clock(&self) -> Duration {
        Duration::try_from(self.now.duration_since(origin())).unwrap()
    }

    /// How long ago it was.
    pub(crate) fn since(&self, time: Timestamp) -> Duration {
        Duration::try_from(self.now.duration_since(time)).unwrap_or_default()
    }

    /// The numbers that the resource lists.
    pub(crate) fn listed(&self, x: usize) -> impl Iterator<Item = usize> {
        let ids = self.resources[x].as_ref().map(|resource| resource.spec.phone_number_ids.clone()).unwrap_or_default();
        (0..self.lines.len()).filter(move |number| ids.contains(&id(*number)))
    }
}

impl Line {
    /// What a read shows now.
    pub(crate) fn shown(&self) -> Shown {
        self.stale.map_or((self.key, self.signed), |(key, signed, _)| (key, signed))
    }

    /// An upload takes effect.
    pub(crate) fn upload(&mut self, key: usize) {
        (self.key, self.signed) = (Some(key), !self.is_unregistered);
    }

    /// Whether it holds the key with a valid signature.
    pub(crate) fn is_valid(&self, key: usize) -> bool {
        self.key == Some(key) && self.signed
    }
}

impl Entry {
    /// Whether a reconcile may begin.
    pub(crate) fn is_ready(&self, now: Timestamp) -> bool {
        self.queued.is_some() || self.timer.is_some_and(|timer| timer <= now)
    }
}
