//! A model of Meta, and of the step that writes to it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::execute::Outcome;
use super::super::number::{Reading, Uploaded};
use super::super::observe::Observation;
use super::super::plan::Plan;
use super::super::trial::{Next, Trial};
use super::{MINUTE, error, fingerprint, rate_limit, reported};
use crate::crd::NumberState;
use crate::graph::{ErrorClass, GraphError};
use crate::key::PublicKey;

/// What a round asks of Meta.
pub(super) trait Meta {
    /// The answer to a GET, and the refusal of the credentials if that was it.
    fn read(&mut self, id: &str, now: Timestamp) -> (Reading, Option<GraphError>);
    /// What came of a POST.
    fn upload(&mut self, id: &str, key: &PublicKey, now: Timestamp) -> Uploaded;
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
    /// Uploads take effect, and the answer is lost.
    AnswerLost,
    /// Uploads take effect and are acknowledged, and no call after them is answered in that round.
    Unreadable,
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
    /// What the last answer told.
    pub(super) told: Option<(Option<usize>, Option<String>)>,
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

    fn shown(&mut self) -> (Option<usize>, Option<String>) {
        match &mut self.stale {
            Some((left, key, status)) if *left > 0 => {
                *left -= 1;
                (*key, status.clone())
            }
            _ => (self.key, self.status.clone()),
        }
    }
}

impl Meta for Model {
    fn read(&mut self, id: &str, now: Timestamp) -> (Reading, Option<GraphError>) {
        if self.refuses_token {
            let refusal = error(ErrorClass::Token);
            return (Reading::Paused { limit: None, until: now + 5 * MINUTE }, Some(refusal));
        }
        let line = self.line(id);
        line.reads += 1;
        let failed = |class| Reading::Failed { error: error(class), at: now };
        let reading = match line.fault {
            Some(Fault::Down) => failed(ErrorClass::Transient),
            Some(Fault::Refused) => failed(ErrorClass::UnknownId),
            Some(Fault::Limited) => Reading::Paused { limit: Some(rate_limit()), until: now + MINUTE },
            Some(Fault::Unreadable) if line.muted_at == Some(now) => failed(ErrorClass::Transient),
            _ => {
                let (key, status) = line.shown();
                line.told = Some((key, status.clone()));
                let key = key.filter(|_| !line.hides_key);
                Reading::Answered { reported: reported(key, status.as_deref()), at: now }
            }
        };
        (reading, None)
    }

    fn upload(&mut self, id: &str, key: &PublicKey, now: Timestamp) -> Uploaded {
        let refuses_token = self.refuses_token;
        let line = self.line(id);
        let failed = |class| Uploaded { at: now, error: Some(error(class)), paused_until: None, may_be_crossed: false };
        let accepted = Uploaded { at: now, error: None, paused_until: None, may_be_crossed: false };
        match line.fault {
            _ if refuses_token => return Uploaded { paused_until: Some(now + 5 * MINUTE), ..accepted },
            Some(Fault::Limited) => return Uploaded { paused_until: Some(now + MINUTE), ..accepted },
            Some(Fault::Down) => return failed(ErrorClass::Transient),
            Some(Fault::Refused) => return failed(ErrorClass::UnknownId),
            _ => {}
        }
        let n = (0..10).find(|n| fingerprint(*n) == *key.fingerprint()).expect("one of the ten keys");
        line.uploads.push(n);
        match line.fault {
            Some(Fault::UploadRefused) => return failed(ErrorClass::Permission),
            Some(Fault::UploadLost) => return accepted,
            Some(Fault::Unreadable) => line.muted_at = Some(now),
            _ => {}
        }
        line.stale = (line.lag > 0).then(|| (line.lag, line.key, line.status.clone()));
        line.key = Some(n);
        line.status = Some(if line.is_unsigned { "MISMATCH" } else { "VALID" }.to_owned());
        if line.fault == Some(Fault::AnswerLost) { failed(ErrorClass::Transient) } else { accepted }
    }
}

/// The third step of a round, without its waiting: the trial first, then all others.
pub(super) fn execute(observation: &Observation, plan: &Plan, meta: &mut impl Meta, now: Timestamp) -> Vec<Outcome> {
    let Some(key) = observation.key().filter(|_| observation.credentials().is_some()) else { return Vec::new() };
    let terms = observation.terms();
    let mut outcomes = Vec::new();
    let mut in_trial = plan.is_trial;
    for upload in &plan.uploads {
        let id = &upload.phone_number_id;
        let number =
            observation.numbers.iter().find(|n| n.before.phone_number_id == *id).expect("a number of the spec");
        let uploaded = meta.upload(id, key, now);
        let is_over = uploaded.paused_until.is_some()
            || uploaded.error.as_ref().is_some_and(|error| !error.class.leaves_outcome_open());
        let after = if is_over { Reading::NotAsked } else { read_back(observation, key, id, meta, now) };
        let outcome = Outcome { phone_number_id: id.clone(), reason: upload.reason, upload: uploaded, after };
        let status = number.uploaded(&terms, &outcome.upload, &outcome.after);
        let next = Trial::next(&status, &outcome.upload, &outcome.after, &terms);
        outcomes.push(outcome);
        match next {
            Next::All => in_trial = false,
            Next::None if in_trial => break,
            Next::None | Next::One => {}
        }
    }
    outcomes
}

fn read_back(observation: &Observation, key: &PublicKey, id: &str, meta: &mut impl Meta, now: Timestamp) -> Reading {
    let terms = observation.terms();
    let uploaded = key.fingerprint().to_string();
    let mut last = Reading::NotAsked;
    for _ in observation.waits.read_back() {
        (last, _) = meta.read(id, now);
        match &last {
            Reading::Answered { reported, .. } if terms.state(reported, Some(&uploaded)) == NumberState::Valid => break,
            Reading::Paused { .. } => break,
            _ => {}
        }
    }
    last
}
