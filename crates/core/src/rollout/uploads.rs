//! The uploads of one reconcile: the canary goes alone, each number is read back until it shows the key as VALID.

use std::collections::VecDeque;
use std::time::Duration;

use crate::api::crd::NumberState;
use crate::meta::GraphError;
use crate::number::Reading;
use crate::observation::Observation;
use crate::rollout::canary::Next;
use crate::rollout::outcome::Outcome;
use crate::rollout::plan::{Plan, Upload};
use crate::upload::Uploaded;

/// What may start now.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Upload the key.
    Upload(Upload),
    /// Read a number back.
    ReadBack(ReadBack),
}

/// A read of a number after its upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadBack {
    /// The phone number ID.
    pub phone_number_id: String,
    /// How long to wait before the call.
    pub after: Duration,
    /// The reconcile is revoked, and this is the one call left to learn what the upload did. A process that stops has
    /// seconds, so the driver bounds the call in time.
    pub is_last: bool,
}

/// A call that uploaded the key, or tried to.
#[derive(Debug, Clone, PartialEq)]
pub struct UploadCall {
    /// The upload and its answer.
    pub uploaded: Uploaded,
    /// The answer with which Meta refused the credentials, if it did.
    pub refusal: Option<GraphError>,
}

/// The uploads of a plan, and how far each of them is.
#[derive(Debug, Clone, Default)]
pub struct Uploads {
    waiting: VecDeque<Upload>,
    under_way: Vec<UnderWay>,
    /// Whether the key still has to prove itself on one number.
    in_canary: bool,
    /// Whether no other number follows the one that proves the key.
    ends_with_canary: bool,
}

/// An upload between its start and its outcome.
#[derive(Debug, Clone)]
struct UnderWay {
    upload: Upload,
    /// None until Meta has answered.
    answered: Option<Answered>,
}

#[derive(Debug, Clone)]
struct Answered {
    uploaded: Uploaded,
    refusal: Option<GraphError>,
    /// What the number showed last.
    last: (Reading, Option<GraphError>),
    /// How often the number was read back or is about to be.
    reads: usize,
    /// The reading that is to start, after this wait.
    wanted: Option<Duration>,
    /// No further reading follows the one that is wanted or under way.
    is_last: bool,
}

impl Uploads {
    /// The uploads of `plan`, none of them begun.
    pub fn of(plan: &Plan) -> Self {
        let Plan { is_canary: in_canary, ends_with_canary, .. } = *plan;
        Self { waiting: plan.uploads.iter().cloned().collect(), under_way: Vec::new(), in_canary, ends_with_canary }
    }

    /// The next read or upload that may start, with at most `limit` uploads under way at once.
    pub fn next(&mut self, limit: usize, is_revoked: bool) -> Option<Step> {
        for UnderWay { upload, answered } in &mut self.under_way {
            let Some(answered) = answered else { continue };
            if let Some(after) = answered.wanted.take() {
                let (phone_number_id, is_last) = (upload.phone_number_id.clone(), answered.is_last);
                return Some(Step::ReadBack(ReadBack { phone_number_id, after, is_last }));
            }
        }
        let limit = if self.in_canary { 1 } else { limit };
        if is_revoked || self.under_way.len() >= limit {
            return None;
        }
        let upload = self.waiting.pop_front()?;
        self.under_way.push(UnderWay { upload: upload.clone(), answered: None });
        Some(Step::Upload(upload))
    }

    /// Whether nothing is under way and nothing more may start.
    pub fn is_over(&self, is_revoked: bool) -> bool {
        self.under_way.is_empty() && (is_revoked || self.waiting.is_empty())
    }

    /// What is still to be uploaded.
    pub fn waiting(&self) -> impl Iterator<Item = &Upload> {
        self.waiting.iter()
    }

    /// Whether the key still has to prove itself on one number.
    pub fn in_canary(&self) -> bool {
        self.in_canary
    }

    /// Adds the result of an upload. Returns the outcome if no read back follows.
    pub fn uploaded(&mut self, observation: &Observation, id: &str, call: Option<UploadCall>) -> Option<Outcome> {
        let position = self.position(id)?;
        let Some(UploadCall { uploaded, refusal }) = call else {
            // It did not leave, so it has no outcome.
            self.under_way.remove(position);
            return None;
        };
        let has_effect = uploaded.answer.may_have_taken_effect();
        let wanted = observation.waits.read_back().next().filter(|_| has_effect);
        let answered =
            Answered { uploaded, refusal, last: (Reading::NotAsked, None), reads: 1, wanted, is_last: false };
        self.under_way[position].answered = Some(answered);
        if wanted.is_some() { None } else { self.conclude(observation, position) }
    }

    /// Takes in what a number showed after its upload. The outcome, where it is not read again.
    ///
    /// Meta may lag behind its own answer, so a number is read a few times. Once the reconcile is revoked, a number that
    /// was never read back is read once more, and that is all.
    pub fn read_back(
        &mut self,
        observation: &Observation,
        id: &str,
        reading: Reading,
        refusal: Option<GraphError>,
    ) -> Option<Outcome> {
        let position = self.position(id)?;
        let answered = self.under_way[position].answered.as_mut()?;
        if reading == Reading::NotAsked {
            let is_unread = answered.last.0 == Reading::NotAsked;
            answered.wanted = (is_unread && !answered.is_last).then_some(Duration::ZERO);
            answered.is_last = true;
        } else {
            let goes_on = !answered.is_last && !is_settled(observation, &reading);
            answered.last = (reading, refusal);
            answered.wanted = observation.waits.read_back().nth(answered.reads).filter(|_| goes_on);
            answered.reads += 1;
        }
        if answered.wanted.is_some() { None } else { self.conclude(observation, position) }
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.under_way.iter().position(|it| it.upload.phone_number_id == id)
    }

    fn conclude(&mut self, observation: &Observation, position: usize) -> Option<Outcome> {
        let UnderWay { upload, answered } = self.under_way.remove(position);
        let Answered { uploaded, refusal, last: (after, refused_after), .. } = answered?;
        let number = observation.number(&upload.phone_number_id)?;
        let criteria = observation.criteria();
        let (outcome, next) =
            Outcome::judge(number, &criteria, upload.reason, uploaded, after, refusal.or(refused_after));
        if self.in_canary {
            match next {
                Next::All if self.ends_with_canary => self.waiting.clear(),
                Next::All => self.in_canary = false,
                Next::One => {}
                Next::None => self.waiting.clear(),
            }
        }
        Some(outcome)
    }
}

/// Whether a further reading would tell nothing more: the number is Valid, or calls have to wait.
fn is_settled(observation: &Observation, reading: &Reading) -> bool {
    match reading {
        Reading::Answered { reported, .. } => {
            let uploaded = observation.key().map(|key| key.fingerprint().to_string());
            observation.criteria().state(reported, uploaded.as_deref()) == NumberState::Valid
        }
        Reading::Held { .. } => true,
        Reading::Failed { .. } | Reading::NotAsked => false,
    }
}
