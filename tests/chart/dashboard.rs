//! The Grafana dashboard: every query has a result while an operator works.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::alerts::RULES;
use crate::pod::Pod;
use crate::scene::{NUMBER, Scene, wait_until};
use crate::scrape::{Expected, Scrapes};

const DASHBOARD: &str = include_str!("../../charts/waflows-operator/files/dashboard.json");
/// A number that Meta does not know.
const UNKNOWN: &str = "999999999999999";

#[tokio::test(flavor = "multi_thread")]
async fn no_panel_is_empty() {
    let scene = Scene::new().await;
    tokio::task::block_in_place(|| {
        let scrapes = work(&scene, true);
        scrapes.assert_queries(queries(".*", ".*").iter().map(|query| (query.as_str(), Expected::Some)));
        // One resource alone, with what is not about resources beside it.
        let of_one = queries(&scene.namespace, "branch");
        let asked: Vec<_> = of_one.iter().filter(|query| query.contains("branch")).collect();
        assert!(asked.len() > 5, "{asked:?}");
        let is_missing = |query: &str| query.contains("last_check") || query.contains("rotation");
        scrapes.assert_queries(
            asked
                .into_iter()
                .map(|query| (query.as_str(), if is_missing(query) { Expected::None } else { Expected::Some })),
        );
        scrapes.assert_firing(
            RULES,
            &[
                json!({
                    "alertname": "WaflowsPhoneNumberNotValid", "alertstate": "firing", "severity": "warning",
                    "job": "flows", "namespace": scene.namespace, "resource_namespace": scene.namespace,
                    "name": "branch", "state": "Refused",
                }),
                // The chart allows no requests to endpoints by default.
                json!({
                    "alertname": "WaflowsEndpointNotAsked", "alertstate": "firing", "severity": "warning",
                    "job": "flows", "namespace": scene.namespace, "resource_namespace": scene.namespace,
                    "name": "branch", "reason": "EndpointNotAllowed",
                }),
            ],
        );
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_about_single_resources_is_empty_without_their_series() {
    let scene = Scene::new().await;
    tokio::task::block_in_place(|| {
        let scrapes = work(&scene, false);
        let queries = queries(".*", ".*");
        scrapes.assert_queries(queries.iter().map(|query| {
            let of_one = ["waflows_resource_ready", "waflows_resource_endpoint_ready", "waflows_resource_available"];
            let is_of_one = of_one.iter().any(|metric| query.contains(metric));
            (query.as_str(), if is_of_one { Expected::None } else { Expected::Some })
        }));
        scrapes.assert_firing(
            RULES,
            &[json!({
                "alertname": "WaflowsPhoneNumberNotValid", "alertstate": "firing", "severity": "warning",
                "job": "flows", "namespace": scene.namespace, "state": "Refused",
            })],
        );
    });
}

/// A replica that works, with a number that is kept valid and one that Meta refuses, and one that stands by.
fn work(scene: &Scene, per_resource: bool) -> Scrapes {
    scene.add_resource_with_endpoint("branch", &[UNKNOWN]);
    scene.add_resource_with_rotation("storefront", &[NUMBER]);
    let values = json!({"scopedNamespaces": [scene.namespace], "metrics": {"perResource": per_resource}});
    let objects = scene.render(values);
    scene.install(&objects);
    let leader = scene.start(&objects, "flows-0");
    scene.wait_ready(&leader);
    let standby = scene.start(&objects, "flows-1");
    wait_until(&standby, "serving", || standby.page("/readyz").is_some_and(|(status, _)| status == 200));
    wait_until(&leader, "refused", || {
        scene.cluster.get(&scene.namespace, &["fek", "branch"])["status"]["phoneNumbers"][0]["state"] == "Refused"
    });
    let mut scrapes = Scrapes::default();
    scrapes.add(&scene.namespace, &[&leader, &standby]);
    for _ in 0..4 {
        rotate(scene, &leader);
        scrapes.add(&scene.namespace, &[&leader, &standby]);
    }
    scrapes
}

fn rotate(scene: &Scene, pod: &Pod) {
    let uploads = || scene.emulator.calls_to(NUMBER).uploads;
    let before = uploads();
    scene.set_key();
    wait_until(pod, "uploaded", || uploads() > before);
    scene.wait_ready(pod);
}

#[test]
fn the_dashboard_is_well_formed() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    assert_eq!(dashboard["uid"], "waflows-operator");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<_> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "job", "namespace", "name"]);
    for variable in &variables[1..] {
        // Series of all resources together have no name, which a list of all names would leave out.
        assert_eq!((&variable["includeAll"], &variable["allValue"]), (&json!(true), &json!(".*")), "{variable}");
    }
    let (mut ids, mut cells) = (HashSet::new(), HashSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is taken");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(x + w <= 24, "{title} is too wide");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{title} lies on another panel");
        }
        if panel["type"] != "row" {
            assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{title} has no description");
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            }
        }
    }
}

/// The queries of all panels, as Grafana sends them with these variables.
fn queries(namespace: &str, name: &str) -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries = targets.map(|target| {
        let query = target["expr"].as_str().unwrap();
        let variables = [("$__rate_interval", "20m"), ("$job", "flows"), ("$namespace", namespace), ("$name", name)];
        let query = variables.iter().fold(query.to_owned(), |query, (name, value)| query.replace(name, value));
        assert!(!query.contains('$'), "{query}");
        query
    });
    queries.collect()
}
