//! Tests of field types that the spec does not use today, and of the supported schema keywords.

use serde_json::json;

use super::*;

/// The errors of a value, according to this schema.
fn found(schema: Value, value: &Value) -> Vec<(String, String)> {
    let schema: JSONSchemaProps = serde_json::from_value(schema).unwrap();
    let mut findings = Findings::default();
    findings.value(&schema, value, "field");
    findings.violations.into_iter().map(|violation| (violation.path, violation.message)).collect()
}

fn good(schema: Value, value: &Value) {
    assert_eq!(found(schema, value), []);
}

#[track_caller]
fn bad(schema: Value, value: &Value, path: &str, message: &str) {
    assert_eq!(found(schema, value), [(path.to_owned(), message.to_owned())]);
}

#[test]
fn numbers_are_taken_within_their_bounds() {
    let integer = json!({"type": "integer", "minimum": 1, "maximum": 10});
    good(integer.clone(), &json!(1));
    good(integer.clone(), &json!(10.0));
    bad(integer.clone(), &json!(0), "field", "must be at least 1");
    bad(integer.clone(), &json!(11), "field", "must be at most 10");
    bad(integer.clone(), &json!(1.5), "field", "must be of type integer, not a number");
    bad(integer, &json!("1"), "field", "must be of type integer, not a string");
    good(json!({"type": "number"}), &json!(1.5));
    bad(json!({"type": "number"}), &json!(true), "field", "must be of type number, not a boolean");
}

#[test]
fn maps_are_taken_with_values_of_their_kind() {
    let map = json!({"type": "object", "additionalProperties": {"type": "string", "maxLength": 2}});
    good(map.clone(), &json!({"one": "1", "two": "2"}));
    bad(map.clone(), &json!({"one": 1}), "field.one", "must be of type string, not an integer: put it in quotes");
    bad(map, &json!({"one": "123"}), "field.one", "must have at most 2 characters, not 3");
    let open = json!({"type": "object", "additionalProperties": true});
    good(open, &json!({"one": 1}));
    let closed = json!({"type": "object", "additionalProperties": false});
    bad(closed, &json!({"one": 1}), "field.one", "is an unknown field");
    let preserving = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true,
        "properties": {"known": {"type": "string"}}});
    good(preserving.clone(), &json!({"one": 1}));
    bad(preserving, &json!({"known": []}), "field.known", "must be of type string, not a list");
    let counted = json!({"type": "object", "additionalProperties": true, "minProperties": 1, "maxProperties": 2});
    bad(counted, &json!({}), "field", "must have 1 to 2 fields, not 0");
}

#[test]
fn an_integer_or_string_is_either() {
    let either = json!({"x-kubernetes-int-or-string": true, "pattern": "^[0-9]+%?$"});
    good(either.clone(), &json!(25));
    good(either.clone(), &json!("25%"));
    bad(either.clone(), &json!("a quarter"), "field", "must match ^[0-9]+%?$");
    bad(either, &json!(true), "field", "must be of type integer or string, not a boolean");
    good(json!({"x-kubernetes-preserve-unknown-fields": true}), &json!([{"any": "thing"}]));
}

/// An unsupported keyword would be ignored. Then a valid manifest could be refused, or an invalid manifest accepted.
#[test]
fn the_definition_uses_no_keyword_that_is_not_understood() {
    const UNDERSTOOD: [&str; 20] = [
        "additionalProperties",
        "default",
        "description",
        "enum",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "nullable",
        "pattern",
        "properties",
        "required",
        "type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-preserve-unknown-fields",
    ];
    // For lists only the type `set` is checked. The CEL walker checks the rules.
    const OTHERS: [&str; 4] =
        ["x-kubernetes-list-type", "x-kubernetes-map-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations"];
    fn look(schema: &Value) {
        for (keyword, value) in schema.as_object().unwrap() {
            assert!(
                UNDERSTOOD.contains(&keyword.as_str()) || OTHERS.contains(&keyword.as_str()),
                "{keyword}: {schema}"
            );
            match keyword.as_str() {
                "properties" => value.as_object().unwrap().values().for_each(look),
                "items" => look(value),
                "additionalProperties" if value.is_object() => look(value),
                _ => {}
            }
        }
    }
    look(&SCHEMA.1["properties"]["spec"]);
}
