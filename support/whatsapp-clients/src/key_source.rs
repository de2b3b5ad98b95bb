//! The key of a number, as the Graph API shows it.

use reqwest::Client;
use serde_json::Value;
use waflows_key::PublicKey;

/// Asks for the key of a number. None unless the answer holds a key with a VALID signature.
pub(crate) async fn valid_key(http: &Client, graph_url: &str, token: &str, number: &str) -> Option<PublicKey> {
    let url = format!("{graph_url}/v25.0/{number}/whatsapp_business_encryption");
    let response = http.get(url).bearer_auth(token).send().await.ok()?;
    let answer: Value = response.error_for_status().ok()?.json().await.ok()?;
    let held = holder(&answer)?;
    (held["business_public_key_signature_status"] == "VALID").then_some(())?;
    PublicKey::from_public_key(held["business_public_key"].as_str()?).ok()
}

/// The object with the key. Meta answers it bare, in a list, or below an index.
fn holder(answer: &Value) -> Option<&Value> {
    if answer.get("business_public_key").is_some() {
        return Some(answer);
    }
    match answer {
        Value::Object(fields) => fields.values().find_map(holder),
        Value::Array(items) => items.iter().find_map(holder),
        _ => None,
    }
}
