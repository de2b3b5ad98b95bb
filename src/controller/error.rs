//! Why a reconcile could not be finished.

use super::secrets::ReadSecretError;
use super::status_writer::WriteStatusError;

/// Why a reconcile could not be finished. All of these pass by themselves or with the API server's recovery.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReconcileError {
    #[error(transparent)]
    ReadSecret(#[from] ReadSecretError),
    #[error(transparent)]
    WriteStatus(#[from] WriteStatusError),
}

impl ReconcileError {
    /// Whether the same request may succeed in a moment.
    pub(super) fn may_pass_soon(&self) -> bool {
        match self {
            Self::ReadSecret(_) => true,
            Self::WriteStatus(error) => error.may_pass_soon(),
        }
    }
}
