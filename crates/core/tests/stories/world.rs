//! The commands of the stories, and the world that they act upon.
//!
//! | command | |
//! |---|---|
//! | `resource NAME numbers ID…` | somebody creates a resource |
//! | `secret key NAME` | the Secret of all resources holds this key |
//! | `secret token` | the Secret holds another token |
//! | `meta ID holds NAME STATUS`, `meta ID holds nothing` | somebody else changes a number at Meta |
//! | `meta ID FAULT` | from now on Meta `answers` calls for a number, `fails`, `limits`, or `does-not-sign` |
//! | `meta refuses-token`, `meta takes-token` | Meta refuses every call for its token; takes the token |
//! | `suspend NAME`, `resume NAME`, `delete NAME` | somebody changes a resource |
//! | `wait DURATION` | time goes by: `30s`, `5m`, `1h` |
//! | `reconcile NAME` | the operator does what is due for the resource |
//! | `reconcile NAME until ACTION` | the same, up to the first `upload`, `read-back` or `write-status` |
//! | `go on`, `go on until ACTION` | the reconcile goes on to its end, or as above |
//! | `checkpoint` | the status so far is stored |
//! | `change` | the resource changes meanwhile: the reconcile is revoked |
//! | `api-server away`, `api-server back` | statuses are not stored; are stored |
//! | `crash` | the process ends, and another starts |

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use waflows_core::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeyStatus};
use waflows_core::observation::{Inputs, NumberReading};
use waflows_core::reconcile::action::{Action, End, Event};
use waflows_core::reconcile::machine::{Reconcile, Settings};
use waflows_core::reconcile::work_due::work_due;
use waflows_core::rollout::plan::Upload;
use waflows_core::rollout::uploads::{ReadBack, UploadCall};
use waflows_core::schedule::backoff::Waits;
use waflows_core::schedule::due::Schedule;
use waflows_core::store::object_key::ObjectKey;
use waflows_core::store::store::Store;
use waflows_core::upload::{UploadAnswer, Uploaded};

use crate::meta::{Fault, Meta, words};
use crate::objects::{KEYS, key, origin, resource, secret, with_names};

const INTERVAL: Duration = Duration::from_secs(3600);

/// Resources, Meta, and one process of the operator.
pub(crate) struct World {
    now: Timestamp,
    resources: BTreeMap<String, FlowsEncryptionKey>,
    key: &'static str,
    /// Versions of the Secrets with the key and with the token.
    versions: (u32, u32),
    meta: Meta,
    store: Store,
    /// A reconcile that was stopped on its way.
    under_way: Option<(String, Reconcile, Option<Action>)>,
    is_away: bool,
    /// Resources whose last reconcile could not store its status.
    owing: HashSet<String>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            now: origin(),
            resources: BTreeMap::new(),
            key: "A",
            versions: (1, 1),
            meta: Meta::default(),
            store: new_store(),
            under_way: None,
            is_away: false,
            owing: HashSet::new(),
        }
    }
}

fn new_store() -> Store {
    Store::new(&[None], Waits::default().before_takeover())
}

fn object_key(name: &str) -> ObjectKey {
    ObjectKey::new("messaging", name)
}

impl World {
    /// Runs a command, and returns its output.
    pub(crate) fn run(&mut self, command: &str) -> Vec<String> {
        let words: Vec<_> = command.split_whitespace().collect();
        match words.as_slice() {
            ["resource", name, "numbers", ids @ ..] => self.apply(resource(name, ids, self.now)),
            ["secret", "key", name] => {
                self.key = KEYS.into_iter().find(|known| known == name).expect("the name of a key");
                self.versions.0 += 1;
            }
            ["secret", "token"] => self.versions.1 += 1,
            ["meta", id, "holds", "nothing"] => drop(self.meta.numbers.insert((*id).to_owned(), None)),
            ["meta", id, "holds", name, status] => {
                let name = KEYS.into_iter().find(|known| known == name).expect("the name of a key");
                let status = ["VALID", "MISMATCH"].into_iter().find(|known| known == status).expect("a status");
                self.meta.numbers.insert((*id).to_owned(), Some((name, status)));
            }
            ["meta", "refuses-token"] => self.meta.refuses_token = true,
            ["meta", "takes-token"] => self.meta.refuses_token = false,
            ["meta", id, fault] => match Fault::parse(fault) {
                Some(fault) => drop(self.meta.faults.insert((*id).to_owned(), fault)),
                None => drop(self.meta.faults.remove(*id)),
            },
            ["suspend", name] => self.edit(name, |resource| resource.spec.suspend = Some(true)),
            ["resume", name] => self.edit(name, |resource| resource.spec.suspend = None),
            ["delete", name] => {
                self.resources.remove(*name);
                self.store.delete_resource(&object_key(name), self.now);
            }
            ["wait", duration] => self.now += parse_duration(duration),
            ["reconcile", name] => return self.reconcile(name, None),
            ["reconcile", name, "until", action] => return self.reconcile(name, Some(action)),
            ["go", "on", rest @ ..] => {
                let (name, reconcile, action) = self.under_way.take().expect("a reconcile is under way");
                return self.drive(&name, reconcile, action, rest.get(1).copied());
            }
            ["checkpoint"] => return self.checkpoint(),
            ["change"] => self.under_way.as_mut().expect("a reconcile is under way").1.revoke(),
            ["api-server", state] => self.is_away = *state == "away",
            ["crash"] => self.crash(),
            _ => panic!("no such command: {command}"),
        }
        Vec::new()
    }

    fn checkpoint(&mut self) -> Vec<String> {
        let (name, mut reconcile, action) = self.under_way.take().expect("a reconcile is under way");
        let status = reconcile.status_so_far(&mut self.store, self.now);
        let lines = describe("checkpoint", &status);
        let stored = self.store_status(&name, status);
        reconcile.handle(Event::CheckpointStored(stored), self.now);
        self.under_way = Some((name, reconcile, action));
        lines
    }

    fn apply(&mut self, resource: FlowsEncryptionKey) {
        self.store.apply_resource(&resource, self.now);
        self.resources.insert(resource.metadata.name.clone().unwrap(), resource);
    }

    fn edit(&mut self, name: &str, change: impl FnOnce(&mut FlowsEncryptionKey)) {
        let mut resource = self.resources[name].clone();
        change(&mut resource);
        *resource.metadata.generation.get_or_insert_default() += 1;
        self.apply(resource);
    }

    fn crash(&mut self) {
        (self.under_way, self.store) = (None, new_store());
        self.owing.clear();
        for resource in self.resources.values() {
            self.store.apply_resource(resource, self.now);
        }
    }

    fn reconcile(&mut self, name: &str, until: Option<&str>) -> Vec<String> {
        let resource = self.resources[name].clone();
        let secrets = [secret("flows-key", self.versions.0), secret("meta-token", self.versions.1)];
        match work_due(&self.store, &resource, &secrets, INTERVAL, self.now) {
            Schedule::Later(None) => vec!["nothing is due until something changes".to_owned()],
            Schedule::Later(Some(next)) => vec![format!("nothing is due before {}", self.clock(next))],
            Schedule::Now(work) => {
                let owes_status = self.owing.contains(name);
                let settings = Settings { interval: INTERVAL, waits: Waits::default(), owes_status };
                let reconcile = Reconcile::new(Arc::new(resource), work, settings, self.now);
                self.drive(name, reconcile, None, until)
            }
        }
    }

    /// Drives a reconcile to its end, or up to the first action of a kind.
    fn drive(
        &mut self,
        name: &str,
        mut reconcile: Reconcile,
        mut action: Option<Action>,
        until: Option<&str>,
    ) -> Vec<String> {
        let mut said = Vec::new();
        loop {
            let next = action.take().or_else(|| reconcile.next(self.now)).expect("nothing is under way");
            if until.is_some_and(|until| is_kind(&next, until)) {
                said.push(format!("stops before it is to {}", until.unwrap_or_default()));
                self.under_way = Some((name.to_owned(), reconcile, Some(next)));
                return said;
            }
            match next {
                Action::Done(end) => {
                    said.push(self.end(name, end));
                    return said;
                }
                Action::ClaimNumbers => reconcile.claim_numbers(&mut self.store, self.now),
                Action::WriteStatus(write) => {
                    let kind = if write.is_final { "status" } else { "status before the uploads" };
                    said.extend(describe(kind, &write.status));
                    if self.is_away {
                        self.owing.insert(name.to_owned());
                        self.store.finish_reconcile(&object_key(name));
                        said.push("the API server does not answer: the reconcile is abandoned".to_owned());
                        return said;
                    }
                    let stored = self.store_status(name, write.status);
                    reconcile.handle(Event::StatusStored(stored), self.now);
                }
                Action::Publish(notes) => {
                    said.extend(notes.iter().map(|note| with_names(&format!("event {}: {}", note.reason, note.text))));
                    reconcile.handle(Event::Published, self.now);
                }
                call => {
                    let (line, event) = self.call(&reconcile, call);
                    said.push(line);
                    reconcile.handle(event, self.now);
                }
            }
        }
    }

    fn call(&mut self, reconcile: &Reconcile, action: Action) -> (String, Event) {
        match action {
            Action::ReadSecrets => {
                let secrets = vec![secret("flows-key", self.versions.0), secret("meta-token", self.versions.1)];
                let inputs = Inputs { key: Ok(key(self.key)), credentials: Ok(()), secrets };
                (format!("read the Secrets: key {}", self.key), Event::SecretsRead(inputs))
            }
            Action::ReadNumber { position, phone_number_id } => {
                let (reading, refusal) = self.meta.read(&phone_number_id, self.now);
                let line = format!("read {phone_number_id}: {}", words(&reading));
                (line, Event::NumberRead(NumberReading { position, reading, refusal }))
            }
            Action::Upload(Upload { phone_number_id, reason }) => {
                let answer = self.meta.upload(&phone_number_id, self.key, self.now);
                let line = format!("upload to {phone_number_id} ({}): {}", reason.as_str(), answer_words(&answer));
                assert!(reconcile.observation().key().is_some());
                let call =
                    UploadCall { uploaded: Uploaded { at: self.now, answer, may_be_crossed: false }, refusal: None };
                (line, Event::Uploaded { phone_number_id, call: Some(call) })
            }
            Action::ReadBack(ReadBack { phone_number_id, .. }) => {
                let (reading, refusal) = self.meta.read(&phone_number_id, self.now);
                let line = format!("read {phone_number_id} back: {}", words(&reading));
                (line, Event::ReadBack { phone_number_id, reading, refusal })
            }
            other => panic!("no call: {other:?}"),
        }
    }

    fn store_status(&mut self, name: &str, status: FlowsEncryptionKeyStatus) -> Arc<FlowsEncryptionKey> {
        let mut resource = self.resources[name].clone();
        // The API server stores whole seconds.
        resource.status = Some(serde_json::from_value(serde_json::to_value(status).unwrap()).unwrap());
        self.owing.remove(name);
        self.apply(resource.clone());
        Arc::new(resource)
    }

    fn end(&mut self, name: &str, end: End) -> String {
        self.store.finish_reconcile(&object_key(name));
        match end {
            End::Finished { next: Some(next) } => format!("next reconcile at {}", self.clock(next)),
            End::Finished { next: None } => "next reconcile when something changes".to_owned(),
            End::Dropped => "the reconcile is dropped".to_owned(),
        }
    }

    fn clock(&self, time: Timestamp) -> String {
        time.strftime("%H:%M:%S").to_string()
    }
}

fn is_kind(action: &Action, kind: &str) -> bool {
    match action {
        Action::Upload(_) => kind == "upload",
        Action::ReadBack(_) => kind == "read-back",
        Action::WriteStatus(_) => kind == "write-status",
        _ => false,
    }
}

fn answer_words(answer: &UploadAnswer) -> String {
    match answer {
        UploadAnswer::Accepted => "accepted".to_owned(),
        UploadAnswer::Failed(error) => format!("fails with HTTP {}", error.http_status.unwrap_or_default()),
        UploadAnswer::Held { .. } => "calls have to wait".to_owned(),
    }
}

/// A status in a few lines: its first condition, and each number.
fn describe(kind: &str, status: &FlowsEncryptionKeyStatus) -> Vec<String> {
    let ready = &status.conditions[0];
    let first = format!("{kind}: {} {} {}: {}", ready.type_, ready.status, ready.reason, ready.message);
    let numbers = status.phone_numbers.iter().map(|number| {
        let message = if number.message.is_empty() { String::new() } else { format!(": {}", number.message) };
        format!("  {} {:?}{message}", number.phone_number_id, number.state)
    });
    let suspended = status.suspended_since.as_ref().map(|_| "suspended".to_owned());
    std::iter::once(first).chain(suspended).chain(numbers).map(|line| with_names(&line)).collect()
}

fn parse_duration(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.len() - 1);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => panic!("a duration such as 30s, 5m or 1h, not {text:?}"),
    };
    Duration::from_secs(number.parse::<u64>().unwrap() * seconds)
}
