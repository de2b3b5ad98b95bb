//! The JSON schema of a resource, for editors and for linters of manifests.

use serde_json::{Map, Value, json};

/// The schema of the resource's definition in the form that editors read. The definition's own form has keywords that only
/// API servers know, and leaves open what they check by themselves: that no other field is set.
pub(crate) fn schema() -> String {
    let version = waflows_core::api::crd::definition().spec.versions.remove(0);
    let mut schema = serde_json::to_value(version.schema.unwrap().open_api_v3_schema).unwrap();
    close(&mut schema);
    let fields = schema["properties"].as_object_mut().unwrap();
    fields.insert("apiVersion".into(), json!({"const": "waflows.dev/v1alpha1"}));
    fields.insert("kind".into(), json!({"const": "FlowsEncryptionKey"}));
    fields.insert("metadata".into(), json!({"type": "object"}));
    schema["required"] = json!(["apiVersion", "kind", "metadata", "spec"]);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("FlowsEncryptionKey, waflows.dev/v1alpha1");
    format!("{schema:#}\n")
}

/// Drops the keywords of API servers, and refuses unknown fields.
fn close(schema: &mut Value) {
    let Some(keywords) = schema.as_object_mut() else { return };
    let is_integer_or_text = keywords.remove("x-kubernetes-int-or-string") == Some(json!(true));
    keywords.retain(|keyword, _| !keyword.starts_with("x-kubernetes-"));
    if is_integer_or_text {
        keywords.remove("anyOf");
        keywords.insert("type".into(), json!(["integer", "string"]));
    }
    if let Some(fields) = keywords.get_mut("properties").and_then(Value::as_object_mut) {
        each(fields);
        keywords.entry("additionalProperties").or_insert(json!(false));
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = keywords.get_mut(keyword) {
            close(inner);
        }
    }
}

fn each(fields: &mut Map<String, Value>) {
    for field in fields.values_mut() {
        close(field);
    }
}
