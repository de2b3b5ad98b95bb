//! The state of one watch, for readiness.

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::lock::locked;

/// The state of one watch.
#[derive(Debug)]
pub struct Sight {
    /// The watched objects, as named in the body of `/readyz`.
    pub(super) what: &'static str,
    state: Mutex<State>,
    /// Triggers a request for `/version`.
    doubt: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    /// Time of the last event or answer.
    heard: Instant,
    trouble: Option<Trouble>,
    /// Whether the connection may be dead: the watch must be restarted.
    is_lost: bool,
}

/// The failure of a watch.
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

    /// Records an event or an answer to a list.
    pub fn hear(&self) {
        locked(&self.state).heard = Instant::now();
    }

    /// Records that the watch is open and delivers events. Returns whether it had failed before. Has no effect on a
    /// watch that must still be restarted.
    pub fn opened(&self) -> bool {
        let mut state = locked(&self.state);
        state.heard = Instant::now();
        !state.is_lost && state.trouble.take().is_some()
    }

    /// Records a failure of the watch. Returns whether the failure is new and must be logged.
    pub fn failed(&self, said: &str) -> bool {
        self.doubt.notify_one();
        let mut state = locked(&self.state);
        let is_known = state.trouble.as_ref().is_some_and(|trouble| trouble.said == said);
        let since = state.trouble.as_ref().map_or_else(Instant::now, |trouble| trouble.since);
        state.trouble = Some(Trouble { since, said: said.to_owned() });
        !is_known
    }

    /// Whether the watch must be restarted, because it could stay silent for ever. Resets the mark.
    pub fn take_lost(&self) -> bool {
        std::mem::take(&mut locked(&self.state).is_lost)
    }

    /// Handles the end of a long outage of the API server. If the watch has been silent since `lost`, its connection
    /// may be dead.
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
