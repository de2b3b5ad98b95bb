//! An upload: why it is made, and what came of it.

use jiff::Timestamp;

use crate::meta::GraphError;

/// What came of an upload.
#[derive(Debug, Clone, PartialEq)]
pub struct Uploaded {
    /// When it began.
    pub at: Timestamp,
    /// What Meta made of it.
    pub answer: UploadAnswer,
    /// An upload of a leader that vanished a moment ago may still arrive after this one.
    pub may_be_crossed: bool,
}

/// How Meta answered an upload.
#[derive(Debug, Clone, PartialEq)]
pub enum UploadAnswer {
    /// It took the key.
    Accepted,
    /// It did not, or nobody knows.
    Failed(GraphError),
    /// Calls have to wait: the upload did not take place.
    Paused {
        /// The rate limit; none where the credentials are refused, which the resource as a whole reports.
        limit: Option<GraphError>,
        /// Until when.
        until: Timestamp,
    },
}

impl UploadAnswer {
    /// How the call failed, if it did.
    pub fn error(&self) -> Option<&GraphError> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Accepted | Self::Paused { .. } => None,
        }
    }

    /// Whether the number may hold the key now, as far as the answer tells.
    pub fn may_have_taken_effect(&self) -> bool {
        match self {
            Self::Accepted => true,
            Self::Failed(error) => error.class.leaves_outcome_open(),
            Self::Paused { .. } => false,
        }
    }
}

/// Why a key is uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UploadReason {
    /// The number holds no key.
    Missing,
    /// The number holds this key, and Meta's signature is lost.
    SignatureLost,
    /// The number holds an earlier key of the resource.
    Outdated,
    /// The number holds a key that is not of the resource.
    Foreign,
    /// Meta reports a valid signature, not which key, and this key was never uploaded.
    Unconfirmed,
}

impl UploadReason {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Missing, Self::SignatureLost, Self::Outdated, Self::Foreign, Self::Unconfirmed];

    /// A short name for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::SignatureLost => "signature_lost",
            Self::Outdated => "outdated",
            Self::Foreign => "foreign",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}
