//! What the probes of one resource's endpoint found. The proof is part of an [`Observation`](crate::observation::Observation).

use std::time::Duration;

use jiff::Timestamp;
use waflows_key::Fingerprint;

use crate::api::conditions::ConditionReason;
use crate::endpoint::{Expected, ProbeFinding, ProbeOutcome};
use crate::schedule::backoff::Waits;

/// What the targets of an endpoint did with requests that were encrypted with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointProof {
    /// The key of the requests.
    pub key: Fingerprint,
    /// The targets in a stable order. Otherwise the reason why no request could be sent.
    pub targets: Result<Vec<TargetProof>, ConditionReason>,
    /// When the last target answered.
    pub at: Timestamp,
}

/// What one target did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetProof {
    /// The pod, as `pod/NAME`, or the host of the URL.
    pub target: String,
    /// The answer to a request that is encrypted with the key.
    pub finding: ProbeFinding,
    /// The answer to a request that nobody can open. None if this request was not sent.
    pub unknown_key: Option<ProbeFinding>,
}

impl EndpointProof {
    /// The targets; none if no request could be sent.
    pub fn targets(&self) -> &[TargetProof] {
        self.targets.as_deref().unwrap_or_default()
    }

    /// Count of targets that open the key.
    pub fn opened(&self) -> usize {
        self.targets().iter().filter(|target| target.finding.outcome.is_proof()).count()
    }

    /// Whether there are targets, and every target opens the key.
    pub fn is_complete(&self) -> bool {
        !self.targets().is_empty() && self.opened() == self.targets().len()
    }

    /// The target with the worst outcome. The first of several.
    pub fn worst(&self) -> Option<&TargetProof> {
        let worst = ProbeOutcome::worst(self.targets().iter().map(|target| target.finding.outcome), Expected::Proof)?;
        self.targets().iter().find(|target| target.finding.outcome == worst)
    }

    /// Whether every target that answers gives HTTP 421 to a request that it cannot open. None if no target answered.
    pub fn recovers_clients(&self) -> Option<bool> {
        let findings = self.targets().iter().filter_map(|target| target.unknown_key.map(|finding| finding.outcome));
        let mut answers = findings.filter(|outcome| !outcome.is_untold()).peekable();
        answers.peek()?;
        Some(answers.all(|outcome| outcome == ProbeOutcome::WrongKey))
    }

    /// How long to wait until the targets are asked again. A proven endpoint is asked once in a check interval. Otherwise
    /// the operator asks after 5 s, doubling to 5 min, so that the status follows a mended endpoint within minutes.
    /// `failures` counts the incomplete proofs in a row, this one included.
    pub fn next_probe_after(&self, failures: i32, interval: Duration, waits: &Waits) -> Duration {
        if self.is_complete() { interval } else { waits.after_failure(failures).min(interval) }
    }

    /// Whether both say the same of the endpoint, at whatever time.
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.key == other.key && self.targets == other.targets
    }
}
