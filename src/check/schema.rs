//! Validates a manifest of a FlowsEncryptionKey like the API server: the schema and the CEL rules of the definition,
//! with strict field validation, and the names in its metadata. Does not validate owner references and finalizers.

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::core::Resource as _;
use regex::Regex;
use serde_json::{Map, Number, Value};
use waflows_core::api::crd::{self, FlowsEncryptionKey};

/// An error for which the API server would refuse the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field, such as `spec.phoneNumberIds[0]`.
    pub path: String,
    /// The error. Never contains the value.
    pub message: String,
}

/// The type name in messages for a schema without a type.
const ANYTHING: &str = "anything";
const INTEGER_OR_STRING: &str = "integer or string";

/// The known fields of `metadata`.
const METADATA: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The schema of the definition: typed, and as a JSON value for the CEL rules' walker.
static SCHEMA: LazyLock<(JSONSchemaProps, Value)> = LazyLock::new(|| {
    let versions = crd::definition().spec.versions;
    let schema = versions.into_iter().next().and_then(|version| version.schema?.open_api_v3_schema).unwrap_or_default();
    let json = serde_json::to_value(&schema).unwrap_or_default();
    (schema, json)
});

/// All errors of the object. Ignores the status, like the API server when a manifest is applied.
#[must_use]
pub fn validate(object: &Value) -> Vec<Violation> {
    let mut findings = Findings::default();
    let mut object = without_nulls(object.clone());
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        findings.kind(fields);
        findings.metadata(fields.get("metadata"));
        for field in ["apiVersion", "kind", "metadata"] {
            fields.remove(field);
        }
    }
    let (schema, json) = &*SCHEMA;
    findings.value(schema, &object, "");
    // The CEL rules can only be evaluated if all fields have the right types.
    if !findings.is_misshapen
        && let Err(errors) = kube_cel::Validator::new().validate(json, &object, None)
    {
        errors
            .into_iter()
            .for_each(|error| findings.add(&error.field_path, without_name(&error.message, &error.field_path)));
    }
    findings.violations
}

/// The object without null fields: the API server treats them as absent.
pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            fields.map(|(name, value)| (name, without_nulls(value))).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

/// The message of a rule without the name of the field, because the report prints the name before it.
fn without_name<'a>(message: &'a str, path: &str) -> &'a str {
    let name = path.rsplit('.').next().unwrap_or_default();
    message.strip_prefix(name).and_then(|rest| rest.strip_prefix(' ')).unwrap_or(message)
}

#[derive(Default)]
struct Findings {
    violations: Vec<Violation>,
    /// Whether a field is missing, unknown or has a wrong type.
    is_misshapen: bool,
}

impl Findings {
    fn add(&mut self, path: &str, message: impl Into<String>) {
        self.violations.push(Violation { path: path.to_owned(), message: message.into() });
    }

    fn misshapen(&mut self, path: &str, message: impl Into<String>) {
        self.is_misshapen = true;
        self.add(path, message);
    }

    fn kind(&mut self, object: &Map<String, Value>) {
        let (version, kind) = (FlowsEncryptionKey::api_version(&()), FlowsEncryptionKey::kind(&()));
        for (field, expected) in [("apiVersion", version), ("kind", kind)] {
            if object.get(field).and_then(Value::as_str) != Some(&*expected) {
                self.add(field, format!("must be {expected}"));
            }
        }
    }

    fn metadata(&mut self, metadata: Option<&Value>) {
        let field = |name: &str| metadata.and_then(|metadata| metadata.get(name));
        match field("name").and_then(Value::as_str) {
            None => self.add("metadata.name", "is required, as a string"),
            Some(name) if !is_name(name, 253, true) => {
                self.add("metadata.name", "must be lower-case letters, digits, - and ., at most 253 of them");
            }
            Some(_) => {}
        }
        let may_be_namespace = |name: &str| name.is_empty() || is_name(name, 63, false);
        if field("namespace").is_some_and(|name| !name.as_str().is_some_and(may_be_namespace)) {
            self.add("metadata.namespace", "must be lower-case letters, digits and -, at most 63 of them");
        }
        for name in metadata.and_then(Value::as_object).into_iter().flat_map(Map::keys) {
            if !METADATA.contains(&name.as_str()) {
                self.add(&format!("metadata.{name}"), "is an unknown field");
            }
        }
        for kind in ["labels", "annotations"] {
            for (name, value) in field(kind).and_then(Value::as_object).into_iter().flatten() {
                self.tag(kind, name, value);
            }
        }
    }

    /// Validates a label or an annotation.
    fn tag(&mut self, kind: &str, name: &str, value: &Value) {
        let path = format!("metadata.{kind}.{name}");
        let (prefix, own) = name.rsplit_once('/').map_or((None, name), |(prefix, own)| (Some(prefix), own));
        let is_annotation = kind == "annotations";
        let is_prefix = |prefix: &str| {
            let prefix = if is_annotation { prefix.to_ascii_lowercase() } else { prefix.to_owned() };
            is_name(&prefix, 253, true)
        };
        if !is_word(own) || !prefix.is_none_or(is_prefix) {
            self.add(&path, "has a name that is not [prefix/]name with at most 63 letters, digits, -, _ and .");
        }
        match value.as_str() {
            None => self.add(&path, must_be("string", value)),
            Some(text) if !is_annotation && !text.is_empty() && !is_word(text) => {
                self.add(&path, "must be at most 63 letters, digits, -, _ and ., a letter or digit first and last");
            }
            Some(_) => {}
        }
    }

    fn value(&mut self, schema: &JSONSchemaProps, value: &Value, path: &str) {
        let expected = match schema.type_.as_deref() {
            Some(name) => name,
            None if schema.x_kubernetes_int_or_string == Some(true) => INTEGER_OR_STRING,
            None => ANYTHING,
        };
        match (value, expected) {
            (_, ANYTHING) => {}
            (Value::Object(fields), "object") => self.object(schema, fields, path),
            (Value::Array(items), "array") => self.array(schema, items, path),
            (Value::String(text), "string" | INTEGER_OR_STRING) => self.string(schema, text, path),
            (Value::Bool(_), "boolean") => {}
            (Value::Number(number), "integer" | INTEGER_OR_STRING) if is_whole(number) => {
                self.number(schema, number, path);
            }
            (Value::Number(number), "number") => self.number(schema, number, path),
            _ => self.misshapen(path, must_be(expected, value)),
        }
    }

    fn object(&mut self, schema: &JSONSchemaProps, fields: &Map<String, Value>, path: &str) {
        let (min, max) = (schema.min_properties.unwrap_or(0), schema.max_properties.unwrap_or(i64::MAX));
        self.count(fields.len(), min, max, "fields", path);
        let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        for name in schema.required.iter().flatten().filter(|name| !fields.contains_key(*name)) {
            self.misshapen(&join(name), "is required");
        }
        for (name, value) in fields {
            let known = schema.properties.as_ref().and_then(|properties| properties.get(name));
            match (known, &schema.additional_properties) {
                (Some(schema), _) => self.value(schema, value, &join(name)),
                (None, Some(JSONSchemaPropsOrBool::Schema(schema))) => self.value(schema, value, &join(name)),
                (None, Some(JSONSchemaPropsOrBool::Bool(true))) => {}
                (None, _) if schema.x_kubernetes_preserve_unknown_fields == Some(true) => {}
                (None, Some(JSONSchemaPropsOrBool::Bool(false)) | None) => {
                    self.misshapen(&join(name), "is an unknown field");
                }
            }
        }
    }

    fn number(&mut self, schema: &JSONSchemaProps, number: &Number, path: &str) {
        let value = number.as_f64().unwrap_or(f64::NAN);
        if let Some(least) = schema.minimum.filter(|least| value < *least) {
            self.add(path, format!("must be at least {least}"));
        }
        if let Some(most) = schema.maximum.filter(|most| value > *most) {
            self.add(path, format!("must be at most {most}"));
        }
    }

    fn count(&mut self, count: usize, min: i64, max: i64, what: &str, path: &str) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        if count < min || count > max {
            self.add(path, format!("must have {}, not {count}", span(min, max, what)));
        }
    }

    fn array(&mut self, schema: &JSONSchemaProps, items: &[Value], path: &str) {
        let (min, max) = (schema.min_items.unwrap_or(0), schema.max_items.unwrap_or(i64::MAX));
        self.count(items.len(), min, max, "items", path);
        for (position, item) in items.iter().enumerate() {
            let path = format!("{path}[{position}]");
            if let Some(JSONSchemaPropsOrArray::Schema(schema)) = &schema.items {
                self.value(schema, item, &path);
            }
            if let Some(first) = items[..position].iter().position(|other| is_same_item(schema, other, item)) {
                self.add(&path, format!("is the same as item [{first}]; list it once"));
            }
        }
    }

    fn string(&mut self, schema: &JSONSchemaProps, text: &str, path: &str) {
        let (min, max) = (schema.min_length.unwrap_or(0), schema.max_length.unwrap_or(i64::MAX));
        self.count(text.chars().count(), min, max, "characters", path);
        let pattern = schema.pattern.as_deref();
        if let Some(pattern) = pattern.filter(|pattern| !Regex::new(pattern).is_ok_and(|regex| regex.is_match(text))) {
            self.add(path, format!("must match {pattern}"));
        }
        let allowed: Vec<_> = schema.enum_.iter().flatten().filter_map(|value| value.0.as_str()).collect();
        if !allowed.is_empty() && !allowed.contains(&text) {
            self.add(path, format!("must be one of {}", allowed.join(", ")));
        }
    }
}

/// Whether a list may have only one of the two items: in a set, equal ones; in a map, those with equal keys.
fn is_same_item(schema: &JSONSchemaProps, one: &Value, other: &Value) -> bool {
    let keys = schema.x_kubernetes_list_map_keys.as_deref().unwrap_or_default();
    match schema.x_kubernetes_list_type.as_deref() {
        Some("set") => one == other,
        Some("map") => keys.iter().all(|key| one.get(key).is_some() && one.get(key) == other.get(key)),
        _ => false,
    }
}

/// Whether the number is an integer. The API server also accepts 1.0.
fn is_whole(number: &Number) -> bool {
    number.as_f64().is_some_and(|value| value.fract() == 0.0)
}

fn span(min: i64, max: i64, what: &str) -> String {
    match (min, max) {
        (0, max) => format!("at most {max} {what}"),
        (min, i64::MAX) => format!("at least {min} {what}"),
        (min, max) => format!("{min} to {max} {what}"),
    }
}

fn must_be(expected: &str, value: &Value) -> String {
    let (found, is_scalar) = match value {
        Value::Null => ("null", false),
        Value::Bool(_) => ("a boolean", true),
        Value::Number(number) if number.is_f64() => ("a number", true),
        Value::Number(_) => ("an integer", true),
        Value::String(_) => ("a string", false),
        Value::Array(_) => ("a list", false),
        Value::Object(_) => ("a mapping", false),
    };
    let quotes = if expected == "string" && is_scalar { ": put it in quotes" } else { "" };
    format!("must be of type {expected}, not {found}{quotes}")
}

/// Whether the text is valid as the name or the value of a label.
fn is_word(text: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    bytes.len() <= 63 && is_edge(bytes.first()) && is_edge(bytes.last()) && bytes.iter().all(is_inner)
}

/// Whether the text is a valid RFC 1123 label, or several labels with dots between them.
fn is_name(name: &str, max: usize, may_have_dots: bool) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        is_edge(bytes.first()) && is_edge(bytes.last()) && bytes.iter().all(|b| is_edge(Some(b)) || *b == b'-')
    };
    name.len() <= max && name.split('.').all(is_label) && (may_have_dots || !name.contains('.'))
}

#[cfg(test)]
mod kinds;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(fields: Value) -> Value {
        let mut spec = json!({
            "privateKeySecretRef": {"name": "flows-key", "key": "private.pem"},
            "accessTokenSecretRef": {"name": "meta-token", "key": "token"},
            "phoneNumberIds": ["1"],
        });
        spec.as_object_mut().unwrap().extend(serde_json::from_value::<Map<_, _>>(fields).unwrap());
        resource(spec)
    }

    fn resource(spec: Value) -> Value {
        json!({"apiVersion": "waflows.dev/v1alpha1", "kind": "FlowsEncryptionKey", "metadata": {"name": "a"}, "spec": spec})
    }

    #[track_caller]
    fn assert_violation(object: &Value, path: &str, text: &str) {
        let found = validate(object);
        assert!(found.iter().any(|v| v.path == path && v.message.contains(text)), "{path}, {text}: {found:?}");
    }

    #[test]
    fn a_good_resource_passes_also_with_nulls_and_a_status_of_any_kind() {
        let mut good = with(json!({"mode": "Observe", "checkInterval": "1h30m", "suspend": false, "publicKey": null}));
        good["status"] = json!("whatever");
        good["metadata"]["labels"] = json!({"app": "shop"});
        assert_eq!(validate(&good), []);
    }

    #[test]
    fn every_violation_names_its_field() {
        let ids = |ids: Value| with(json!({ "phoneNumberIds": ids }));
        assert_violation(
            &ids(json!([106_540_352_242_922_u64])),
            "spec.phoneNumberIds[0]",
            "not an integer: put it in quotes",
        );
        assert_violation(&ids(json!(["1", "2", "1"])), "spec.phoneNumberIds[2]", "same as item [0]");
        assert_violation(&ids(json!(["+1555"])), "spec.phoneNumberIds", "not the phone numbers themselves");
        assert_violation(&ids(json!([])), "spec.phoneNumberIds", "1 to 500 items, not 0");
        assert_violation(&with(json!({"phoneNumbers": []})), "spec.phoneNumbers", "unknown field");
        assert_violation(&with(json!({"mode": "enforce"})), "spec.mode", "Enforce, Observe");
        assert_violation(&with(json!({"checkInterval": "30s"})), "spec.checkInterval", "at least 1m");
        assert_violation(&with(json!({"checkInterval": "721h"})), "spec.checkInterval", "at most 720h (30 days)");
        assert_violation(&with(json!({"publicKey": "PEM"})), "spec", "exactly one of");
        let private = with(json!({"publicKey": "-----BEGIN PRIVATE KEY-----"}));
        assert_violation(&private, "spec.publicKey", "into a Secret that privateKeySecretRef names");
        assert_violation(
            &with(json!({"appSecretRef": {"name": "A", "key": "k"}})),
            "spec.appSecretRef.name",
            "must match",
        );
        assert_violation(&resource(json!({"phoneNumberIds": ["1"]})), "spec.accessTokenSecretRef", "is required");
        let mut passphrase = with(json!({"publicKey": "PEM", "passphraseSecretRef": {"name": "a", "key": "k"}}));
        passphrase["spec"].as_object_mut().unwrap().remove("privateKeySecretRef");
        assert_violation(&passphrase, "spec.passphraseSecretRef", "only allowed together");
    }

    #[test]
    fn the_frame_is_looked_at_too() {
        let good = with(json!({}));
        let changed = |change: &dyn Fn(&mut Value)| {
            let mut object = good.clone();
            change(&mut object);
            object
        };
        assert_violation(&changed(&|o| o["specs"] = json!({})), "specs", "unknown field");
        assert_violation(
            &changed(&|o| o["apiVersion"] = json!("waflows.dev/v1")),
            "apiVersion",
            "waflows.dev/v1alpha1",
        );
        assert_violation(&changed(&|o| o["metadata"] = json!({})), "metadata.name", "required");
        assert_violation(&changed(&|o| o["metadata"]["name"] = json!("A_b")), "metadata.name", "lower-case");
        assert_violation(&changed(&|o| o["metadata"]["namespace"] = json!("a.b")), "metadata.namespace", "lower-case");
        let labelled = changed(&|o| o["metadata"]["labels"] = json!({"on": true}));
        assert_violation(&labelled, "metadata.labels.on", "not a boolean: put it in quotes");
        for (kind, name, value) in [
            ("labels", "app", "two words"),
            ("labels", "-app", "shop"),
            ("labels", "Example.com/app", "shop"),
            ("annotations", "a/b/c", "anything"),
        ] {
            let tagged = changed(&|o| o["metadata"][kind] = json!({ name: value }));
            assert_eq!(validate(&tagged).len(), 1, "{kind} {name}: {value}");
        }
        let good = changed(&|o| {
            o["metadata"]["labels"] = json!({"app.kubernetes.io/name": "shop_1.2", "empty": ""});
            o["metadata"]["annotations"] = json!({"Example.com/Note": "Anything goes, {} too."});
            o["metadata"]["namespace"] = json!("");
        });
        assert_eq!(validate(&good), []);
        assert_violation(&changed(&|o| o["metadata"]["lables"] = json!({})), "metadata.lables", "unknown field");
        let without_spec = changed(&|o| drop(o.as_object_mut().unwrap().remove("spec")));
        assert_violation(&without_spec, "spec", "is required");
    }
}
