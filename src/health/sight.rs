//! Whether a watch brings what happens in the cluster.

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::locked;

/// What one watch sees.
#[derive(Debug)]
pub struct Sight {
    /// What it watches.
    pub(super) what: &'static str,
    state: Mutex<State>,
    /// Has the API server asked for a sign of life.
    doubt: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    /// When anything came last.
    heard: Instant,
    trouble: Option<Trouble>,
    /// Its connection may lead nowhere: it is to be begun anew.
    is_lost: bool,
}

/// A watch that sees nothing.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) since: Instant,
    pub(super) said: String,
}

impl Sight {
    pub(super) fn new(what: &'static str, doubt: Arc<Notify>) -> Self {
        let state = State { heard: Instant::now(), trouble: None, is_lost: false };
        Self { what, state: Mutex::new(state), doubt }
    }

    /// Something came: an object, or an answer to a list.
    pub fn hear(&self) {
        locked(&self.state).heard = Instant::now();
    }

    /// The watch is open: what happens from now on comes. Returns whether it was not before. One that is to be begun anew
    /// counts once it has been.
    pub fn opened(&self) -> bool {
        let mut state = locked(&self.state);
        state.heard = Instant::now();
        !state.is_lost && state.trouble.take().is_some()
    }

    /// The watch failed. Returns whether this is news.
    pub fn failed(&self, said: &str) -> bool {
        self.doubt.notify_one();
        let mut state = locked(&self.state);
        let is_known = state.trouble.as_ref().is_some_and(|trouble| trouble.said == said);
        let since = state.trouble.as_ref().map_or_else(Instant::now, |trouble| trouble.since);
        state.trouble = Some(Trouble { since, said: said.to_owned() });
        !is_known
    }

    /// Whether the watch is to be begun anew, as it could be silent for ever. Asked once.
    pub fn take_lost(&self) -> bool {
        std::mem::take(&mut locked(&self.state).is_lost)
    }

    /// The API server answers again, after it was away for long. A connection of which nothing was heard since `lost` may
    /// have died without a word.
    pub(super) fn suspect(&self, lost: Instant) {
        let mut state = locked(&self.state);
        if state.heard > lost {
            return;
        }
        state.is_lost = true;
        state.trouble.get_or_insert_with(|| Trouble {
            since: lost,
            said: "it is begun anew, since the API server was away".to_owned(),
        });
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        locked(&self.state).trouble.clone()
    }
}
