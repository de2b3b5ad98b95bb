//! The schema of the values: it describes every value, and knows those of values.yaml and the earlier names, and no others.

use serde_json::{Value, json};

use crate::chart::Objects;
use crate::cluster::Cluster;

const SCHEMA: &str = include_str!("../../charts/waflows-operator/values.schema.json");
const VALUES: &str = include_str!("../../charts/waflows-operator/values.yaml");
/// Values that values.yaml does not have: an earlier name each, and what a chart with this chart as a dependency sets.
const NOT_IN_VALUES: [&str; 6] =
    ["enabled", "scopedNamespaces", "selector", "serviceMonitor", "prometheusRule", "grafanaDashboard"];

#[test]
fn every_value_has_a_description() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut undescribed = Vec::new();
    look_for_undescribed(&schema, "", &mut undescribed);
    assert_eq!(undescribed, [""; 0]);
}

fn look_for_undescribed(schema: &Value, path: &str, undescribed: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                for (property, schema) in value.as_object().into_iter().flatten().filter(|_| name == "properties") {
                    if schema["description"].as_str().is_none_or(|text| !text.ends_with('.')) {
                        undescribed.push(format!("{path}/{property}"));
                    }
                }
                look_for_undescribed(value, &format!("{path}/{name}"), undescribed);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| look_for_undescribed(item, path, undescribed)),
        _ => {}
    }
}

#[test]
fn it_knows_the_values_and_no_others() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let values: Value = serde_saphyr::from_str(VALUES).unwrap();
    compare(&schema, &values, "");
}

/// Where the schema lists properties, values.yaml has the same.
fn compare(schema: &Value, values: &Value, path: &str) {
    let (Some(properties), Some(values)) = (schema["properties"].as_object(), values.as_object()) else { return };
    for (name, value) in values {
        let schema = properties.get(name).unwrap_or_else(|| panic!("the schema lacks {path}{name}"));
        compare(schema, value, &format!("{path}{name}."));
    }
    for name in properties.keys().filter(|name| !(path.is_empty() && NOT_IN_VALUES.contains(&name.as_str()))) {
        // An object that users fill, such as resources, is empty or partial in values.yaml.
        let is_users = ["resources.", "dnsConfig.", "strategy.", "livenessProbe.", "readinessProbe."].contains(&path);
        assert!(values.contains_key(name) || is_users, "values.yaml lacks {path}{name}");
    }
}

#[test]
fn earlier_names_do_what_the_names_of_today_do() {
    let monitor = json!({"enabled": true, "interval": "30s"});
    let rule = json!({"enabled": true, "runbookUrl": "https://wiki.example.com/flows"});
    let dashboard = json!({"enabled": true, "labels": {"dashboards": "yes"}});
    let render = |values: Value| Objects::render(Cluster::shared(), "flows", "messaging", &values).0;
    let earlier = render(json!({
        "scopedNamespaces": ["shop"], "selector": "a=b",
        "serviceMonitor": monitor, "prometheusRule": rule, "grafanaDashboard": dashboard,
    }));
    let today = render(json!({
        "watch": {"namespaces": ["shop"], "selector": "a=b"},
        "metrics": {"serviceMonitor": monitor, "prometheusRule": rule, "dashboard": dashboard},
    }));
    assert_eq!(earlier, today);
    assert!(today.len() > 10, "{}", today.len());
}
