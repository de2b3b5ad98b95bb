//! Publishes the events of resources.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};

use super::events::Note;
use crate::apiserver::describe;
use crate::crd::FlowsEncryptionKey;

/// Events after which a recorder is replaced by a fresh one. It keeps each for six minutes, to recognize repetitions: of a
/// rollout of thousands of resources that would be several megabytes. A repetition that is not recognized is an event of
/// its own.
const MAX_KEPT: usize = 256;

/// Publishes events; those that repeat become one series.
pub struct Publisher {
    client: Client,
    reporter: Reporter,
    recorder: Mutex<Kept>,
}

struct Kept {
    recorder: Recorder,
    events: usize,
    /// By resource and reason, the gist of the last event. A recorder takes the next one for a repetition, whatever it says,
    /// and drops its text.
    gists: HashMap<u64, u64>,
}

impl Publisher {
    /// A publisher of events that name `reporter`.
    pub fn new(client: Client, reporter: Reporter) -> Self {
        let recorder = Recorder::new(client.clone(), reporter.clone());
        Self { client, reporter, recorder: Mutex::new(Kept::new(recorder)) }
    }

    /// Publishes what happened to a resource. A failure is logged: nothing depends on an event.
    pub async fn publish(&self, resource: &FlowsEncryptionKey, notes: &[Note]) {
        let reference = resource.object_ref(&());
        for note in notes {
            let event = Event {
                type_: if note.is_warning { EventType::Warning } else { EventType::Normal },
                reason: note.reason.to_owned(),
                note: Some(note.text.clone()),
                action: note.action.to_owned(),
                secondary: None,
            };
            let of = digest((&reference.namespace, &reference.name, &reference.uid, note.reason));
            if let Err(error) = self.recorder(of, digest(&note.gist)).publish(&event, &reference).await {
                tracing::warn!(reason = note.reason, error = describe(&error), "an event could not be published");
            }
        }
    }

    /// The recorder to tell this gist with, of a resource and for a reason.
    fn recorder(&self, of: u64, gist: u64) -> Recorder {
        let mut kept = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        let says_another_thing = kept.gists.get(&of).is_some_and(|last| *last != gist);
        if kept.events == MAX_KEPT || says_another_thing {
            *kept = Kept::new(Recorder::new(self.client.clone(), self.reporter.clone()));
        }
        kept.events += 1;
        kept.gists.insert(of, gist);
        kept.recorder.clone()
    }
}

impl Kept {
    fn new(recorder: Recorder) -> Self {
        Self { recorder, events: 0, gists: HashMap::new() }
    }
}

fn digest(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
