//! Access tokens: what each may do and see.

use std::collections::BTreeSet;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;

use crate::error::GraphError;
use crate::keys::hex;

/// What a system user's access token may do. The default may do everything.
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
    /// What an inspection shows beside the permissions.
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

/// What the inspection of a token shows, beside the permissions. By default a system user's token that never expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Inspection {
    /// The app that issued the token.
    pub app_id: String,
    /// Whether the token may ask about itself. Without it only the app's own token may, `APP_ID|APP_SECRET`.
    pub allows_itself: bool,
    /// `expires_at`.
    pub expires_at: Expiry,
    /// `data_access_expires_at`.
    pub data_access_expires_at: Expiry,
    /// What `granular_scopes` says about the objects of each permission.
    pub target_ids: TargetIds,
}

/// The shapes of a time at which something expires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiry {
    /// 0: never.
    #[default]
    Zero,
    /// `null`.
    Null,
    /// The field is not there.
    Absent,
    /// Unix time.
    At(i64),
    /// Unix time in quotes.
    Text(i64),
}

impl Expiry {
    pub(crate) fn value(self) -> Option<Value> {
        match self {
            Self::Zero => Some(0.into()),
            Self::Null => Some(Value::Null),
            Self::Absent => None,
            Self::At(seconds) => Some(seconds.into()),
            Self::Text(seconds) => Some(seconds.to_string().into()),
        }
    }
}

/// What `granular_scopes` says about the objects of each permission.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetIds {
    /// Nothing: all objects.
    #[default]
    Absent,
    /// `null`: all objects.
    Null,
    /// These.
    Only(Vec<String>),
    /// There are no `granular_scopes`.
    NoGranularScopes,
}

impl Default for Inspection {
    fn default() -> Self {
        Self::OF_SYSTEM_USER
    }
}

impl Inspection {
    pub(crate) const OF_SYSTEM_USER: Self = Self {
        app_id: String::new(),
        allows_itself: true,
        expires_at: Expiry::Zero,
        data_access_expires_at: Expiry::Zero,
        target_ids: TargetIds::Absent,
    };
}

/// The `appsecret_proof` of a token: lowercase hex HMAC-SHA256 of the token under the app secret.
#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
pub fn appsecret_proof(token: &str, app_secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(app_secret.as_bytes()).expect("HMAC takes any key");
    mac.update(token.as_bytes());
    hex(&mac.finalize().into_bytes())
}
