//! The programs and files that the chart's tests have from Go modules.

use std::process::Command;

use harness::process::{self, Printed};
use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart/tools");

/// Runs one of the tools, which must succeed. The first run builds it.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Printed {
    let printed = process::run(Command::new(format!("{FOLDER}/run")).arg(name).args(arguments), "");
    assert!(printed.is_success(), "{name} {}:\n{}{}", arguments.join(" "), printed.stdout, printed.stderr);
    printed
}

/// The folder with the definitions of the Prometheus Operator, such as that of ServiceMonitor. The first call downloads it.
pub(crate) fn prometheus_operator_definitions() -> String {
    let module = "github.com/prometheus-operator/prometheus-operator";
    let mut download = Command::new("go");
    download.current_dir(format!("{FOLDER}/prometheus-operator")).args(["mod", "download", "-json", module]);
    let printed = process::output(download.env("GOWORK", "off").env("GOFLAGS", "-mod=readonly"), "");
    let module: Value = serde_json::from_str(&printed).unwrap();
    format!("{}/example/prometheus-operator-crd", module["Dir"].as_str().unwrap())
}
