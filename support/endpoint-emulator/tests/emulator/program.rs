//! The program.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use harness::process::run;
use waflows_core::endpoint::ProbeOutcome::Proven;

use crate::{FIRST_KEY, ask};

#[tokio::test]
async fn it_prints_its_urls_serves_and_stops_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("private.pem");
    std::fs::write(&key, &*FIRST_KEY).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_endpoint-emulator"))
        .args(["--port", "0", "--replicas", "2", "--key"])
        .arg(key)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(program.stdout.take().unwrap());
    let urls: Vec<_> = output.lines().take(2).map(Result::unwrap).collect();
    for url in &urls {
        assert_eq!(ask(url, &FIRST_KEY, None).await, Proven);
    }
    let kill = Command::new("kill").arg(program.id().to_string()).status();
    assert!(kill.unwrap().success());
    assert!(program.wait().unwrap().success());
}

#[test]
fn it_says_what_is_wrong() {
    let printed = run(Command::new(env!("CARGO_BIN_EXE_endpoint-emulator")).args(["--key", "/nonexistent"]), "");
    assert!(!printed.is_success());
    assert!(printed.stderr.starts_with("endpoint-emulator: /nonexistent: "), "{printed:?}");
}
