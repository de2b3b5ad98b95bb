//! The programs and files that the chart's tests have from Go modules.

use std::process::Command;

use serde_json::Value;

use crate::cluster::{Printed, run as run_command};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart/tools");

/// Runs one of the tools, which must succeed. The first run builds it.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Printed {
    let printed = run_command(Command::new(format!("{FOLDER}/run")).arg(name).args(arguments), "");
    assert!(printed.success, "{name} {}:\n{}{}", arguments.join(" "), printed.stdout, printed.stderr);
    printed
}

/// The folder with the definitions of the Prometheus Operator, such as that of ServiceMonitor. The first call downloads it.
pub(crate) fn prometheus_operator_definitions() -> String {
    let module = "github.com/prometheus-operator/prometheus-operator";
    let mut download = Command::new("go");
    download.current_dir(format!("{FOLDER}/prometheus-operator")).args(["mod", "download", "-json", module]);
    let output = download.env("GOWORK", "off").env("GOFLAGS", "-mod=readonly").output().unwrap_or_else(|error| {
        panic!("{download:?}: {error}; install Go from https://go.dev/dl/ and put it on the PATH")
    });
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{module} cannot be downloaded: {printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let module: Value = serde_json::from_str(&printed).unwrap();
    format!("{}/example/prometheus-operator-crd", module["Dir"].as_str().unwrap())
}
