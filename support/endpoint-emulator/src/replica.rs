//! One replica: the keys that it has, those that it is about to have, and how it answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::behaviour::Behaviour;
use crate::keys::Key;

/// When a replica has the keys that it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyChange {
    /// At once.
    #[default]
    Now,
    /// After a while, as the kubelet brings a changed Secret.
    After(#[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")] Duration),
    /// At its next restart, as with an environment variable.
    AtRestart,
    /// Never: it reads another Secret.
    Never,
}

/// What a set of keys waits for.
#[derive(Clone, Copy)]
enum Due {
    At(Instant),
    Restart,
}

#[derive(Default)]
pub(crate) struct Replica {
    keys: Vec<Arc<Key>>,
    coming: Option<(Due, Vec<Arc<Key>>)>,
    pub(crate) behaviour: Behaviour,
}

impl Replica {
    /// Gives the replica keys in place of all keys that it has or waits for.
    pub(crate) fn set_keys(&mut self, keys: Vec<Arc<Key>>, change: KeyChange, now: Instant) {
        self.settle(now);
        self.coming = match change {
            KeyChange::Now => Some((Due::At(now), keys)),
            KeyChange::After(wait) => Some((Due::At(now + wait), keys)),
            KeyChange::AtRestart => Some((Due::Restart, keys)),
            KeyChange::Never => None,
        };
        self.settle(now);
    }

    pub(crate) fn restart(&mut self) {
        if let Some((_, keys)) = self.coming.take() {
            self.keys = keys;
        }
    }

    /// The keys of this moment.
    pub(crate) fn keys(&mut self, now: Instant) -> &[Arc<Key>] {
        self.settle(now);
        &self.keys
    }

    fn settle(&mut self, now: Instant) {
        if matches!(self.coming, Some((Due::At(due), _)) if due <= now) {
            self.restart();
        }
    }
}
