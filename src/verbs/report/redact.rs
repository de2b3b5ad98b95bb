//! Removes what may be a credential from objects and texts.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::graph::redact_tokens;

const REDACTED: &str = "[redacted]";
/// Only annotations of this domain are kept: others may repeat the contents of a Secret.
const OUR_ANNOTATIONS: &str = "waflows.dev/";
/// Only variables of this prefix keep their value, and no credential is among them.
const OUR_VARIABLES: &str = "WAFLOWS_";

/// What is replaced, whatever stands before it in the first group.
static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let patterns = [
        // A private key in PEM, also cut off, and also with literal `\n`.
        r"()-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:[^-]|-[^-])*(?:-----END [A-Z0-9 ]*PRIVATE KEY-----)?",
        // A private key in base64, as a Secret has it: of DER (MII…) or of PEM (LS0tLS1CRUdJTi…).
        r"()(?:MII[EJ]|LS0tLS1CRUdJTi)[A-Za-z0-9+/=]{100,}",
        r"((?:[Bb]earer|[Bb]asic) )[A-Za-z0-9._~+/=-]{8,}",
        r"((?:access_token|appsecret_proof|password|passphrase|client_secret)[=:] ?)[^\s&,]+",
        // User and password, and the query, of a URL.
        r"(://)[^/\s@]+@",
        r"(https?://[^\s?]+\?)[^\s,]+",
    ];
    patterns.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect()
});

/// The text without what looks like a credential.
pub(super) fn text(text: &str) -> String {
    let mut clean = redact_tokens(text);
    for pattern in PATTERNS.iter() {
        clean = pattern.replace_all(&clean, format!("${{1}}{REDACTED}")).into_owned();
    }
    clean
}

/// The object without annotations of others, managed fields, and values of environment variables. Every text in it is
/// redacted.
pub(super) fn object(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|name, _| name.starts_with(OUR_ANNOTATIONS));
        }
    }
    inside(object);
}

fn inside(value: &mut Value) {
    match value {
        Value::String(string) => *string = text(string),
        Value::Array(items) => items.iter_mut().for_each(inside),
        Value::Object(members) => {
            // A template of pods has metadata of its own.
            members.remove("managedFields");
            if let Some(annotations) = members.get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.retain(|name, _| name.starts_with(OUR_ANNOTATIONS));
            }
            let is_ours = members.get("name").and_then(Value::as_str).is_some_and(|it| it.starts_with(OUR_VARIABLES));
            if !is_ours && members.contains_key("name") && members.contains_key("value") {
                members.insert("value".to_owned(), REDACTED.into());
            }
            members.values_mut().for_each(inside);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_looks_like_a_credential_is_replaced() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQ+/\n-----END PRIVATE KEY-----";
        let token = format!("EAA{}", "b".repeat(30));
        for (before, after) in [
            (format!("token {token}."), "token [redacted].".to_owned()),
            (format!("a {key} b"), "a [redacted] b".to_owned()),
            (format!("a {} b", key.replace('\n', "\\n")), "a [redacted] b".to_owned()),
            (format!("x {}", "LS0tLS1CRUdJTi".to_owned() + &"A".repeat(120)), "x [redacted]".to_owned()),
            ("Authorization: Bearer abcdefgh12".into(), "Authorization: Bearer [redacted]".into()),
            ("http://user:geheim@proxy:3128/".into(), "http://[redacted]proxy:3128/".into()),
            ("https://a.test/flows?key=1 is".into(), "https://a.test/flows?[redacted] is".into()),
            ("Nothing to hide, sha256:daed2307384c".into(), "Nothing to hide, sha256:daed2307384c".into()),
        ] {
            assert_eq!(text(&before), after);
        }
        assert_eq!(PATTERNS.len(), 6, "every pattern is valid");
    }

    #[test]
    fn public_keys_stay() {
        let key = format!("-----BEGIN PUBLIC KEY-----\nMIIB{}\n-----END PUBLIC KEY-----\n", "A".repeat(60));
        assert_eq!(text(&key), key);
    }

    #[test]
    fn annotations_of_others_and_variables_are_left_out() {
        let mut pod = json!({
            "metadata": {"managedFields": [1], "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "secret",
                "waflows.dev/sync-requested-at": "now"}},
            "spec": {"template": {"metadata": {"annotations": {"vault": "secret"}}},
                "containers": [{"name": "operator", "args": ["run"], "env": [
                    {"name": "HTTP_PROXY", "value": "secret"}, {"name": "WAFLOWS_SELECTOR", "value": "a=b"}]}]},
        });
        object(&mut pod);
        assert!(!pod.to_string().contains("secret"), "{pod}");
        assert!(pod.to_string().contains("a=b") && pod.to_string().contains("sync-requested-at"), "{pod}");
    }
}
