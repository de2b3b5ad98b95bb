//! The final state: the status, what Meta has, and whether the status is about the present Secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use graph_emulator::Emulator;
use serde_json::{Map, Value, json};

use crate::world::World;

/// Uploads that took effect, by phone number ID.
pub type Uploads = BTreeMap<String, usize>;

/// Parts of a status that say when or how something happened.
const HISTORY: [&str; 12] = [
    "lastCheckTime",
    "lastSuccessfulCheckTime",
    "nextCheckTime",
    "publicKeySince",
    "ownedSince",
    "lastReadTime",
    "lastUploadTime",
    "lastTransitionTime",
    "uploadedFingerprint",
    "uploadAttempts",
    "uid",
    "resourceVersion",
];

/// What Meta has, what the status says, and whether the status is about the present Secrets.
pub async fn state(world: &World, name: &str) -> Value {
    let resource = world.resources().get(name).await.unwrap();
    let numbers = world.emulator.numbers();
    let at_meta: BTreeMap<_, _> = numbers.iter().map(|id| (id.to_string(), world.at_meta(id))).collect();
    let status = serde_json::to_value(&resource.status).unwrap();
    let mut observed = BTreeMap::new();
    for secret in resource.status.iter().flat_map(|status| &status.observed_secrets) {
        let now = world.secrets().get_opt(&secret.name).await.unwrap().map(|secret| secret.metadata.resource_version);
        observed.insert(secret.name.clone(), now.flatten().as_ref() == Some(&secret.resource_version));
    }
    let status = without_history(status, &json!(resource.metadata.generation));
    json!({"atMeta": at_meta, "secretsAreCurrent": observed, "status": status})
}

/// The status without what differs between runs with the same result. Of a generation, only whether it is the newest.
fn without_history(value: Value, generation: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(name, _)| !HISTORY.contains(&name.as_str()));
            let kept = kept.map(|(name, value)| match name.as_str() {
                "observedGeneration" => (name, json!(value == *generation)),
                _ => (name, without_history(value, generation)),
            });
            kept.collect()
        }
        Value::Array(items) => items.into_iter().map(|item| without_history(item, generation)).collect(),
        other => other,
    }
}

/// Where two states differ.
pub fn differences(expected: &Value, actual: &Value) -> Option<String> {
    let mut text = String::new();
    compare("", expected, actual, &mut text);
    (!text.is_empty()).then_some(text)
}

fn compare(path: &str, expected: &Value, actual: &Value, text: &mut String) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            let names: BTreeSet<_> = expected.keys().chain(actual.keys()).collect();
            for name in names {
                let of = |object: &Map<String, Value>| object.get(name).cloned().unwrap_or_default();
                compare(&format!("{path}.{name}"), &of(expected), &of(actual), text);
            }
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            for (n, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                compare(&format!("{path}[{n}]"), expected, actual, text);
            }
        }
        _ if expected == actual => {}
        _ => writeln!(text, "{path}: expected {expected}, found {actual}").unwrap(),
    }
}

/// Uploads that took effect, by number.
pub fn uploads(emulator: &Emulator) -> Uploads {
    let mut uploads = Uploads::new();
    for upload in emulator.uploads().iter().filter(|upload| upload.took_effect) {
        *uploads.entry(upload.number.to_string()).or_default() += 1;
    }
    uploads
}
