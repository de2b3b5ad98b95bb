//! Finds secrets in everything that the operator writes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kube::api::ListParams;

use crate::world::World;

/// Each text in plain, and in base64 as in a Secret.
pub fn plain_and_encoded(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    texts.into_iter().flat_map(|text| [encoded(&text), text]).collect()
}

/// A text in base64 as in a Secret, without the end that depends on what follows.
pub fn encoded(text: &str) -> String {
    BASE64.encode(text).trim_end_matches('=').to_owned()
}

/// Everything that the operator writes: each place with its text.
pub async fn texts(world: &World) -> Vec<(&'static str, String)> {
    let events = world.events().await;
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

/// The first secret that a text contains, as a sentence with the place.
pub fn find_leak(texts: &[(&str, String)], secrets: &[String]) -> Option<String> {
    let leaked = |text: &str| secrets.iter().find(|secret| text.contains(secret.as_str()));
    texts.iter().find_map(|(place, text)| leaked(text).map(|secret| format!("{place} shows the secret {secret}")))
}
