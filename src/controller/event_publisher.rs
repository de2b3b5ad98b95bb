//! Publishes the events of resources.

use std::sync::{Mutex, PoisonError};

use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};

use crate::apiserver::describe;
use waflows_core::api::crd::FlowsEncryptionKey;
use waflows_core::status::events::Note;

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
}

impl Publisher {
    /// A publisher of events that name `reporter`.
    pub fn new(client: Client, reporter: Reporter) -> Self {
        let recorder = Recorder::new(client.clone(), reporter.clone());
        Self { client, reporter, recorder: Mutex::new(Kept { recorder, events: 0 }) }
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
            if let Err(error) = self.recorder().publish(&event, &reference).await {
                tracing::warn!(reason = note.reason, error = describe(&error), "an event could not be published");
            }
        }
    }

    fn recorder(&self) -> Recorder {
        let mut kept = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.events == MAX_KEPT {
            *kept = Kept { recorder: Recorder::new(self.client.clone(), self.reporter.clone()), events: 0 };
        }
        kept.events += 1;
        kept.recorder.clone()
    }
}
