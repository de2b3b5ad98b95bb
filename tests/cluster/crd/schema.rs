//! The definition itself: accepted without a warning, and free of what makes GitOps tools see differences for ever.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, JSONSchemaPropsOrArray};
use serde_json::json;
use waflows_core::api::crd;

use super::{DEFINITION, kubectl};

#[test]
fn the_definition_is_accepted_without_warnings() {
    // Under another group it is new to the API server: rules of an installed one are not all checked again.
    let as_new = DEFINITION.replace("waflows.dev", "new.example.com");
    for (verb, manifest) in [("create", as_new.as_str()), ("apply", DEFINITION)] {
        let server_side: &[&str] = if verb == "apply" { &["--server-side"] } else { &[] };
        let arguments = [&[verb, "--dry-run=server", "--validate=strict", "-f", "-"], server_side].concat();
        let printed = kubectl(&arguments, manifest);
        assert!(printed.is_success() && printed.stderr.is_empty(), "{printed:?}");
    }
}

/// Calls `visit` with the path and the schema of every field.
fn walk(path: &str, schema: &JSONSchemaProps, visit: &mut impl FnMut(&str, &JSONSchemaProps)) {
    visit(path, schema);
    for (name, property) in schema.properties.iter().flatten() {
        walk(&format!("{path}.{name}"), property, visit);
    }
    match &schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => walk(&format!("{path}[]"), items, visit),
        Some(JSONSchemaPropsOrArray::Schemas(_)) => panic!("{path}: the API server takes one schema for all items"),
        None => {}
    }
}

fn visit_all(mut visit: impl FnMut(&str, &JSONSchemaProps)) {
    let definition = crd::definition();
    let [version] = definition.spec.versions.as_slice() else { panic!("one version") };
    let schema = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref()).unwrap();
    walk("", schema, &mut visit);
}

#[test]
fn nothing_is_nullable() {
    assert!(!DEFINITION.contains("nullable"));
    visit_all(|path, schema| assert_eq!(schema.nullable, None, "{path}"));
}

#[test]
fn only_mode_and_status_have_defaults() {
    let mut defaults = Vec::new();
    visit_all(|path, schema| defaults.extend(schema.default.clone().map(|default| (path.to_owned(), default.0))));
    let expected = [(".spec.mode", json!("Enforce")), (".status", json!({"observedGeneration": -1}))];
    assert_eq!(defaults, expected.map(|(path, default)| (path.to_owned(), default)));
}

#[test]
fn every_text_and_list_is_bounded_and_every_list_says_how_it_merges() {
    visit_all(|path, schema| match schema.type_.as_deref() {
        Some("string") => {
            let bounded = schema.max_length.is_some() || schema.enum_.is_some();
            assert!(bounded || schema.format.as_deref() == Some("date-time"), "{path}");
        }
        Some("array") => {
            assert!(schema.max_items.is_some(), "{path}");
            assert!(schema.x_kubernetes_list_type.is_some(), "{path}");
        }
        Some("object") => assert!(schema.properties.is_some() && schema.additional_properties.is_none(), "{path}"),
        Some("boolean" | "integer") => {}
        None if schema.x_kubernetes_int_or_string == Some(true) => assert!(schema.max_length.is_some(), "{path}"),
        other => panic!("{path} is of type {other:?}"),
    });
}

#[test]
fn every_field_is_documented() {
    visit_all(|path, schema| {
        assert!(path.ends_with("[]") || schema.description.is_some() || path.is_empty(), "{path}")
    });
}
