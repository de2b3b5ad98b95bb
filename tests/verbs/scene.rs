//! Runs the binary, and compares what it prints with a golden file.

use std::path::Path;
use std::process::Command;

use harness::cluster::create_namespace;
use harness::process::{self, Printed};
use harness::{World, control_plane};
use regex::{Captures, Regex};

use crate::OPERATOR;

/// The numbers of the tests.
pub(crate) const NUMBERS: [&str; 4] = ["106540352242922", "107995438950512", "110200345501442", "108811432100233"];

/// Runs a verb with all rights.
pub(crate) fn verb(arguments: &[&str]) -> Printed {
    verb_as(control_plane().kubeconfig(), arguments)
}

/// Runs a verb with the rights of a kubeconfig.
pub(crate) fn verb_as(kubeconfig: &Path, arguments: &[&str]) -> Printed {
    process::run(Command::new(OPERATOR).args(arguments).env("KUBECONFIG", kubeconfig), "")
}

/// Runs a verb in the namespace of the world.
pub(crate) fn verb_in(world: &World, arguments: &[&str]) -> Printed {
    verb_of(&world.namespace, arguments)
}

/// Runs a verb in a namespace.
pub(crate) fn verb_of(namespace: &str, arguments: &[&str]) -> Printed {
    verb(&[arguments, &["-n", namespace]].concat())
}

/// A world in a namespace with this name, so that golden files do not depend on the order of tests.
pub(crate) async fn world_in(namespace: &str) -> World {
    let mut world = World::new(OPERATOR, &NUMBERS).await;
    create_namespace(&world.client, namespace).await.unwrap();
    world.namespace = namespace.to_owned();
    world.operator = world.launch.start(&world.namespace, &["--wait-scale", "0.02"]);
    world
}

/// Compares a text with a golden file, after everything that differs from run to run was replaced. Lines keep to 100
/// characters.
#[track_caller]
pub(crate) fn assert_golden(name: &str, text: &str) {
    // What other tests make the operators of their own.
    let text = text.split("\nOperator ").next().unwrap_or_default();
    let text = steady(text);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert_file(&format!("tests/verbs/golden/{name}"), &text);
}

/// Compares a text with a file of the repository.
#[track_caller]
pub(crate) fn assert_file(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("WAFLOWS_GENERATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{} differs; WAFLOWS_GENERATE=1 writes it anew:\n{text}", path.display());
}

/// The text without times, Meta's traces and fingerprints.
pub(crate) fn steady(text: &str) -> String {
    let ages = Regex::new(r"\b[0-9]+s(  |)").unwrap();
    let text = ages.replace_all(text, |age: &Captures| match &age[1] {
        "" => "0s".to_owned(),
        _ => format!("{:1$}", "0s", age[0].len()),
    });
    let replaced = [
        (r"\b[0-9]{2}:[0-9]{2}:[0-9]{2}\b", "12:00:00"),
        (r"\bA[0-9A-F]{22}\b", "A0000000000000000000001"),
        (r"\b[0-9a-f]{12}\b", "0123456789ab"),
    ];
    replaced.iter().fold(text.into_owned(), |text, (pattern, with)| {
        Regex::new(pattern).unwrap().replace_all(&text, *with).into_owned()
    })
}
