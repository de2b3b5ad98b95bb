//! Changing and watching a running emulator from the same process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::behaviour::Behaviour;
use crate::config::Config;
use crate::journal::{Journal, Request};
use crate::keys::{Key, KeyError};
use crate::replica::{KeyChange, Replica};

/// A handle on a running emulator: cheap to clone, usable from any thread, never waits. Replicas are counted from 0;
/// one that there is not is a mistake of the caller, and panics.
#[derive(Clone)]
pub struct Control(Arc<Shared>);

struct Shared {
    world: Mutex<World>,
    begun: Instant,
}

/// The state behind the replicas.
pub(crate) struct World {
    pub(crate) replicas: Vec<Replica>,
    pub(crate) app_secret: Option<String>,
    /// A text in every answer except proofs. Tests look for it in the output of the operator.
    pub(crate) marker: String,
    pub(crate) journal: Journal,
}

impl Control {
    pub(crate) fn new(config: &Config) -> Self {
        let world = World {
            replicas: (0..config.replicas).map(|_| Replica::default()).collect(),
            app_secret: None,
            marker: String::new(),
            journal: Journal::new(config.journal_limit),
        };
        Self(Arc::new(Shared { world: Mutex::new(world), begun: Instant::now() }))
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begun(&self) -> Instant {
        self.0.begun
    }

    /// How many replicas there are.
    pub fn replicas(&self) -> usize {
        self.world().replicas.len()
    }

    /// Gives a replica these private keys (PEM), in place of those that it has.
    ///
    /// # Errors
    /// If one of them is no private key. Nothing changes then.
    pub fn set_keys(&self, replica: usize, pems: &[&str], change: KeyChange) -> Result<(), KeyError> {
        let keys = parse(pems)?;
        self.world().replicas[replica].set_keys(keys, change, Instant::now());
        Ok(())
    }

    /// The same for all replicas.
    ///
    /// # Errors
    /// As [`set_keys`](Self::set_keys).
    pub fn set_keys_everywhere(&self, pems: &[&str], change: KeyChange) -> Result<(), KeyError> {
        let keys = parse(pems)?;
        let now = Instant::now();
        self.world().replicas.iter_mut().for_each(|replica| replica.set_keys(keys.clone(), change, now));
        Ok(())
    }

    /// The fingerprints of the keys that a replica has now.
    pub fn keys(&self, replica: usize) -> Vec<Arc<str>> {
        let mut world = self.world();
        world.replicas[replica].keys(Instant::now()).iter().map(|key| Arc::clone(key.fingerprint())).collect()
    }

    /// Restarts the replica. It then has the keys that waited for a restart.
    pub fn restart(&self, replica: usize) {
        self.world().replicas[replica].restart();
    }

    /// How a replica answers from now on.
    pub fn set_behaviour(&self, replica: usize, behaviour: Behaviour) {
        self.world().replicas[replica].behaviour = behaviour;
    }

    /// Requests must be signed with this secret. Without a secret, signatures are ignored.
    pub fn set_app_secret(&self, app_secret: Option<&str>) {
        self.world().app_secret = app_secret.map(str::to_owned);
    }

    /// Puts a text into the body and a header of every answer from now on, except the body of a proof.
    pub fn set_marker(&self, marker: &str) {
        marker.clone_into(&mut self.world().marker);
    }

    /// The requests in the journal, in the order in which they were answered.
    pub fn requests(&self) -> Vec<Request> {
        self.world().journal.requests()
    }

    /// Empties the journal.
    pub fn clear_journal(&self) {
        self.world().journal.clear();
    }
}

fn parse(pems: &[&str]) -> Result<Vec<Arc<Key>>, KeyError> {
    pems.iter().map(|pem| Key::parse(pem).map(Arc::new)).collect()
}
