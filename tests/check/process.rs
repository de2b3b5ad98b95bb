//! Runs the binary and looks at what it prints.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a process printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

const OPERATOR: &str = env!("CARGO_BIN_EXE_waflows-operator");
const NO_CLUSTER: &str = "/nonexistent/kubeconfig";

/// Runs the binary without a cluster.
pub(crate) fn run(arguments: &[&str], input: &[u8]) -> Printed {
    run_command(OPERATOR, arguments, input)
}

/// Runs the binary with the cluster of a kubeconfig.
pub(crate) fn run_with(arguments: &[&str], kubeconfig: &Path) -> Printed {
    spawn(OPERATOR, arguments, b"", kubeconfig)
}

/// Runs a program with `input` at its standard input.
pub(crate) fn run_command(program: &str, arguments: &[&str], input: &[u8]) -> Printed {
    spawn(program, arguments, input, Path::new(NO_CLUSTER))
}

fn spawn(program: &str, arguments: &[&str], input: &[u8], kubeconfig: &Path) -> Printed {
    let mut process = Command::new(program)
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed for this test (apt-get install {program}): {error}"));
    let mut stdin = process.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // It may end without reading all of its input.
        scope.spawn(move || stdin.write_all(input).ok());
        process.wait_with_output().unwrap()
    });
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Printed { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs openssl, which must succeed.
pub(crate) fn openssl(arguments: &[&str], input: &[u8]) -> String {
    let printed = run_command("openssl", arguments, input);
    assert_eq!(printed.code, 0, "openssl {arguments:?}: {}", printed.stderr);
    printed.stdout
}
