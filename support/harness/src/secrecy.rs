//! Whether the operator tells a secret, wherever it says something.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kube::api::ListParams;

use crate::world::World;

/// Texts as they are, and as a Secret has them.
pub fn plain_and_encoded(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    texts.into_iter().flat_map(|text| [encoded(&text), text]).collect()
}

/// A text as a Secret has it, without the end that depends on what follows.
pub fn encoded(text: &str) -> String {
    BASE64.encode(text).trim_end_matches('=').to_owned()
}

/// Everything that the operator says: where, and what.
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

/// Where which secret is told.
pub fn told(texts: &[(&str, String)], secrets: &[String]) -> Option<String> {
    let is_told = |text: &str| secrets.iter().find(|secret| text.contains(secret.as_str()));
    texts.iter().find_map(|(place, text)| is_told(text).map(|secret| format!("{place} tells the secret {secret}")))
}
