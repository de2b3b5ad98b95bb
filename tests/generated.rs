//! What is generated from the Rust code is what the repository holds. With `WAFLOWS_GENERATE` set, it is written
//! instead of compared: that is `make generate`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

#[path = "generated/cli.rs"]
mod cli;
#[path = "generated/flags.rs"]
mod flags;
#[path = "generated/reference.rs"]
mod reference;

use std::fmt::Write as _;
use std::path::Path;

use waflows_core::api::conditions::{ReadyEffect, Reason};
use waflows_operator::metrics::catalog::{self, Label, Values};

#[test]
fn crds_are_what_the_types_say() {
    check("crds/flowsencryptionkeys.waflows.dev.yaml", &waflows_core::api::crd::manifest().unwrap());
}

#[test]
fn the_json_schema_is_what_the_types_say() {
    check("docs/schema/flowsencryptionkey.json", &waflows_operator::json_schema::json_schema().unwrap());
}

#[test]
fn docs_list_every_flag() {
    check("docs/flags.md", &flags::page());
}

#[test]
fn docs_list_every_command() {
    check_table("docs/cli.md", "commands", "src/cli", &cli::sections());
}

#[test]
fn docs_describe_every_field() {
    check("docs/reference.md", &reference::page());
}

#[test]
fn docs_list_every_reason() {
    check_table("docs/conditions.md", "reasons", "crates/core/src/api/conditions.rs", &reasons());
}

#[test]
fn docs_list_every_metric() {
    check_table("docs/metrics.md", "metrics", "src/metrics/catalog.rs", &metrics());
}

fn reasons() -> String {
    let mut table = String::from("\n| reason | `Ready` | beside it | meaning and remedy |\n|---|---|---|---|\n");
    for reason in Reason::ALL {
        let (ready, beside) = match reason.ready_effect() {
            // These describe an input or the endpoint, never Ready.
            _ if matches!(reason, Reason::KeyLoaded | Reason::TokenAccepted | Reason::NotAsked) => ("", ""),
            _ if is_of_endpoint_alone(reason) => ("", ""),
            ReadyEffect::Ready => ("True", ""),
            ReadyEffect::Underway => ("Unknown", "Reconciling"),
            ReadyEffect::Waiting => ("False", "Reconciling"),
            ReadyEffect::Stalled => ("False", "Stalled"),
            ReadyEffect::Suspended => ("Unknown", ""),
        };
        writeln!(table, "| `{}` | {ready} | {beside} | {} |", reason.as_str(), reason.doc()).unwrap();
    }
    table.push('\n');
    table
}

/// Whether only `EndpointReady` has this reason. A rotation that the endpoint holds up shows as two of them in `Ready`.
fn is_of_endpoint_alone(reason: &Reason) -> bool {
    reason.as_str().contains("Endpoint") && !matches!(reason, Reason::WaitingForEndpoint | Reason::EndpointLacksKey)
}

fn metrics() -> String {
    let mut table = String::from("\n| name | type | unit | labels | meaning |\n|---|---|---|---|---|\n");
    for metric in catalog::ALL {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{}` {}", label.name, values(label))).collect();
        let (name, kind, unit) = (metric.full_name(), metric.kind(), metric.unit().unwrap_or_default());
        writeln!(table, "| `{name}` | {kind} | {unit} | {} | {} |", labels.join("; "), metric.help).unwrap();
    }
    table.push('\n');
    table
}

fn values(label: &Label) -> String {
    match label.values {
        Values::OneOf(values) => format!("(`{}`)", values().join("`, `")),
        Values::Open(of_what) => of_what.to_owned(),
    }
}

fn check_table(file: &str, what: &str, source: &str, table: &str) {
    let text = read(file);
    let begin = format!("<!-- {what}: written by `make generate` from {source} -->\n");
    let end = format!("<!-- end of {what} -->");
    let (head, rest) = text.split_once(&begin).expect("the mark before the table");
    let (_, tail) = rest.split_once(&end).expect("the mark after the table");
    check(file, &format!("{head}{begin}{table}{end}{tail}"));
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn check(file: &str, generated: &str) {
    if std::env::var_os("WAFLOWS_GENERATE").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), generated).unwrap();
    } else {
        assert!(read(file) == generated, "{file} differs from the code it is made from: run `make generate`");
    }
}
