//! Whether a rotation can go on, as it is known between two reconciles. Pure.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::course::Direction;
use super::facts::Facts;
use super::held::Held;
use super::phases::{advanced, direction, is_overdue};
use crate::api::conditions::{self, ConditionType};
use crate::api::crd::{FlowsEncryptionKey, RotationStatus};
use crate::observation::Observation;
use crate::proof::EndpointProof;
use crate::schedule::backoff::Waits;
use crate::schedule::due::{Due, Work};
use crate::status::endpoint::is_news;

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

    /// What there is to do, where the resource and its Secrets alone call for `due`.
    pub fn due(&self, due: Due) -> Due {
        let status = self.0.status_or_default();
        match due {
            Due::Now(work) => Due::Now(work),
            Due::Later(_) if self.may_go_on() => Due::Now(Work::everything(&self.0.resource)),
            Due::Later(_) if self.0.proof.as_deref().is_some_and(|proof| is_news(&self.0.resource, proof)) => {
                Due::Now(Work::default())
            }
            Due::Later(next) => {
                let until = status.rotation.as_ref().and_then(|rotation| rotation.until.as_ref()).map(|until| until.0);
                Due::Later(next.into_iter().chain(until.filter(|until| *until > self.0.now)).min())
            }
        }
    }

    /// Whether a reconcile would change the rotation, or upload a key for the sake of the rotation.
    pub fn may_go_on(&self) -> bool {
        let ahead = self.ahead();
        ahead.is_some_and(|(facts, rotation)| self.changes(&rotation) || has_work(&facts, &rotation))
            || self.is_newly_overdue()
    }

    /// Whether a reconcile would change the rotation.
    pub fn is_other(&self) -> bool {
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

    /// Whether a wait has become too long, and the status does not say so yet.
    fn is_newly_overdue(&self) -> bool {
        let status = self.0.status_or_default();
        let is_overdue = |rotation| is_overdue(rotation, &self.0.resource.spec, self.0.now);
        status.rotation.as_ref().is_some_and(is_overdue)
            && conditions::find(&status.conditions, ConditionType::Stalled).is_none()
    }
}

/// Whether a number waits for nothing but a reconcile.
fn has_work(facts: &Facts<'_>, rotation: &RotationStatus) -> bool {
    match direction(facts, rotation) {
        Direction::Hold => false,
        Direction::Forward | Direction::OneNumber => {
            let is_canary_under_way = facts.has_new() && !facts.has_valid();
            !is_canary_under_way && facts.others().any(Held::awaits_upload)
        }
        Direction::Back => facts.numbers.iter().any(|number| facts.awaits_old_key(number, rotation)),
    }
}
