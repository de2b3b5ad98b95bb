//! The edge that tells what an access token is worth: `/debug_token`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::GraphError;
use crate::token::Token;

/// What the inspection of a token tells, beside its permissions. The default is that of a system user's token that never
/// expires.
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
    fn value(self) -> Option<Value> {
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

/// What is told of a token that Meta knows, or of one that it does not.
pub(crate) fn describe(name: &str, token: Option<&Token>) -> Value {
    let Some(token) = token.filter(|token| !token.expired) else {
        let error = token.map_or_else(|| GraphError::malformed_token(name), |_| GraphError::expired_token_of(name));
        return json!({"data": {
            "is_valid": false,
            "scopes": [],
            "error": {"code": error.code, "message": error.message, "subcode": error.subcode},
        }});
    };
    let told = &token.inspection;
    let scopes: Vec<&str> = [
        (token.whatsapp_business_management, "whatsapp_business_management"),
        (token.whatsapp_business_messaging, "whatsapp_business_messaging"),
    ]
    .into_iter()
    .filter_map(|(has, scope)| has.then_some(scope))
    .chain(["public_profile"])
    .collect();
    let mut data = json!({
        "app_id": if told.app_id.is_empty() { "1234567890" } else { &told.app_id },
        "type": "SYSTEM_USER",
        "application": "Storefront",
        "is_valid": true,
        "scopes": scopes,
        "user_id": "122000000000000",
    });
    let granular = |ids: Option<Value>| {
        let of = scopes.iter().filter(|scope| scope.starts_with("whatsapp")).map(|scope| match &ids {
            Some(ids) => json!({"scope": scope, "target_ids": ids}),
            None => json!({"scope": scope}),
        });
        Value::Array(of.collect())
    };
    match &told.target_ids {
        TargetIds::Absent => data["granular_scopes"] = granular(None),
        TargetIds::Null => data["granular_scopes"] = granular(Some(Value::Null)),
        TargetIds::Only(ids) => data["granular_scopes"] = granular(Some(json!(ids))),
        TargetIds::NoGranularScopes => {}
    }
    for (name, expiry) in [("expires_at", told.expires_at), ("data_access_expires_at", told.data_access_expires_at)] {
        if let Some(at) = expiry.value() {
            data[name] = at;
        }
    }
    json!({ "data": data })
}
