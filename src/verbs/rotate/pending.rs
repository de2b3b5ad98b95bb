//! Which key a status is about, while a rotation waits.

use waflows_core::api::crd::{FlowsEncryptionKeyStatus, RotationPhase};

/// Fingerprint of the key that the operator last read for the resource. While the numbers keep or get back another key, the
/// status is about that other key.
pub(super) fn key_of(status: &FlowsEncryptionKeyStatus) -> Option<&String> {
    let pending = status.rotation.as_ref().filter(|rotation| is_pending(rotation.phase));
    pending.map(|rotation| &rotation.to).or(status.public_key_fingerprint.as_ref())
}

/// Whether the numbers hold the old key in this phase, and should.
pub(super) fn is_pending(phase: RotationPhase) -> bool {
    matches!(phase, RotationPhase::Staged | RotationPhase::RolledBack)
}
