//! The alerts in Prometheus' own engine: each alert fires when it must, and only then.

use serde_json::Value;
use waflows_core::api::conditions::Reason;

use crate::admission::everything;
use crate::chart::Objects;
use crate::cluster::Cluster;
use crate::tools;

/// The rules, as a file that Prometheus reads.
pub(crate) const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/waflows-operator/files/rules.yaml");
const TESTS: [(&str, &str); 6] = [
    (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart/alerts/collapsed.yaml"), include_str!("alerts/collapsed.yaml")),
    (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart/alerts/endpoint.yaml"), include_str!("alerts/endpoint.yaml")),
    (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart/alerts/numbers.yaml"), include_str!("alerts/numbers.yaml")),
    (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart/alerts/operator.yaml"), include_str!("alerts/operator.yaml")),
    (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart/alerts/rotation.yaml"), include_str!("alerts/rotation.yaml")),
    (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart/alerts/token.yaml"), include_str!("alerts/token.yaml")),
];

#[test]
fn the_rules_are_rules() {
    tools::run("promtool", &["check", "rules", "--lint=all", "--lint-fatal", RULES]);
}

#[test]
fn rules_that_values_have_changed_are_rules() {
    let objects = Objects::render(Cluster::shared(), "flows", "messaging", &everything());
    let rules = objects.of_kind("PrometheusRule").next().unwrap();
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(file.path(), rules["spec"].to_string()).unwrap();
    tools::run("promtool", &["check", "rules", "--lint=all", "--lint-fatal", file.path().to_str().unwrap()]);
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    let files = TESTS.map(|(file, _)| file);
    tools::run("promtool", &[["test", "rules"].as_slice(), &files].concat());
}

#[test]
fn every_alert_is_tested_and_says_what_to_do() {
    let runbooks = include_str!("../../docs/runbooks.md");
    for rule in rules() {
        let name = rule["alert"].as_str().unwrap();
        let severity = rule["labels"]["severity"].as_str();
        assert!(matches!(severity, Some("critical" | "warning" | "info")), "{name}: {severity:?}");
        let fires = format!("alertname=\"{name}\", alertstate=\"firing\", severity=\"{}\"", severity.unwrap());
        assert!(TESTS.iter().any(|(_, test)| test.contains(&fires)), "{name} fires in no test");
        assert!(runbooks.contains(&format!("\n## {name}\n")), "{name} has no runbook");
        let annotations = &rule["annotations"];
        assert_eq!(annotations["runbook_url"], format!("docs/runbooks.md#{}", name.to_lowercase()));
        for text in ["summary", "description"] {
            assert!(annotations[text].as_str().is_some_and(|text| !text.is_empty()), "{name} has no {text}");
        }
    }
}

#[test]
fn the_reasons_in_the_rules_are_those_of_the_operator() {
    let known = |reason: &str| Reason::ALL.iter().any(|known| known.as_str() == reason);
    let mut found = 0;
    for rule in rules() {
        let expression = rule["expr"].as_str().unwrap();
        let matchers = expression.split("reason").skip(1).filter_map(|rest| {
            let pattern = ["=\"", "=~\"", "!~\""].iter().find_map(|operator| rest.strip_prefix(operator))?;
            Some(pattern.split_once('"')?.0)
        });
        for reason in matchers.flat_map(|matcher| matcher.split('|')) {
            let known = |reason: &str| match reason.strip_suffix(".*") {
                Some(prefix) => Reason::ALL.iter().any(|known| known.as_str().starts_with(prefix)),
                None => known(reason),
            };
            assert!(known(reason), "{}: there is no reason {reason}", rule["alert"]);
            found += 1;
        }
    }
    assert!(found > 10, "{found} reasons");
}

fn rules() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&std::fs::read_to_string(RULES).unwrap()).unwrap();
    let groups = file["groups"].as_array().unwrap().iter();
    groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}
