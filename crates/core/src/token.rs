//! What Meta tells of an access token: what it may do, and until when.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// The permission to read and set keys.
pub const MESSAGING: &str = "whatsapp_business_messaging";
/// The permission to list the numbers of an account.
pub const MANAGEMENT: &str = "whatsapp_business_management";

/// What Meta tells of an access token. Never contains the token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenFacts {
    /// Whether Meta accepts the token.
    pub is_valid: bool,
    /// The app that issued the token.
    pub app_id: Option<String>,
    /// When the token expires. None if it never does, or if Meta does not tell.
    pub expires: Option<Timestamp>,
    /// When the token's access to data ends. None if it does not, or if Meta does not tell.
    pub data_access_expires: Option<Timestamp>,
    /// The permissions of the token.
    pub scopes: Vec<String>,
    /// For a permission, the IDs of the objects for which the token has it. A permission that is absent here holds for all.
    pub targets: BTreeMap<String, Vec<String>>,
    /// Why the token is not valid, in Meta's words.
    pub reason: Option<String>,
}

impl TokenFacts {
    /// Those of the permissions that the token lacks.
    pub fn missing<'a>(&self, needed: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        needed.into_iter().filter(|scope| !self.scopes.iter().any(|has| has == scope)).collect()
    }

    /// The end of the token: when it expires, or when its access to data ends if that is earlier.
    pub fn end(&self) -> Option<Timestamp> {
        [self.expires, self.data_access_expires].into_iter().flatten().min()
    }
}
