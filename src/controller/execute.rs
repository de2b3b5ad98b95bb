//! The third step of a round: the uploads. Nothing else writes to Meta.

use std::collections::VecDeque;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;

use super::number::{Reading, Uploaded};
use super::observe::{Observation, PARALLEL_CALLS, end_of, reading_of};
use super::permit::Permit;
use super::plan::{Plan, Upload, UploadReason};
use super::trial::{Next, Trial};
use crate::crd::NumberState;
use crate::graph::{self, CallError, Credentials};
use crate::key::PublicKey;

/// What came of one upload.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The phone number ID.
    pub phone_number_id: String,
    /// Why it was uploaded.
    pub reason: UploadReason,
    /// The call.
    pub upload: Uploaded,
    /// What the number held afterwards.
    pub after: Reading,
}

/// The uploads of a plan, under way.
pub struct Execution<'a> {
    uploader: Option<Uploader<'a>>,
    waiting: VecDeque<&'a Upload>,
    under_way: FuturesUnordered<BoxFuture<'a, Option<Outcome>>>,
    in_trial: bool,
    permit: &'a Permit,
}

impl<'a> Execution<'a> {
    /// The uploads of `plan`, none of them begun. Once the permit is revoked, no further one begins; those under
    /// way are finished.
    pub fn new(observation: &'a Observation, plan: &'a Plan, graph: &'a graph::Client, permit: &'a Permit) -> Self {
        let uploader = observation.key().zip(observation.credentials());
        let uploader = uploader.map(|(key, credentials)| Uploader { observation, graph, key, credentials, permit });
        let waiting = plan.uploads.iter().collect();
        Self { uploader, waiting, under_way: FuturesUnordered::new(), in_trial: plan.is_trial, permit }
    }

    /// The next outcome, each with its number read back; none when all is done. May be dropped and called again.
    pub async fn next(&mut self) -> Option<Outcome> {
        let uploader = self.uploader?;
        loop {
            let at_once = if self.in_trial { 1 } else { PARALLEL_CALLS };
            while self.under_way.len() < at_once && self.permit.is_valid() {
                let Some(upload) = self.waiting.pop_front() else { break };
                self.under_way.push(uploader.upload(upload).boxed());
            }
            // One that did not begin has no outcome.
            let Some(outcome) = self.under_way.next().await? else { continue };
            if self.in_trial {
                match uploader.next_in_trial(&outcome) {
                    Next::All => self.in_trial = false,
                    Next::One => {}
                    Next::None => self.waiting.clear(),
                }
            }
            return Some(outcome);
        }
    }
}

#[derive(Clone, Copy)]
struct Uploader<'a> {
    observation: &'a Observation,
    graph: &'a graph::Client,
    key: &'a PublicKey,
    credentials: &'a Credentials,
    permit: &'a Permit,
}

impl<'a> Uploader<'a> {
    async fn upload(self, upload: &'a Upload) -> Option<Outcome> {
        let id = &upload.phone_number_id;
        let resource = self.observation.resource_name();
        let at = Timestamp::now();
        let may_begin = || self.permit.is_valid();
        let (error, paused_until) = match self.graph.upload(self.credentials, &resource, id, self.key, may_begin).await
        {
            Ok(()) => (None, None),
            Err(CallError::Withdrawn) => return None,
            Err(CallError::Failed(error)) => (Some(error), None),
            Err(CallError::Paused(pause)) => (None, Some(end_of(&pause))),
        };
        let is_refused = error.as_ref().is_some_and(|error| !error.class.leaves_outcome_open());
        let after =
            if paused_until.is_some() || is_refused { Reading::NotAsked } else { self.read_back(&resource, id).await };
        let outcome = Outcome {
            phone_number_id: id.clone(),
            reason: upload.reason,
            upload: Uploaded { at, error, paused_until, may_be_crossed: self.may_be_crossed() },
            after,
        };
        self.log(&resource, &outcome);
        Some(outcome)
    }

    fn log(&self, resource: &str, outcome: &Outcome) {
        let phone_number_id = outcome.phone_number_id.as_str();
        let (reason, fingerprint) = (outcome.reason.as_str(), self.key.fingerprint());
        let is_valid = self.state_after(outcome) == NumberState::Valid;
        match &outcome.upload {
            Uploaded { paused_until: Some(until), .. } => {
                tracing::info!(resource, phone_number_id, reason, %until, "the upload of the public key is put off");
            }
            Uploaded { error: Some(error), .. } => {
                let error = error.class.as_str();
                tracing::warn!(resource, phone_number_id, reason, %fingerprint, error, is_valid, "the upload of the public key failed");
            }
            Uploaded { .. } => {
                tracing::info!(resource, phone_number_id, reason, %fingerprint, is_valid, "uploaded the public key");
            }
        }
    }

    fn may_be_crossed(&self) -> bool {
        self.permit.may_be_crossed(self.observation.waits.after_unknown_outcome())
    }

    /// Reads the number until it shows the key as VALID, a few times: Meta may lag behind its own answer. An upload
    /// that has begun is always read back, but once the permit is revoked the next answer is the last.
    async fn read_back(&self, resource: &str, id: &str) -> Reading {
        let terms = self.observation.terms();
        let fingerprint = self.key.fingerprint().to_string();
        let mut last = Reading::NotAsked;
        for wait in self.observation.waits.read_back() {
            let may_wait = self.permit.run(tokio::time::sleep(wait)).await.is_some();
            if (!may_wait && last != Reading::NotAsked) || !self.permit.is_leading() {
                break;
            }
            (last, _) = reading_of(self.graph.read(self.credentials, resource, id).await);
            match &last {
                Reading::Answered { reported, .. }
                    if terms.state(reported, Some(&fingerprint)) == NumberState::Valid =>
                {
                    break;
                }
                Reading::Paused { .. } => break,
                Reading::Answered { .. } | Reading::Failed { .. } | Reading::NotAsked => {}
            }
        }
        last
    }

    fn state_after(&self, outcome: &Outcome) -> NumberState {
        let terms = self.observation.terms();
        match &outcome.after {
            Reading::Answered { reported, .. } => {
                let uploaded = outcome.upload.error.is_none().then(|| self.key.fingerprint().to_string());
                terms.state(reported, uploaded.as_deref())
            }
            Reading::NotAsked | Reading::Failed { .. } | Reading::Paused { .. } => NumberState::Pending,
        }
    }

    fn next_in_trial(&self, outcome: &Outcome) -> Next {
        let terms = self.observation.terms();
        let number = self.observation.numbers.iter().find(|n| n.before.phone_number_id == outcome.phone_number_id);
        number.map_or(Next::None, |number| {
            let after = number.uploaded(&terms, &outcome.upload, &outcome.after);
            Trial::next(&after, &outcome.upload, &outcome.after, &terms)
        })
    }
}
