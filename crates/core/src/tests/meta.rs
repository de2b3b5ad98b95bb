//! A model of Meta, and of the step that writes to it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use waflows_key::PublicKey;

use super::{MINUTE, error, fingerprint, rate_limit, reported};
use crate::discovery::listing::Listing;
use crate::meta::{ErrorClass, GraphError};
use crate::number::Reading;
use crate::upload::UploadAnswer;

/// What a reconcile asks of Meta.
pub(super) trait Meta {
    /// The answer to a GET, and the refusal of the credentials if that was it.
    fn read(&mut self, id: &str, now: Timestamp) -> (Reading, Option<GraphError>);
    /// The answer to a POST, and the refusal of the credentials if that was it.
    fn upload(&mut self, id: &str, key: &PublicKey, now: Timestamp) -> (UploadAnswer, Option<GraphError>);
    /// The numbers of an account, and the refusal of the credentials if that was it.
    fn list(&mut self, _account: &str, _now: Timestamp) -> (Listing, Option<GraphError>) {
        (Listing::NotAsked, None)
    }
    /// Whether an upload of a former process may still arrive.
    fn may_be_crossed(&self) -> bool {
        false
    }
}

/// What goes wrong with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Every call fails and will pass by itself.
    Down,
    /// Every call is refused until a person acts.
    Refused,
    /// Only uploads are refused.
    UploadRefused,
    /// A rate limit of a minute for every call.
    Limited,
    /// Uploads are acknowledged and have no effect.
    UploadLost,
    /// Uploads fail and have no effect; reads go well.
    UploadFails,
    /// Uploads take effect, and the answer is lost.
    AnswerLost,
    /// Uploads take effect and are acknowledged, and no call after them is answered in that reconcile.
    Unreadable,
    /// Uploads take effect, and neither they nor a call after them is answered in that reconcile.
    Silent,
    /// Uploads take effect and are not answered, and calls after them meet a rate limit of a minute in that reconcile.
    Hushed,
    /// Uploads have no effect and are not answered, and calls after them meet a rate limit of a minute in that reconcile.
    Swallowed,
    /// Uploads meet a rate limit of a minute.
    UploadLimited,
    /// Uploads are not answered, and take effect a moment later.
    Late,
}

/// One phone number, as Meta has it.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    pub(super) key: Option<usize>,
    pub(super) status: Option<String>,
    /// Meta does not sign uploads for it: the number is not registered.
    pub(super) is_unsigned: bool,
    /// Answers leave out the key.
    pub(super) hides_key: bool,
    pub(super) fault: Option<Fault>,
    /// How many reads after an upload still show the state from before.
    pub(super) lag: usize,
    stale: Option<(usize, Option<usize>, Option<String>)>,
    /// An upload on its way, and when it takes effect.
    late: Option<(Timestamp, usize)>,
    /// The key and the signature status of the last answer.
    pub(super) last_answer: Option<(Option<usize>, Option<String>)>,
    /// Reads and uploads that reached Meta.
    pub(super) reads: usize,
    pub(super) uploads: Vec<usize>,
    muted_at: Option<Timestamp>,
}

/// Meta.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) lines: BTreeMap<String, Line>,
    pub(super) refuses_token: bool,
}

impl Model {
    pub(super) fn new(ids: &[&str]) -> Self {
        let lines = ids.iter().map(|id| ((*id).to_owned(), Line::default())).collect();
        Self { lines, refuses_token: false }
    }

    pub(super) fn line(&mut self, id: &str) -> &mut Line {
        self.lines.entry(id.to_owned()).or_default()
    }

    pub(super) fn uploads(&self) -> usize {
        self.lines.values().map(|line| line.uploads.len()).sum()
    }

    pub(super) fn reads(&self) -> usize {
        self.lines.values().map(|line| line.reads).sum()
    }
}

impl Line {
    /// Someone writes a key of theirs, or Meta loses its signature.
    pub(super) fn set(&mut self, key: Option<usize>, status: Option<&str>) {
        self.key = key;
        self.status = status.map(str::to_owned);
        self.stale = None;
    }

    pub(super) fn is_valid(&self, n: usize) -> bool {
        self.key == Some(n) && self.status.as_deref() == Some("VALID")
    }

    /// An upload is sent, and takes effect as late as a call may.
    pub(super) fn send(&mut self, key: &PublicKey, now: Timestamp) {
        self.land(Timestamp::MAX);
        let n = number_of(key);
        self.uploads.push(n);
        self.late = Some((now + Duration::from_secs(4), n));
    }

    /// What is on its way takes effect, if it is time.
    pub(super) fn land(&mut self, now: Timestamp) {
        if let Some((_, n)) = self.late.take_if(|(at, _)| *at <= now) {
            self.set(Some(n), Some(if self.is_unsigned { "MISMATCH" } else { "VALID" }));
        }
    }

    fn shown(&mut self) -> (Option<usize>, Option<String>) {
        match &mut self.stale {
            Some((left, key, status)) if *left > 0 => {
                *left -= 1;
                (*key, status.clone())
            }
            _ => (self.key, self.status.clone()),
        }
    }

    fn upload(&mut self, key: &PublicKey, now: Timestamp) -> UploadAnswer {
        let failed = |class| UploadAnswer::Failed(error(class));
        match self.fault {
            Some(Fault::Limited | Fault::UploadLimited) => {
                return UploadAnswer::Held { limit: Some(rate_limit()), until: now + MINUTE };
            }
            Some(Fault::Down) => return failed(ErrorClass::Transient),
            Some(Fault::Refused) => return failed(ErrorClass::UnknownId),
            _ => {}
        }
        if self.fault == Some(Fault::Late) {
            self.send(key, now);
            return failed(ErrorClass::Transient);
        }
        let n = number_of(key);
        self.uploads.push(n);
        match self.fault {
            Some(Fault::UploadRefused) => return failed(ErrorClass::Permission),
            Some(Fault::UploadLost) => return UploadAnswer::Accepted,
            Some(Fault::UploadFails) => return failed(ErrorClass::Transient),
            Some(Fault::Swallowed) => {
                self.muted_at = Some(now);
                return failed(ErrorClass::Transient);
            }
            Some(Fault::Unreadable | Fault::Silent | Fault::Hushed) => self.muted_at = Some(now),
            _ => {}
        }
        self.stale = (self.lag > 0).then(|| (self.lag, self.key, self.status.clone()));
        self.key = Some(n);
        self.status = Some(if self.is_unsigned { "MISMATCH" } else { "VALID" }.to_owned());
        if matches!(self.fault, Some(Fault::AnswerLost | Fault::Silent | Fault::Hushed)) {
            failed(ErrorClass::Transient)
        } else {
            UploadAnswer::Accepted
        }
    }
}

impl Meta for Model {
    fn read(&mut self, id: &str, now: Timestamp) -> (Reading, Option<GraphError>) {
        if self.refuses_token {
            let refusal = error(ErrorClass::Token);
            return (Reading::Held { limit: None, until: now + 5 * MINUTE }, Some(refusal));
        }
        let line = self.line(id);
        line.land(now);
        line.reads += 1;
        let failed = |class| Reading::Failed { error: error(class), at: now };
        let reading = match line.fault {
            Some(Fault::Down) => failed(ErrorClass::Transient),
            Some(Fault::Refused) => failed(ErrorClass::UnknownId),
            Some(Fault::Limited) => Reading::Held { limit: Some(rate_limit()), until: now + MINUTE },
            Some(Fault::Unreadable | Fault::Silent) if line.muted_at == Some(now) => failed(ErrorClass::Transient),
            Some(Fault::Hushed | Fault::Swallowed) if line.muted_at == Some(now) => {
                Reading::Held { limit: Some(rate_limit()), until: now + MINUTE }
            }
            _ => {
                let (key, status) = line.shown();
                line.last_answer = Some((key, status.clone()));
                let key = key.filter(|_| !line.hides_key);
                Reading::Answered { reported: reported(key, status.as_deref()), at: now }
            }
        };
        (reading, None)
    }

    fn upload(&mut self, id: &str, key: &PublicKey, now: Timestamp) -> (UploadAnswer, Option<GraphError>) {
        if self.refuses_token {
            let refusal = error(ErrorClass::Token);
            return (UploadAnswer::Held { limit: None, until: now + 5 * MINUTE }, Some(refusal));
        }
        let line = self.line(id);
        line.land(now);
        (line.upload(key, now), None)
    }
}

/// The number of one of the ten keys.
pub(super) fn number_of(key: &PublicKey) -> usize {
    (0..10).find(|n| fingerprint(*n) == *key.fingerprint()).expect("one of the ten keys")
}
