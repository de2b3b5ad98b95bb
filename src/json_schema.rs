//! The resource as a JSON schema, for editors and for tools such as kubeconform.

use serde_json::{Map, Value, json};
use waflows_core::api::crd::definition;

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// A JSON schema (draft 7) of FlowsEncryptionKey. It refuses unknown fields, as `kubectl apply --validate` does. It lacks
/// the rules that only the API server can check, such as "exactly one of".
///
/// # Errors
/// Never in practice: the definition contains only plain strings, numbers and lists.
pub fn json_schema() -> serde_json::Result<String> {
    let definition = definition();
    let version = definition.spec.versions.into_iter().next();
    let (name, schema) = version.map(|version| (version.name, version.schema)).unwrap_or_default();
    let mut schema = serde_json::to_value(schema.and_then(|schema| schema.open_api_v3_schema))?;
    translate(&mut schema);
    if let Value::Object(schema) = &mut schema {
        schema.insert("$schema".to_owned(), DRAFT.into());
        schema.insert("title".to_owned(), definition.spec.names.kind.clone().into());
        schema.insert("required".to_owned(), json!(["apiVersion", "kind", "metadata", "spec"]));
        let frame = [
            ("apiVersion", json!({"type": "string", "const": format!("{}/{name}", definition.spec.group)})),
            ("kind", json!({"type": "string", "const": definition.spec.names.kind})),
            ("metadata", json!({"type": "object"})),
        ];
        let properties = schema.entry("properties").or_insert_with(|| Value::Object(Map::new()));
        properties.as_object_mut().into_iter().for_each(|it| it.extend(frame.clone().map(|(k, v)| (k.to_owned(), v))));
    }
    serde_json::to_string_pretty(&schema).map(|text| text + "\n")
}

/// Replaces what only Kubernetes understands.
fn translate(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    if members.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        members.insert("type".to_owned(), json!(["integer", "string"]));
    }
    let is_open = members.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    members.retain(|name, _| !name.starts_with("x-kubernetes-"));
    if members.contains_key("properties") && !is_open {
        members.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    for name in ["items", "additionalProperties"] {
        members.get_mut(name).into_iter().for_each(translate);
    }
    let properties = members.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flat_map(Map::values_mut).for_each(translate);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_closed_and_free_of_kubernetes_own_keywords() {
        let text = json_schema().unwrap();
        assert!(!text.contains("x-kubernetes-"), "{text}");
        let schema: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["apiVersion"]["const"], "waflows.dev/v1alpha1");
        let spec = &schema["properties"]["spec"];
        assert_eq!(spec["additionalProperties"], false);
        assert_eq!(
            spec["properties"]["endpoint"]["properties"]["service"]["properties"]["port"]["type"],
            json!(["integer", "string"])
        );
    }
}
