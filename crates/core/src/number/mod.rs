//! The next status of one phone number. Pure functions of the stored status, the readings and uploads, and the time.

mod after_read;
mod after_upload;
mod criteria;
mod error;
mod failures;
mod reading;

use jiff::Timestamp;

pub use self::criteria::{Criteria, upload_reason};
pub use self::error::{has_failed_upload, is_rate_limit, number_error};
pub use self::reading::Reading;

/// After this many uploads that took effect but did not make the number Valid, the resource is Stalled. Three uploads take
/// three minutes with their backoffs: long enough for Meta to sign, and short enough for a person who waits.
pub const UPLOADS_BEFORE_STALLED: i32 = 3;

/// The owner of a number, as seen by one resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Ownership {
    /// No other resource has a valid claim: this resource may work on the number.
    #[default]
    Uncontested,
    /// Another resource owns the number.
    Other {
        /// `metadata.name` of the owner. None if it is in another namespace.
        owner: Option<String>,
    },
    /// Nobody owns the number, but the former owner may come back.
    Vacant {
        /// End of the grace period: this resource may not take the number before.
        until: Timestamp,
    },
}
