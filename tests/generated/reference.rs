//! The reference of the resource, from the schema that the API server enforces.

use std::fmt::Write as _;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, JSONSchemaPropsOrArray};

const HEAD: &str = "\
# Reference of FlowsEncryptionKey

`waflows.dev/v1alpha1`, namespaced, short name `fek`. What the fields are for: [concepts.md](concepts.md); whole resources:
[examples](../examples/README.md). `kubectl explain fek.spec` shows the same text.

<!-- written by `make generate` from crates/core/src/api/crd -->
";

/// The page.
pub(crate) fn page() -> String {
    let definition = waflows_core::api::crd::definition();
    let schema = definition.spec.versions[0].schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
    let mut page = HEAD.to_owned();
    for part in ["spec", "status"] {
        let schema = property(schema.expect("a schema"), part);
        section(&mut page, part, schema);
    }
    page
}

/// A heading and a table for an object, then those of the objects in it.
fn section(page: &mut String, path: &str, schema: &JSONSchemaProps) {
    writeln!(page, "\n## `{path}`\n").expect("a String");
    if let Some(description) = &schema.description {
        writeln!(page, "{}\n", one_line(description)).expect("a String");
    }
    page.push_str("| field | type | meaning |\n|---|---|---|\n");
    let required = schema.required.as_deref().unwrap_or_default();
    let (mut nested, mut rules) = (Vec::new(), Vec::new());
    for (name, property) in schema.properties.iter().flatten() {
        let meaning = property.description.as_deref().map(one_line).unwrap_or_default();
        let mark = if path.starts_with("spec") && required.contains(name) { " Required." } else { "" };
        writeln!(page, "| `{name}` | {} | {meaning}{mark} |", kind(property)).expect("a String");
        // Conditions are Kubernetes' own, and their texts too.
        rules.extend(property.x_kubernetes_validations.iter().flatten());
        if let Some(object) = object_in(property).filter(|object| !is_small(object) && name != "conditions") {
            nested.push((format!("{path}.{name}{}", if items(property).is_some() { "[]" } else { "" }), object));
        }
    }
    for rule in schema.x_kubernetes_validations.iter().flatten().chain(rules) {
        writeln!(page, "\nRule: {}", rule.message.as_deref().unwrap_or(&rule.rule)).expect("a String");
    }
    for (path, object) in nested {
        section(page, &path, object);
    }
}

fn property<'a>(schema: &'a JSONSchemaProps, name: &str) -> &'a JSONSchemaProps {
    schema.properties.as_ref().and_then(|properties| properties.get(name)).expect("the schema has it")
}

fn items(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match schema.items.as_ref()? {
        JSONSchemaPropsOrArray::Schema(items) => Some(items),
        JSONSchemaPropsOrArray::Schemas(_) => None,
    }
}

fn object_in(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    [Some(schema), items(schema)].into_iter().flatten().find(|schema| schema.properties.is_some())
}

/// Whether an object is a pair that needs no table of its own, such as the name and key of a Secret.
fn is_small(object: &JSONSchemaProps) -> bool {
    object.properties.as_ref().is_some_and(|properties| properties.len() <= 2)
}

/// Type and bounds, as one would say them.
fn kind(schema: &JSONSchemaProps) -> String {
    if let Some(items) = items(schema) {
        let bounds = bounds(schema.min_items, schema.max_items);
        return format!("list{bounds} of {}", kind(items));
    }
    if let Some(values) = &schema.enum_ {
        let values: Vec<_> =
            values.iter().filter_map(|value| value.0.as_str()).map(|value| format!("`{value}`")).collect();
        let default =
            schema.default.as_ref().map(|value| format!("; default `{}`", value.0.as_str().unwrap_or_default()));
        return values.join(", ") + &default.unwrap_or_default();
    }
    if let Some(properties) = schema.properties.as_ref().filter(|_| is_small(schema)) {
        return format!("`{{{}}}`", properties.keys().rev().cloned().collect::<Vec<_>>().join(", "));
    }
    let name = match (schema.type_.as_deref(), schema.format.as_deref()) {
        (_, Some("date-time")) => "time (RFC 3339)",
        (Some(name), _) => name,
        (None, _) => "any",
    };
    format!("{name}{}", bounds(schema.min_length, schema.max_length))
}

fn bounds(least: Option<i64>, most: Option<i64>) -> String {
    match (least, most) {
        (Some(least), Some(most)) => format!(" ({least} to {most})"),
        (None, Some(most)) => format!(" (up to {most})"),
        (Some(least), None) => format!(" (at least {least})"),
        (None, None) => String::new(),
    }
}

/// Text as a cell of a table can hold it.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
