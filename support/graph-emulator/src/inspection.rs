//! The edge that describes an access token: `/debug_token`.

use serde_json::{Value, json};

use crate::error::GraphError;
use crate::token::{TargetIds, Token};

/// The answer about a token. None is a token that Meta does not know.
pub(crate) fn describe(name: &str, token: Option<&Token>) -> Value {
    let Some(token) = token.filter(|token| !token.expired) else {
        let error = token.map_or_else(|| GraphError::malformed_token(name), |_| GraphError::expired_token_of(name));
        return json!({"data": {
            "is_valid": false,
            "scopes": [],
            "error": {"code": error.code, "message": error.message, "subcode": error.subcode},
        }});
    };
    let inspection = &token.inspection;
    let scopes: Vec<&str> = [
        (token.whatsapp_business_management, "whatsapp_business_management"),
        (token.whatsapp_business_messaging, "whatsapp_business_messaging"),
    ]
    .into_iter()
    .filter_map(|(has, scope)| has.then_some(scope))
    .chain(["public_profile"])
    .collect();
    let mut data = json!({
        "app_id": if inspection.app_id.is_empty() { "1234567890" } else { &inspection.app_id },
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
    match &inspection.target_ids {
        TargetIds::Absent => data["granular_scopes"] = granular(None),
        TargetIds::Null => data["granular_scopes"] = granular(Some(Value::Null)),
        TargetIds::Only(ids) => data["granular_scopes"] = granular(Some(json!(ids))),
        TargetIds::NoGranularScopes => {}
    }
    for (name, expiry) in
        [("expires_at", inspection.expires_at), ("data_access_expires_at", inspection.data_access_expires_at)]
    {
        if let Some(at) = expiry.value() {
            data[name] = at;
        }
    }
    json!({ "data": data })
}
