//! Uploads the key to a number, and reads the number back. Nothing else writes to Meta.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use waflows_core::api::crd::NumberState;
use waflows_core::meta::GraphError;
use waflows_core::number::{Ownership, Reading};
use waflows_core::observation::Observation;
use waflows_core::reconcile::action::Event;
use waflows_core::rollout::outcome::Outcome;
use waflows_core::rollout::plan::Upload;
use waflows_core::rollout::rotation::needs_proof;
use waflows_core::rollout::uploads::{ReadBack, UploadCall};
use waflows_core::store::object_key::ObjectKey;
use waflows_core::upload::{UploadAnswer, Uploaded};
use waflows_key::Fingerprint;

use super::cluster_state::ClusterState;
use super::fence::WriteFence;
use super::reads::{Caller, cause_of, end_of, reading_of};
use crate::endpoint::prober::Prober;
use crate::graph::{self, CallError};
use crate::metrics::{Metrics, UploadResult};

/// Bound on the last reading of a number when the reconcile is revoked: a process that is to stop has seconds, not minutes.
const LAST_READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Calls Meta for the uploads of one reconcile.
#[derive(Clone)]
pub(super) struct Uploader<'a> {
    pub(super) graph: &'a graph::Client,
    pub(super) cluster: &'a ClusterState,
    pub(super) prober: &'a Prober,
    pub(super) key: &'a ObjectKey,
    pub(super) fence: &'a WriteFence,
    /// None where there are no credentials, and so no uploads.
    pub(super) caller: Option<Arc<Caller>>,
    pub(super) observation: Arc<Observation>,
}

impl Uploader<'_> {
    /// Uploads the key to one number. Much can change while the call waits for its turn, so that the fence, the owner and
    /// the proof of the endpoint are asked again right before the request leaves.
    pub(super) async fn upload(self, upload: Upload) -> Event {
        let call = self.call(&upload.phone_number_id).await;
        Event::Uploaded { phone_number_id: upload.phone_number_id, call }
    }

    async fn call(&self, id: &str) -> Option<UploadCall> {
        let (public_key, caller) = (self.observation.key()?, self.caller.as_deref()?);
        let wanted = self.observation.expected();
        let is_own = || self.cluster.store().owner(id, self.key, wanted, Timestamp::now()) == Ownership::Uncontested;
        let needs_proof = needs_proof(&self.observation, id);
        // The call may wait long for its turn. The backoffs count from the time at which the request leaves.
        let mut at = Timestamp::now();
        let may_begin = || {
            at = Timestamp::now();
            self.fence.is_valid() && is_own() && (!needs_proof || self.is_proven(*public_key.fingerprint()))
        };
        let result = self.graph.upload(&caller.credentials, &caller.resource, id, public_key, may_begin).await;
        let (answer, refusal) = answer_of(result)?;
        let may_be_crossed = self.fence.may_be_crossed(self.observation.waits.after_unknown_outcome());
        Some(UploadCall { uploaded: Uploaded { at, answer, may_be_crossed }, refusal })
    }

    /// Whether every target of the endpoint opens the key, as of now.
    fn is_proven(&self, key: Fingerprint) -> bool {
        let proof = self.prober.proof(self.key, &self.observation.resource);
        proof.is_some_and(|proof| proof.allows(key, Timestamp::now()))
    }

    /// Reads a number back, unless the fence is revoked before Meta answers. The last reading of a revoked reconcile is
    /// made all the same while this process leads.
    pub(super) async fn read_back(self, ReadBack { phone_number_id, after, is_last }: ReadBack) -> Event {
        let learnt = match is_last {
            true if !self.fence.is_leading() => None,
            true => tokio::time::timeout(LAST_READ_TIMEOUT, self.read(&phone_number_id)).await.ok(),
            false => {
                let attempt = async {
                    tokio::time::sleep(after).await;
                    self.read(&phone_number_id).await
                };
                self.fence.run(attempt).await
            }
        };
        let (reading, refusal) = learnt.unwrap_or((Reading::NotAsked, None));
        Event::ReadBack { phone_number_id, reading, refusal }
    }

    async fn read(&self, id: &str) -> (Reading, Option<GraphError>) {
        let Some(caller) = self.caller.as_deref() else { return (Reading::NotAsked, None) };
        reading_of(self.graph.read_once(&caller.credentials, &caller.resource, id).await)
    }
}

/// What an answer to an upload tells: of the number, and of the credentials where they are refused. None where the call
/// did not begin.
fn answer_of(result: Result<(), CallError>) -> Option<(UploadAnswer, Option<GraphError>)> {
    match result {
        Ok(()) => Some((UploadAnswer::Accepted, None)),
        Err(CallError::Failed(error)) => Some((UploadAnswer::Failed(error), None)),
        Err(CallError::Withdrawn) => None,
        Err(CallError::Held(hold)) => {
            let (limit, refusal) = cause_of(&hold);
            Some((UploadAnswer::Held { limit, until: end_of(&hold) }, refusal))
        }
    }
}

/// Counts an upload, and logs it.
pub(super) fn report(metrics: &Metrics, observation: &Observation, outcome: &Outcome) {
    let resource = observation.resource_name();
    let phone_number_id = outcome.phone_number_id.as_str();
    let fingerprint = observation.expected().map(|fingerprint| fingerprint.to_string()).unwrap_or_default();
    let reason = outcome.reason.as_str();
    let is_valid = outcome.state == NumberState::Valid;
    let result = match &outcome.upload.answer {
        UploadAnswer::Held { until, .. } => {
            tracing::debug!(resource, phone_number_id, reason, %until, "the upload of the public key is put off");
            return;
        }
        UploadAnswer::Failed(error) => {
            let error = error.class.as_str();
            tracing::debug!(
                resource,
                phone_number_id,
                reason,
                fingerprint,
                error,
                is_valid,
                "the upload of the public key failed"
            );
            if is_valid { UploadResult::Valid } else { UploadResult::Failed }
        }
        UploadAnswer::Accepted => {
            tracing::debug!(resource, phone_number_id, reason, fingerprint, is_valid, "uploaded the public key");
            if is_valid { UploadResult::Valid } else { UploadResult::NotValid }
        }
    };
    metrics.uploaded(outcome.reason, result);
}
