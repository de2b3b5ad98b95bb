//! What a reconcile asks of its driver, and what the driver reports back.

use std::sync::Arc;

use jiff::Timestamp;

use crate::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeyStatus};
use crate::meta::GraphError;
use crate::number::Reading;
use crate::observation::{AccountListing, Inputs, NumberReading};
use crate::rollout::plan::Upload;
use crate::rollout::uploads::{ReadBack, Step, UploadCall};
use crate::status::events::Note;

/// What may start now. The driver starts it, and reports the result with the [`Event`] of the same name.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Read the Secrets of the resource. Result: [`Event::SecretsRead`].
    ReadSecrets,
    /// Ask Meta for all numbers of one WhatsApp Business Account. Result: [`Event::AccountListed`].
    ListAccount {
        /// The position of the account in the spec.
        position: usize,
        /// The ID of the account.
        account_id: String,
    },
    /// Ask Meta for one number. Result: [`Event::NumberRead`].
    ReadNumber {
        /// The position of the number among the numbers of the resource.
        position: usize,
        /// The phone number ID.
        phone_number_id: String,
    },
    /// Decide who owns each number, with [`Reconcile::claim_numbers`](super::machine::Reconcile::claim_numbers).
    ClaimNumbers,
    /// Upload the key to one number. The driver checks right before the request leaves that the resource still owns the
    /// number. Result: [`Event::Uploaded`].
    Upload(Upload),
    /// Read a number back after an upload. Result: [`Event::ReadBack`].
    ReadBack(ReadBack),
    /// Store a status. Result: [`Event::StatusStored`] or [`Event::StatusDropped`]. If the API server fails, the driver
    /// abandons the reconcile and starts another one later, with [`Settings::owes_status`].
    ///
    /// [`Settings::owes_status`]: super::machine::Settings::owes_status
    WriteStatus(Box<StatusWrite>),
    /// Publish what happened, as events of the resource. Result: [`Event::Published`].
    Publish(Vec<Note>),
    /// The reconcile is over.
    Done(End),
}

impl From<Step> for Action {
    fn from(step: Step) -> Self {
        match step {
            Step::Upload(upload) => Self::Upload(upload),
            Step::ReadBack(read_back) => Self::ReadBack(read_back),
        }
    }
}

/// A status to store.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusWrite {
    /// The status.
    pub status: FlowsEncryptionKeyStatus,
    /// Whether the reconcile ends with this status.
    pub is_final: bool,
    /// Whether the status records uploads. Without the record the next reconcile would repeat them, so the driver tries
    /// until the status is stored.
    pub has_uploads: bool,
}

/// How a reconcile ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The status is stored.
    Finished {
        /// When the next reconcile is due. None if nothing is due without a change.
        next: Option<Timestamp>,
    },
    /// No status is stored: the resource is gone, another process wrote its status, or this process does not lead.
    Dropped,
}

/// The result of an [`Action`]. Results of actions that run side by side may come in any order.
#[derive(Debug, Clone)]
pub enum Event {
    /// What the Secrets hold, or what is wrong with them.
    SecretsRead(Inputs),
    /// What Meta said of one account. [`Reading::NotAsked`] where the calls were cancelled.
    AccountListed(AccountListing),
    /// What Meta said of one number. [`Reading::NotAsked`] where the call was cancelled.
    NumberRead(NumberReading),
    /// The result of an upload.
    Uploaded {
        /// The phone number ID.
        phone_number_id: String,
        /// The call and its answer. None if the request did not leave.
        call: Option<UploadCall>,
    },
    /// What a number showed after an upload. [`Reading::NotAsked`] where the wait or the call was cancelled.
    ReadBack {
        /// The phone number ID.
        phone_number_id: String,
        /// The answer.
        reading: Reading,
        /// The answer with which Meta refused the credentials, if it did.
        refusal: Option<GraphError>,
    },
    /// A status is stored, or was there already: the resource as it is now.
    StatusStored(Arc<FlowsEncryptionKey>),
    /// The same for a checkpoint, which the driver stores without an action.
    CheckpointStored(Arc<FlowsEncryptionKey>),
    /// A status was not stored, and must not be: see [`End::Dropped`].
    StatusDropped,
    /// The events are published.
    Published,
}
