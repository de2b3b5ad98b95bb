//! The code that decides has no effects. The core, and the crates of keys and probes, have no client, no runtime and no
//! HTTP among their dependencies, and know no credential type. Cargo's list of dependencies proves this.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

use std::process::Command;

/// Crates that would let a decision act on the outside.
const OUTSIDE: [&str; 10] = [
    "axum",
    "hyper",
    "kube",
    "kube-client",
    "kube-runtime",
    "opentelemetry",
    "reqwest",
    "secrecy",
    "tokio",
    "tracing-subscriber",
];

/// The crates that `package` is built from, itself included.
fn dependencies(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--package", package])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn what_decides_cannot_reach_the_outside() {
    for package in ["waflows-core", "waflows-key", "waflows-probe"] {
        let found = dependencies(package);
        assert!(found.iter().any(|name| name == package), "cargo tree names the package itself: {found:?}");
        let outside: Vec<_> = found.iter().filter(|name| OUTSIDE.contains(&name.as_str())).collect();
        assert!(outside.is_empty(), "{package} must not depend on {outside:?}");
    }
}

#[test]
fn the_operator_reaches_the_outside() {
    let found = dependencies("waflows-operator");
    for name in ["kube-client", "reqwest", "secrecy", "tokio"] {
        assert!(found.iter().any(|found| found == name), "the test above would not notice {name}");
    }
}
