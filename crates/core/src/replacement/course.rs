//! The course of a rotation: what it allows in one reconcile.

use waflows_key::PublicKey;

use super::decision::Decision;
use super::held::Held;
use crate::api::crd::{PhoneNumberStatus, RotationStatus};
use crate::number::Criteria;
use crate::upload::UploadReason;

/// What a rotation allows in one reconcile, and how far it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Course {
    /// The rotation as the status shows it. None if there is none.
    pub status: Option<RotationStatus>,
    /// Which numbers may get another key.
    pub direction: Direction,
    /// What may happen to numbers that hold another valid key. None without a rotation.
    pub decision: Option<Decision>,
    /// The old key, if the numbers should hold it for now. None: the key of the resource.
    pub old_key: Option<PublicKey>,
}

/// Which numbers may get another key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// Every number may get the key of the resource.
    #[default]
    Forward,
    /// One number may get the new key in place of a valid one. The others wait for the soak.
    OneNumber,
    /// A valid key stays where it is.
    Hold,
    /// Every number may get the old key back.
    Back,
}

impl Course {
    /// Whether an upload may replace what the number holds. A number without a valid key has nothing to lose.
    pub fn allows(&self, number: &PhoneNumberStatus, criteria: &Criteria) -> bool {
        !number.is_signed()
            || criteria.is_in_place(number)
            || match self.direction {
                Direction::Forward | Direction::OneNumber => true,
                Direction::Hold => false,
                Direction::Back => self.status.as_ref().is_some_and(|rotation| {
                    let to = rotation.to.parse();
                    to.is_ok_and(|to| !Held::after(number, to, criteria.now).had_before(to, rotation))
                }),
            }
    }
}

impl Direction {
    /// The reason for an upload, which without a rotation has this reason.
    pub fn reason(self, reason: UploadReason) -> UploadReason {
        match reason {
            UploadReason::Outdated if self == Self::Back => UploadReason::RolledBack,
            _ => reason,
        }
    }
}
