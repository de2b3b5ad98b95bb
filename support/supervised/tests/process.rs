//! How a supervised program ends, and what it finds in its environment.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

use std::ffi::OsStr;
use std::path::Path;

use supervised::Process;

/// A shell that runs this script.
fn shell(script: &str) -> Process {
    Process::start(Path::new("/bin/sh"), ["-c", script], &[]).unwrap()
}

#[test]
fn the_exit_code_is_the_program_s_own() {
    assert_eq!(shell("exit 7").wait().unwrap().code(), Some(7));
}

#[test]
fn waiting_does_not_end_the_program() {
    let mut process = shell("sleep 0.3; echo done >&2");
    assert!(process.wait().unwrap().success());
    assert_eq!(process.log_tail(), "done");
}

#[test]
fn a_killed_program_is_gone_and_may_be_killed_again() {
    let mut process = shell("trap '' TERM; while :; do sleep 0.01; done");
    process.kill().unwrap();
    assert!(process.ended().unwrap().is_some());
    process.kill().unwrap();
}

#[test]
fn a_clean_environment_has_nothing_of_this_process() {
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "cargo sets this variable for every test");
    let variables = [("GIVEN", OsStr::new("to it"))];
    let mut process = Process::start_clean(Path::new("/usr/bin/env"), [""; 0], &variables).unwrap();
    assert!(process.wait().unwrap().success());
    let log = process.log_tail();
    assert!(log.lines().any(|line| line == "GIVEN=to it"), "{log}");
    assert!(!log.contains("CARGO"), "{log}");
}
