//! The result of listing the numbers of an account.

use crate::number::Reading;

/// The result of listing an account in a reconcile. `Answered` holds the numbers of every page; its time is that of the last
/// page. A list that did not end has failed.
pub type Listing = Reading<Vec<ListedNumber>>;

/// A number in the list of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedNumber {
    /// The phone number ID.
    pub id: String,
    /// `display_phone_number`.
    pub display_phone_number: Option<String>,
    /// `verified_name`.
    pub verified_name: Option<String>,
    /// `status` in Meta's own words, such as `CONNECTED`.
    pub status: Option<String>,
    /// `host_platform` in Meta's own words, such as `CLOUD_API`.
    pub host_platform: Option<String>,
}

impl ListedNumber {
    /// Whether the number is connected to the Cloud API, so that it can hold a key. A field that is absent, or has a value
    /// that is not documented, does not say otherwise.
    ///
    /// Source: Meta, reference of the phone numbers of a WhatsApp Business Account. Of the documented values of `status`,
    /// FLAGGED, RATE_LIMITED, RESTRICTED and BANNED limit what a connected number may send.
    pub fn is_connected(&self) -> bool {
        let is_apart = matches!(self.status.as_deref(), Some("PENDING" | "DISCONNECTED" | "DELETED" | "MIGRATED"));
        let is_elsewhere = matches!(self.host_platform.as_deref(), Some("ON_PREMISE" | "NOT_APPLICABLE"));
        !is_apart && !is_elsewhere
    }
}
