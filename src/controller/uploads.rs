//! The third step of a round: the uploads. Nothing else writes to Meta.

use std::collections::VecDeque;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, Stream, StreamExt};
use jiff::Timestamp;
use waflows_core::api::crd::NumberState;
use waflows_core::meta::GraphError;
use waflows_core::number::Reading;
use waflows_core::observation::Observation;
use waflows_core::rollout::canary::Next;
use waflows_core::rollout::outcome::Outcome;
use waflows_core::rollout::plan::{Plan, Upload};
use waflows_core::upload::{UploadAnswer, Uploaded};
use waflows_key::PublicKey;

use super::fence::WriteFence;
use super::reads::{PARALLEL_CALLS, cause_of, end_of, reading_of};
use crate::graph::{self, CallError, Credentials};

/// Bound on reading a number back when the round is asked to end: a process that is to stop has seconds, not minutes.
const LAST_READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Says right before an upload goes out to a phone number ID whether it still may: much can change while it waits for
/// its turn.
pub type MayUpload<'a> = &'a (dyn Fn(&str) -> bool + Send + Sync);

/// The uploads of a plan, under way.
pub struct Execution<'a> {
    uploader: Option<Uploader<'a>>,
    waiting: VecDeque<&'a Upload>,
    under_way: FuturesUnordered<BoxFuture<'a, Option<(Outcome, Next)>>>,
    in_canary: bool,
    fence: &'a WriteFence,
}

impl<'a> Execution<'a> {
    /// The uploads of `plan`, none of them begun. Once the fence is revoked, no further one begins; those under
    /// way are finished.
    pub fn new(
        observation: &'a Observation,
        credentials: Option<&'a Credentials>,
        plan: &'a Plan,
        graph: &'a graph::Client,
        fence: &'a WriteFence,
        may_upload: MayUpload<'a>,
    ) -> Self {
        let uploader = observation.key().zip(credentials).map(|(key, credentials)| Uploader {
            observation,
            graph,
            key,
            credentials,
            fence,
            may_upload,
        });
        let waiting = plan.uploads.iter().collect();
        Self { uploader, waiting, under_way: FuturesUnordered::new(), in_canary: plan.is_canary, fence }
    }

    /// The outcomes as they come in, each with its number read back.
    pub fn outcomes(self) -> impl Stream<Item = Outcome> + 'a {
        futures::stream::unfold(self, async |mut execution| Some((execution.next().await?, execution)))
    }

    async fn next(&mut self) -> Option<Outcome> {
        let uploader = self.uploader?;
        loop {
            let at_once = if self.in_canary { 1 } else { PARALLEL_CALLS };
            while self.under_way.len() < at_once && self.fence.is_valid() {
                let Some(upload) = self.waiting.pop_front() else { break };
                self.under_way.push(uploader.upload(upload).boxed());
            }
            // One that did not begin has no outcome.
            let Some((outcome, next)) = self.under_way.next().await? else { continue };
            if self.in_canary {
                match next {
                    Next::All => self.in_canary = false,
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
    fence: &'a WriteFence,
    may_upload: MayUpload<'a>,
}

impl<'a> Uploader<'a> {
    async fn upload(self, upload: &'a Upload) -> Option<(Outcome, Next)> {
        let id = &upload.phone_number_id;
        let number = self.observation.number(id)?;
        let resource = self.observation.resource_name();
        let at = Timestamp::now();
        let may_begin = || self.fence.is_valid() && (self.may_upload)(id);
        let (answer, refusal) =
            answer_of(self.graph.upload(self.credentials, &resource, id, self.key, may_begin).await)?;
        let (after, refused_after) = match answer.may_have_taken_effect() {
            true => self.read_back(&resource, id).await,
            false => (Reading::NotAsked, None),
        };
        let criteria = self.observation.criteria();
        let uploaded = Uploaded { at, answer, may_be_crossed: self.may_be_crossed() };
        let (outcome, next) =
            Outcome::judge(number, &criteria, upload.reason, uploaded, after, refusal.or(refused_after));
        self.log(&resource, &outcome);
        Some((outcome, next))
    }

    fn log(&self, resource: &str, outcome: &Outcome) {
        let phone_number_id = outcome.phone_number_id.as_str();
        let (reason, fingerprint) = (outcome.reason.as_str(), self.key.fingerprint());
        let is_valid = outcome.state == NumberState::Valid;
        match &outcome.upload.answer {
            UploadAnswer::Paused { until, .. } => {
                tracing::debug!(resource, phone_number_id, reason, %until, "the upload of the public key is put off");
            }
            UploadAnswer::Failed(error) => {
                let error = error.class.as_str();
                tracing::debug!(resource, phone_number_id, reason, %fingerprint, error, is_valid, "the upload of the public key failed");
            }
            UploadAnswer::Accepted => {
                tracing::debug!(resource, phone_number_id, reason, %fingerprint, is_valid, "uploaded the public key");
            }
        }
    }

    fn may_be_crossed(&self) -> bool {
        self.fence.may_be_crossed(self.observation.waits.after_unknown_outcome())
    }

    /// Reads the number until it shows the key as VALID, a few times: Meta may lag behind its own answer. Once the
    /// permit is revoked, a number that was not read back yet is read once more, and that is all.
    async fn read_back(&self, resource: &str, id: &str) -> (Reading, Option<GraphError>) {
        let criteria = self.observation.criteria();
        let fingerprint = self.key.fingerprint().to_string();
        let read = || async { reading_of(self.graph.read_once(self.credentials, resource, id).await) };
        let mut last = (Reading::NotAsked, None);
        for wait in self.observation.waits.read_back() {
            let attempt = async {
                tokio::time::sleep(wait).await;
                read().await
            };
            let Some(reading) = self.fence.run(attempt).await else {
                let is_unread = last.0 == Reading::NotAsked && self.fence.is_leading();
                let reading = if is_unread { tokio::time::timeout(LAST_READ_TIMEOUT, read()).await.ok() } else { None };
                return reading.unwrap_or(last);
            };
            last = reading;
            match &last.0 {
                Reading::Answered { reported, .. }
                    if criteria.state(reported, Some(&fingerprint)) == NumberState::Valid =>
                {
                    break;
                }
                Reading::Paused { .. } => break,
                Reading::Answered { .. } | Reading::Failed { .. } | Reading::NotAsked => {}
            }
        }
        last
    }
}

/// What an answer to an upload tells: of the number, and of the credentials where they are refused. None where the call
/// did not begin.
fn answer_of(result: Result<(), CallError>) -> Option<(UploadAnswer, Option<GraphError>)> {
    match result {
        Ok(()) => Some((UploadAnswer::Accepted, None)),
        Err(CallError::Failed(error)) => Some((UploadAnswer::Failed(error), None)),
        Err(CallError::Withdrawn) => None,
        Err(CallError::Paused(pause)) => {
            let (limit, refusal) = cause_of(&pause);
            Some((UploadAnswer::Paused { limit, until: end_of(&pause) }, refusal))
        }
    }
}
