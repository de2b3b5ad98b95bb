//! Access tokens: what each may do and see.

use std::collections::BTreeSet;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::error::GraphError;
use crate::inspection::Inspection;
use crate::keys::hex;

/// What a system user's access token is worth. The default may do everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Token {
    /// Refused with code 190, subcode 463.
    pub expired: bool,
    /// The permission to read and set keys; without it code 200, subcode 1349174.
    pub whatsapp_business_messaging: bool,
    /// The permission to list phone numbers; without it code 200.
    pub whatsapp_business_management: bool,
    /// The phone numbers it may see, all if `None`; others answer code 100, subcode 33.
    pub numbers: Option<BTreeSet<String>>,
    /// The WABAs it may see, all if `None`; others answer code 100, subcode 33.
    pub accounts: Option<BTreeSet<String>>,
    /// The app's secret. With it every call must carry the right `appsecret_proof`.
    pub app_secret: Option<String>,
    /// What an inspection tells beyond that.
    pub inspection: Inspection,
}

impl Default for Token {
    fn default() -> Self {
        Self::ALLOWED_EVERYTHING
    }
}

impl Token {
    pub(crate) const ALLOWED_EVERYTHING: Self = Self {
        expired: false,
        whatsapp_business_messaging: true,
        whatsapp_business_management: true,
        numbers: None,
        accounts: None,
        app_secret: None,
        inspection: Inspection::OF_SYSTEM_USER,
    };

    /// Whether the token may be used for a call with this permission.
    pub(crate) fn check(&self, token: &str, proof: Option<&str>, permission: Permission) -> Result<(), GraphError> {
        self.check_proof(token, proof)?;
        let permitted = match permission {
            Permission::Messaging => self.whatsapp_business_messaging,
            Permission::Management => self.whatsapp_business_management,
        };
        if permitted { Ok(()) } else { Err(GraphError::missing_permission()) }
    }

    /// Whether the token is good, and comes with its proof.
    pub(crate) fn check_proof(&self, token: &str, proof: Option<&str>) -> Result<(), GraphError> {
        if self.expired {
            return Err(GraphError::expired_token());
        }
        if let Some(secret) = &self.app_secret {
            match proof {
                None => return Err(GraphError::missing_proof()),
                Some(proof) if proof != appsecret_proof(token, secret) => {
                    return Err(GraphError::wrong_proof());
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    pub(crate) fn sees(&self, phone_number_id: &str) -> bool {
        self.numbers.as_ref().is_none_or(|numbers| numbers.contains(phone_number_id))
    }

    pub(crate) fn sees_account(&self, waba_id: &str) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| accounts.contains(waba_id))
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Permission {
    Messaging,
    Management,
}

/// The `appsecret_proof` of a token: lowercase hex HMAC-SHA256 of the token under the app secret.
#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
pub fn appsecret_proof(token: &str, app_secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(app_secret.as_bytes()).expect("HMAC takes any key");
    mac.update(token.as_bytes());
    hex(&mac.finalize().into_bytes())
}
