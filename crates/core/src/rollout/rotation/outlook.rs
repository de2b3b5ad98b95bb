//! Whether a rotation can go on, as it is known between two reconciles. Pure.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::facts::Facts;
use super::phases::{advanced, direction, is_overdue};
use crate::api::conditions::{self, ConditionType};
use crate::api::crd::{FlowsEncryptionKey, RotationStatus};
use crate::observation::Observation;
use crate::proof::EndpointProof;
use crate::replacement::course::Direction;
use crate::replacement::held::Held;
use crate::schedule::backoff::Waits;
use crate::schedule::due::Work;

/// What may be known of a resource beside a reconcile: what is stored, and the last proof.
#[derive(Debug, Clone)]
pub struct Outlook(Observation);

impl Outlook {
    /// The outlook of a resource at this time.
    pub fn new(
        resource: Arc<FlowsEncryptionKey>,
        proof: Option<Arc<EndpointProof>>,
        waits: Waits,
        now: Timestamp,
    ) -> Self {
        let mut observation = Observation::new(resource, Work::default(), Duration::ZERO, waits, now);
        observation.proof = proof;
        Self(observation)
    }

    /// When the present wait of the rotation ends. None if there is no end ahead.
    pub fn wait_ends(&self) -> Option<Timestamp> {
        let until = self.0.status_or_default().rotation.as_ref()?.until.as_ref()?.0;
        (until > self.0.now).then_some(until)
    }

    /// Whether a reconcile would change the rotation, or upload a key for the sake of the rotation.
    pub fn may_go_on(&self) -> bool {
        let ahead = self.ahead();
        ahead.is_some_and(|(facts, rotation)| self.changes(&rotation) || has_work(&facts, &rotation))
    }

    /// Whether a reconcile would change the rotation.
    pub fn changes_rotation(&self) -> bool {
        self.ahead().is_some_and(|(_, rotation)| self.changes(&rotation))
    }

    /// The rotation as a reconcile would find it now, and why.
    fn ahead(&self) -> Option<(Facts<'_>, RotationStatus)> {
        let facts = Facts::if_read(&self.0)?;
        let rotation = advanced(&facts)?;
        Some((facts, rotation))
    }

    fn changes(&self, rotation: &RotationStatus) -> bool {
        self.0.status_or_default().rotation.as_ref() != Some(rotation)
    }

    /// Whether a phase has lasted too long, and a reconcile would be the first to say so. While a Secret cannot be used, or
    /// the resource is suspended, the status says that instead.
    pub fn is_newly_overdue(&self) -> bool {
        let status = self.0.status_or_default();
        let is_overdue = |rotation| is_overdue(rotation, &self.0.resource.spec, self.0.now);
        status.rotation.as_ref().is_some_and(is_overdue)
            && conditions::find(&status.conditions, ConditionType::Stalled).is_none()
            && Facts::if_read(&self.0).is_some()
    }
}

/// Whether a number waits for nothing but a reconcile.
fn has_work(facts: &Facts<'_>, rotation: &RotationStatus) -> bool {
    match direction(facts, rotation) {
        Direction::Hold => false,
        Direction::Forward | Direction::OneNumber => {
            !is_canary_under_way(facts, |number| number.holds(facts.to)) && facts.others().any(Held::awaits_upload)
        }
        Direction::Back => {
            let has_old = |number: &Held| number.key.as_deref() == Some(&*rotation.from);
            !is_canary_under_way(facts, has_old)
                && facts.numbers.iter().any(|number| facts.awaits_old_key(number, rotation))
        }
    }
}

/// Whether a number has the key, and none has shown it as valid: then the others wait for this number.
fn is_canary_under_way(facts: &Facts<'_>, has_key: impl Fn(&Held) -> bool) -> bool {
    let mut canaries = facts.numbers.iter().filter(|number| number.is_own && has_key(number));
    let is_valid = canaries.clone().any(|number| number.is_valid);
    !is_valid && canaries.any(|number| number.is_workable)
}
