//! What must hold, whatever went wrong meanwhile. `broken.rs` sees each of these complain.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use graph_emulator::Emulator;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::job::{APP_SECRET, Job, NEW, OLD};
use crate::openssl::{KEY, OTHER_KEY, PASSPHRASE};
use crate::world::{TOKEN, World};
use crate::writes::UPLOADS;

/// How much more memory a process may have at its end than one that met no fault.
const RESIDENT_KIB: u64 = 24 * 1024;
/// How many more files and connections it may have open.
const DESCRIPTORS: usize = 6;

/// Uploads that took effect, by phone number ID.
pub(crate) type Uploads = BTreeMap<String, usize>;

/// Parts of a status that tell when something happened, or how it came about.
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

/// What Meta has, what the status says, and whether that speaks of the present Secrets.
pub(crate) async fn state(world: &World, name: &str) -> Value {
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

/// The same for every run that came to the same end: of a generation only whether it is the newest.
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
pub(crate) fn differences(expected: &Value, actual: &Value) -> Option<String> {
    let mut text = String::new();
    compare("", expected, actual, &mut text);
    (!text.is_empty()).then_some(text)
}

fn compare(path: &str, expected: &Value, actual: &Value, text: &mut String) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            let names: std::collections::BTreeSet<_> = expected.keys().chain(actual.keys()).collect();
            for name in names {
                let of = |object: &serde_json::Map<String, Value>| object.get(name).cloned().unwrap_or_default();
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
pub(crate) fn uploads(emulator: &Emulator) -> Uploads {
    let mut uploads = Uploads::new();
    for upload in emulator.uploads().iter().filter(|upload| upload.took_effect) {
        *uploads.entry(upload.number.to_string()).or_default() += 1;
    }
    uploads
}

/// Numbers that got the key more often than without faults. There is no allowance: whoever does not know what became of
/// an upload has to read first.
pub(crate) fn superfluous(expected: &Uploads, uploads: &Uploads) -> Option<String> {
    let more = |id: &str, count: usize| count > expected.get(id).copied().unwrap_or_default();
    let more: Vec<_> = uploads.iter().filter(|(id, count)| more(id, **count)).collect();
    (!more.is_empty()).then(|| format!("uploads: expected {expected:?}, found {more:?}"))
}

/// Whether uploads or statuses were tried more often than that a fault was met so many times explains, whatever became of
/// them. Uploads are repeated for a fault alone. A status may also be written once more because a round is cut in two, or
/// takes long enough for a checkpoint.
pub(crate) fn tried_too_often(expected: &[String], made: &[String], met: usize) -> Option<String> {
    let count = |writes: &[String], of: &str| writes.iter().filter(|write| write.contains(of)).count();
    let bound = |of: &str| match of {
        UPLOADS => count(expected, of) + met,
        _ => 2 * count(expected, of) + 2 * met,
    };
    let of = [UPLOADS, "/status"].into_iter().find(|of| count(made, of) > bound(of))?;
    Some(format!(
        "{} writes to {of}, where {} were expected and a fault was met {met} times",
        count(made, of),
        bound(of)
    ))
}

/// All that must not be told: token, app secret, proof, passphrase, and the lines of the private keys, also as a Secret
/// has them.
pub(crate) fn secrets() -> Vec<String> {
    let passphrase = std::str::from_utf8(PASSPHRASE).unwrap();
    let short = [TOKEN, APP_SECRET, passphrase, &graph_emulator::appsecret_proof(TOKEN, APP_SECRET)].map(str::to_owned);
    let plain = [&*KEY, &*OTHER_KEY].map(|pem| String::from_utf8(pem.clone()).unwrap());
    let keys = [&OLD.pem, &NEW.pem, &plain[0], &plain[1]];
    let lines = keys.iter().flat_map(|pem| pem.lines()).filter(|line| line.len() == 64).map(str::to_owned);
    let encoded = keys.iter().map(|pem| encoded(pem));
    plain_and_encoded(short).into_iter().chain(lines).chain(encoded).collect()
}

/// Texts as they are, and as a Secret has them.
pub(crate) fn plain_and_encoded(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    texts.into_iter().flat_map(|text| [encoded(&text), text]).collect()
}

fn encoded(text: &str) -> String {
    BASE64.encode(text).trim_end_matches('=').to_owned()
}

/// Everything that the operator says: where, and what.
pub(crate) async fn texts(world: &World) -> Vec<(&'static str, String)> {
    let events: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    let events = events.list(&ListParams::default()).await.unwrap().items;
    let resources = world.resources().list(&ListParams::default()).await.unwrap().items;
    let mut texts = vec![
        ("log", world.operator.log()),
        ("events", serde_json::to_string(&events).unwrap()),
        ("resources", serde_json::to_string(&resources).unwrap()),
    ];
    for path in ["/metrics", "/healthz", "/readyz"] {
        let body = world.operator.get(path).await.map(|(_, body)| body);
        texts.push((path, body.expect("the operator answers")));
    }
    texts
}

/// Where which secret is told.
pub(crate) fn told(texts: &[(&str, String)], secrets: &[String]) -> Option<String> {
    let is_told = |text: &str| secrets.iter().find(|secret| text.contains(secret.as_str()));
    texts.iter().find_map(|(place, text)| is_told(text).map(|secret| format!("{place} tells the secret {secret}")))
}

/// What a process holds on to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Footprint {
    pub(crate) resident_kib: u64,
    pub(crate) descriptors: usize,
    /// Requests under way: to the API server (the watches) and to Meta. A task that hangs hangs on one of these.
    pub(crate) requests: [usize; 2],
}

impl Footprint {
    pub(crate) fn of(job: &Job) -> Self {
        let requests = [job.kubernetes.open(), job.graph.open()];
        Self { requests, ..Self::of_process(job.world.operator.process_id()) }
    }

    pub(crate) fn of_process(id: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("the process runs, on Linux");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let resident_kib = resident.trim().trim_end_matches(" kB").parse().unwrap();
        let descriptors = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
        Self { resident_kib, descriptors, requests: [0, 0] }
    }
}

/// What a process holds more than one that met no fault.
pub(crate) fn growth(reference: &Footprint, now: &Footprint) -> Option<String> {
    let grew = now.resident_kib > reference.resident_kib + RESIDENT_KIB
        || now.descriptors > reference.descriptors + DESCRIPTORS
        || now.requests != reference.requests;
    grew.then(|| format!("{now:?}, where a run without faults ends with {reference:?}"))
}
