//! What the probes of one resource's endpoint found. The proof is part of an [`Observation`](crate::observation::Observation).

use std::time::Duration;

use jiff::Timestamp;
use waflows_key::{Fingerprint, PublicKey};

use crate::api::conditions::ConditionReason;
use crate::api::crd::{FlowsEncryptionKeyStatus, RotationPhase, RotationStatus};
use crate::endpoint::{Expected, ProbeFinding, ProbeOutcome};
use crate::schedule::backoff::Waits;

/// An older proof does not allow a replacement: the endpoint may have changed since.
const PROOF_GOOD_FOR: Duration = Duration::from_secs(60);

/// After this many refusals in a row a target counts as having lost a key, if they span the time of
/// [`Waits::before_key_is_lost`].
const REFUSALS_OF_LOST_KEY: u32 = 3;

/// What the targets of an endpoint did with requests that were encrypted with one key, and in a rotation with another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointProof {
    /// The key that the numbers should hold for now.
    pub key: Fingerprint,
    /// The other key of a rotation: the new one while it is staged, the old one later.
    pub other_key: Option<Fingerprint>,
    /// The targets in a stable order. Otherwise the reason why no request could be sent.
    pub targets: Result<Vec<TargetProof>, ConditionReason>,
    /// When the targets were looked up, before the first was asked. So no answer is older.
    pub at: Timestamp,
}

/// What one target did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetProof {
    /// The pod, as `pod/NAME`, or the host of the URL.
    pub target: String,
    /// The answer to a request that is encrypted with the key.
    pub finding: ProbeFinding,
    /// The answer to a request that is encrypted with the other key. None without another key.
    pub other: Option<ProbeFinding>,
    /// The answer to a request that nobody can open. None if this request was not sent.
    pub unknown_key: Option<ProbeFinding>,
    /// Refusals in a row of each of the two keys.
    pub refusals: [Refusals; 2],
}

/// Answers in a row that a target lacks a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Count of these answers.
    pub count: u32,
    /// Time of the first one. None if there is none.
    pub since: Option<Timestamp>,
}

impl Refusals {
    fn followed_by(self, finding: Option<ProbeFinding>, at: Timestamp) -> Self {
        match finding.map(|finding| finding.outcome) {
            Some(ProbeOutcome::WrongKey) => {
                Self { count: self.count.saturating_add(1), since: self.since.or(Some(at)) }
            }
            _ => Self::default(),
        }
    }
}

/// The keys with which an endpoint is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeKeys {
    /// The key that the numbers should hold for now.
    pub key: PublicKey,
    /// The other key of a rotation.
    pub other: Option<PublicKey>,
}

impl ProbeKeys {
    /// The keys of a resource, as its status has them. None if the status has no key.
    pub fn of(status: &FlowsEncryptionKeyStatus) -> Option<Self> {
        let read = |pem: &Option<String>| PublicKey::from_public_key(pem.as_deref()?).ok();
        let key = read(&status.public_key)?;
        let rotation = status.rotation.as_ref();
        let others = rotation.into_iter().flat_map(|it| [&it.to_public_key, &it.from_public_key]).filter_map(read);
        let other = others.into_iter().find(|other| other != &key);
        Some(Self { key, other })
    }
}

/// What the targets of an endpoint do with one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Count of targets; 0 if they were not asked.
    pub targets: usize,
    /// Targets that open the key.
    pub opened: usize,
    /// Targets that lack the private half of the key.
    pub refused: usize,
}

impl Tally {
    /// Whether every target opens the key.
    pub fn is_open(self) -> bool {
        self.targets > 0 && self.opened == self.targets
    }

    /// Whether some target lacks the key.
    pub fn is_refused(self) -> bool {
        self.refused > 0
    }

    /// Whether every target lacks the key.
    pub fn is_refused_everywhere(self) -> bool {
        self.targets > 0 && self.refused == self.targets
    }
}

impl EndpointProof {
    /// The targets; none if no request could be sent.
    pub fn targets(&self) -> &[TargetProof] {
        self.targets.as_deref().unwrap_or_default()
    }

    /// What each target did with a key; nothing where it was not asked with the key.
    pub fn findings(&self, key: Fingerprint) -> impl Iterator<Item = (&TargetProof, ProbeFinding)> {
        let (is_key, is_other) = (key == self.key, Some(key) == self.other_key);
        self.targets().iter().filter_map(move |target| {
            let finding = if is_key { Some(target.finding) } else { target.other.filter(|_| is_other) };
            Some((target, finding?))
        })
    }

    /// Whether the targets were asked with a key.
    pub fn is_about(&self, key: Fingerprint) -> bool {
        key == self.key || Some(key) == self.other_key
    }

    /// The counts of what the targets did with a key.
    pub fn tally(&self, key: Fingerprint) -> Tally {
        if !self.is_about(key) {
            return Tally::default();
        }
        let mut tally = Tally { targets: self.targets().len(), ..Tally::default() };
        for (_, finding) in self.findings(key) {
            tally.opened += usize::from(finding.outcome.is_proof());
            tally.refused += usize::from(finding.outcome == ProbeOutcome::WrongKey);
        }
        tally
    }

    /// Whether the proof is young enough to allow the replacement of a valid key by this one, and every target opens the key.
    pub fn allows(&self, key: Fingerprint, now: Timestamp) -> bool {
        self.is_fresh(now) && self.tally(key).is_open()
    }

    /// Whether the proof is young enough to allow a replacement.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now.duration_since(self.at).unsigned_abs() <= PROOF_GOOD_FOR
    }

    /// Count of targets that open both keys of a rotation; without a rotation, the key.
    pub fn opened_both(&self) -> usize {
        let is_proof = |finding: &ProbeFinding| finding.outcome.is_proof();
        let opens = |target: &&TargetProof| is_proof(&target.finding) && target.other.as_ref().is_none_or(is_proof);
        self.targets().iter().filter(opens).count()
    }

    /// Whether there are targets, and every target opens every key it was asked with.
    pub fn is_complete(&self) -> bool {
        !self.targets().is_empty() && self.opened_both() == self.targets().len()
    }

    /// The target with the worst outcome for a key. The first of several.
    pub fn worst(&self, key: Fingerprint) -> Option<(&TargetProof, ProbeFinding)> {
        let worst = ProbeOutcome::worst(self.findings(key).map(|(_, finding)| finding.outcome), Expected::Proof)?;
        self.findings(key).find(|(_, finding)| finding.outcome == worst)
    }

    /// Whether every target that answers gives HTTP 421 to a request that it cannot open. None if no target answered.
    pub fn recovers_clients(&self) -> Option<bool> {
        let findings = self.targets().iter().filter_map(|target| target.unknown_key.map(|finding| finding.outcome));
        let mut answers = findings.filter(|outcome| !outcome.is_unanswered()).peekable();
        answers.peek()?;
        Some(answers.all(|outcome| outcome == ProbeOutcome::WrongKey))
    }

    /// Whether clients with an earlier key find the present one at every target: each answered HTTP 421 to a request that
    /// nobody can open. Unlike [`Self::recovers_clients`], a target that did not answer counts against it.
    pub fn recovers_all_clients(&self) -> bool {
        let recovers =
            |target: &TargetProof| target.unknown_key.is_some_and(|finding| finding.outcome == ProbeOutcome::WrongKey);
        !self.targets().is_empty() && self.targets().iter().all(recovers)
    }

    /// Whether some target has lost a key: it refused the key three times in a row, over two minutes.
    pub fn has_lost(&self, key: Fingerprint, waits: &Waits) -> bool {
        let position = usize::from(key != self.key);
        let is_lost = |refusals: Refusals| {
            let lasted = refusals.since.map(|since| self.at.duration_since(since).unsigned_abs()).unwrap_or_default();
            refusals.count >= REFUSALS_OF_LOST_KEY && lasted >= waits.before_key_is_lost()
        };
        self.is_about(key) && self.targets().iter().any(|target| is_lost(target.refusals[position]))
    }

    /// The same proof, with the refusals counted on from an earlier proof.
    #[must_use]
    pub fn after(mut self, earlier: Option<&Self>) -> Self {
        let (keys, at) = ([Some(self.key), self.other_key], self.at);
        let count = |target: &str, key: Option<Fingerprint>| {
            let earlier = earlier?;
            let position = [Some(earlier.key), earlier.other_key].iter().position(|it| *it == key)?;
            let before = earlier.targets().iter().find(|before| before.target == target)?;
            Some(before.refusals[position])
        };
        for target in self.targets.as_mut().map(Vec::as_mut_slice).unwrap_or_default() {
            let findings = [Some(target.finding), target.other];
            let before = keys.map(|key| count(&target.target, key.filter(|_| key.is_some())).unwrap_or_default());
            target.refusals = [0, 1].map(|key| before[key].followed_by(findings[key], at));
        }
        self
    }

    /// How long to wait until the targets are asked again.
    ///
    /// An endpoint that opens every key is asked once in a check interval, and more often during a rotation. Otherwise the
    /// operator asks after 5 s, doubling to 5 min, so that the status follows a mended endpoint within minutes. While an
    /// endpoint swaps keys and clients fail, the operator asks every 5 s. At the end of an overlap it asks once more.
    /// `failures` counts the incomplete proofs in a row, this one included.
    pub fn next_probe_after(
        &self,
        failures: i32,
        rotation: Option<&RotationStatus>,
        interval: Duration,
        waits: &Waits,
    ) -> Duration {
        use RotationPhase as Phase;
        let phase = rotation.map(|rotation| rotation.phase);
        let wait = match phase {
            _ if self.is_swap(rotation) => waits.after_failure(1),
            _ if !self.is_complete() => waits.after_failure(failures),
            Some(Phase::Staged | Phase::Canary | Phase::RollingOut | Phase::RolledBack) => waits.between_proofs(),
            Some(Phase::Overlap | Phase::Completed | Phase::Superseded) | None => interval,
        };
        // The old key may go only if the endpoint does without it at that time.
        let end = rotation.and_then(RotationStatus::overlap_end);
        let end = end.and_then(|end| Duration::try_from(end.0.duration_since(self.at)).ok());
        let end = end.filter(|end| !end.is_zero());
        wait.min(interval).min(end.unwrap_or(interval))
    }

    /// Whether the endpoint has begun to exchange the old key for the new one before the numbers have the new one.
    fn is_swap(&self, rotation: Option<&RotationStatus>) -> bool {
        let Some(rotation) = rotation.filter(|rotation| rotation.phase == RotationPhase::Staged) else { return false };
        let tally = |key: &str| key.parse().map(|key| self.tally(key)).unwrap_or_default();
        tally(&rotation.from).is_refused() && tally(&rotation.to).opened > 0
    }

    /// Whether both say the same of the endpoint, at whatever time.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let said = |proof: &Self| {
            let of = |target: &TargetProof| (target.target.clone(), target.finding, target.other, target.unknown_key);
            proof.targets.as_ref().map(|targets| targets.iter().map(of).collect::<Vec<_>>()).map_err(Clone::clone)
        };
        (self.key, self.other_key) == (other.key, other.other_key) && said(self) == said(other)
    }
}
