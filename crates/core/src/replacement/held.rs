//! What one number holds, as far as a rotation needs to know.

use jiff::Timestamp;
use waflows_key::{Fingerprint, PublicKey};

use crate::api::crd::{NumberState, PhoneNumberStatus, RotationStatus, UNREPORTED_KEY};
use crate::number::UPLOADS_BEFORE_STALLED;

/// What a number holds.
#[derive(Debug, Clone)]
pub struct Held {
    /// Fingerprint of the key; None if the number has none.
    pub key: Option<String>,
    /// The key itself, if Meta just showed it.
    pub public_key: Option<PublicKey>,
    /// Whether Meta shows the key with a valid signature.
    pub is_valid: bool,
    /// Whether no other resource owns the number.
    pub is_own: bool,
    /// Whether uploads to the number are possible.
    pub is_workable: bool,
    /// Whether no backoff of the number is under way.
    pub is_due: bool,
    /// Whether uploads of the present key took effect, and the number is not valid.
    pub has_failed: bool,
    /// Last upload of the present key to the number. None if the resource never uploaded this key.
    pub uploaded: Option<Timestamp>,
}

/// The key of a number that Meta calls VALID without showing the key, if the key is not the resource's.
pub fn unreported(is_valid: bool) -> Option<String> {
    is_valid.then(|| UNREPORTED_KEY.to_owned())
}

impl Held {
    /// What the number holds according to its status. `to` is the new key.
    pub fn after(number: &PhoneNumberStatus, to: Fingerprint, now: Timestamp) -> Self {
        let is_valid = number.is_signed();
        let uploaded = number.uploaded_fingerprint.clone().filter(|_| is_valid);
        let is_workable = !matches!(
            number.state,
            NumberState::Refused
                | NumberState::Contested
                | NumberState::Conflict
                | NumberState::Unreachable
                | NumberState::Unregistered
        );
        let is_uploaded = number.uploaded_fingerprint.as_deref().is_some_and(|text| to.is_written(text));
        Self {
            key: number.key_fingerprint.clone().or(uploaded).or_else(|| unreported(is_valid)),
            public_key: None,
            is_valid,
            is_own: number.state != NumberState::Conflict,
            is_workable,
            is_due: number.next_attempt_time.as_ref().is_none_or(|time| time.0 <= now),
            has_failed: is_uploaded && number.upload_attempts >= UPLOADS_BEFORE_STALLED && !is_valid,
            uploaded: number.last_upload_time.as_ref().filter(|_| is_uploaded).map(|time| time.0),
        }
    }

    /// Whether a valid key on the number waits for nothing but a reconcile to be replaced. Other numbers have their own time
    /// of the next attempt.
    pub fn awaits_upload(&self) -> bool {
        self.is_workable && self.is_valid && self.is_due
    }

    /// Whether the resource put the new key on the number before the rotation began, so that the number never had the old
    /// one. Where nobody knows who put the key there, the rotation may have: an upload is not noted if its answer is lost.
    pub fn had_before(&self, to: Fingerprint, rotation: &RotationStatus) -> bool {
        self.is_valid && self.holds(to) && self.uploaded.is_some_and(|at| at < rotation.started_time.0)
    }

    /// Whether the number holds this key.
    pub fn holds(&self, key: Fingerprint) -> bool {
        self.key.as_deref().is_some_and(|held| key.is_written(held))
    }
}
