//! What people and Meta get wrong, each with the message about it: `tests/check/bad-inputs.md`. With
//! `WAFLOWS_GENERATE` set the page is written instead of compared: that is part of `make generate`.

mod cluster;
mod credentials;
mod flags;
mod keys;
mod meta;
mod page;
mod ping;
mod secrets;
mod spec;
mod yaml;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use harness::TOKEN;
use page::{Caught, Row, Section};
use serde_json::{Value, json};

use crate::scene::NUMBERS;
use crate::scene::{Scene, resource_with, token_secret};

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_input_gets_the_words_of_the_table() {
    let sections = [
        Section { title: "Manifests as a text", rows: yaml::rows().await },
        Section { title: "The resource", rows: spec::rows().await },
        Section { title: "Keys", rows: keys::rows().await },
        Section { title: "Tokens and app secrets", rows: credentials::rows().await },
        Section { title: "Secrets", rows: secrets::rows().await },
        Section { title: "Numbers, and what Meta answers", rows: meta::rows().await },
        Section { title: "The cluster", rows: cluster::rows().await },
        Section { title: "Flags", rows: flags::rows() },
        Section { title: "Endpoints", rows: ping::rows().await },
    ];
    let count: usize = sections.iter().map(|section| section.rows.len()).sum();
    assert!(count >= 100, "{count}");
    page::compare(&sections);
}

const FILES: [&str; 2] = ["storefront.yaml", "secrets.yaml"];

impl Scene {
    /// The message about these files of the folder.
    fn judge(&self, input: &str, files: &[&str], flags: &[&str]) -> Row {
        let printed = self.check(files, &[flags, &["-o", "json"]].concat());
        let (caught, message) = match serde_json::from_str::<Value>(&printed.stdout) {
            Ok(report) => verdict(&report),
            Err(_) => (Caught::Check, printed.stderr),
        };
        Row::new(input, caught, &message.replace(&self.path(""), ""))
    }

    /// The message about a resource and its Secrets. Meta is asked.
    fn judge_resource(&self, input: &str, resource: Value, secrets: &[Value], flags: &[&str]) -> Row {
        self.write(FILES[0], &[resource]);
        self.write(FILES[1], secrets);
        self.judge(input, &FILES, flags)
    }

    /// The message about a resource with a key of some kind and a good token. Meta is not asked.
    fn judge_key(&self, input: &str, fields: Value, secrets: &[Value]) -> Row {
        let mut resource = resource_with(&NUMBERS[..1], fields);
        if resource["spec"]["publicKey"].is_string() || resource["spec"]["certificateSecretRef"].is_object() {
            resource["spec"].as_object_mut().unwrap().remove("privateKeySecretRef");
        }
        self.judge_resource(input, resource, &[secrets, &[token_secret(TOKEN)]].concat(), &["--offline"])
    }
}

/// Where it was caught, and what is said: of the manifests, else of the first number.
fn verdict(report: &Value) -> (Caught, String) {
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let problems = report["problems"].as_array().unwrap();
    if !problems.is_empty() {
        // A text that is no YAML has no object in it.
        let is_text = problems.iter().all(|problem| problem["name"].is_null() && problem["path"].is_null());
        // Of two files with the same object the API server takes both, one behind the other.
        let is_twice = problems.iter().any(|problem| text(problem, "message").contains("keep one of the two"));
        let said = |problem: &Value| match is_text {
            true => format!("{}: {}", text(problem, "origin"), text(problem, "message")),
            false => format!("{} {}", text(problem, "path"), text(problem, "message")),
        };
        let caught = if is_text || is_twice { Caught::Check } else { Caught::ApiServer };
        return (caught, problems.iter().map(said).collect::<Vec<_>>().join("; "));
    }
    let numbers = report["resources"][0]["phoneNumbers"].as_array().unwrap();
    let is_fine = report["outcome"] == "Fine" && numbers.iter().all(|number| number["error"].is_null());
    let worst = numbers.iter().find(|number| number["outcome"] == report["outcome"]).unwrap();
    if is_fine { (Caught::Nowhere, String::new()) } else { (Caught::Status, text(worst, "message")) }
}

/// A Secret in the namespace of the resource with one entry.
fn secret_of(name: &str, entry: &str, value: &[u8]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "messaging"},
        "data": {entry: BASE64_STANDARD.encode(value)},
    })
}
