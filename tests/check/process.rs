//! Runs the binary and looks at what it prints.

use std::path::Path;
use std::process::Command;

use harness::process::Printed;

const OPERATOR: &str = env!("CARGO_BIN_EXE_waflows-operator");
const NO_CLUSTER: &str = "/nonexistent/kubeconfig";

/// Runs the binary without a cluster.
pub(crate) fn run(arguments: &[&str], input: &[u8]) -> Printed {
    run_command(OPERATOR, arguments, input)
}

/// Runs the binary with the cluster of a kubeconfig.
pub(crate) fn run_with(arguments: &[&str], kubeconfig: &Path) -> Printed {
    harness::process::run(Command::new(OPERATOR).args(arguments).env("KUBECONFIG", kubeconfig), "")
}

/// Runs a program without a cluster, with `input` at its standard input.
pub(crate) fn run_command(program: &str, arguments: &[&str], input: &[u8]) -> Printed {
    harness::process::run(Command::new(program).args(arguments).env("KUBECONFIG", NO_CLUSTER), input)
}
