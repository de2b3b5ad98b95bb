//! How a control plane begins and ends: its programs, its ports, its processes and its folder.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use control_plane::{ControlPlane, tool};
use rustix::process::{Pid, test_kill_process};

const BINARY: &str = env!("CARGO_BIN_EXE_control-plane");

fn runs(process_id: u32) -> bool {
    let process_id = Pid::from_raw(process_id.try_into().unwrap()).unwrap();
    test_kill_process(process_id).is_ok()
}

/// The binary with a started control plane.
struct Started {
    process: Child,
    process_ids: Vec<u32>,
    folder: PathBuf,
}

fn start_binary(command: &mut Command) -> Started {
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut kubeconfig = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut kubeconfig).unwrap();
    let stderr = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
    let process_ids =
        stderr.filter_map(|line| line.split_once(" is process ")?.1.split_once(',')?.0.parse().ok()).take(3).collect();
    let folder = Path::new(kubeconfig.trim_end()).parent().unwrap().to_owned();
    Started { process, process_ids, folder }
}

fn assert_gone(process_ids: &[u32], folder: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while folder.exists() || process_ids.iter().any(|id| runs(*id)) {
        assert!(Instant::now() < deadline, "{process_ids:?} still run or {} is still there", folder.display());
        thread::sleep(Duration::from_millis(10));
    }
}

fn write_program(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    fs::write(&path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn nothing_is_left_after_drop() {
    let cluster = ControlPlane::start().unwrap();
    let folder = cluster.data_dir().to_owned();
    let process_ids: Vec<_> = cluster.process_ids().into_iter().map(|(_, id)| id).collect();
    assert_eq!(process_ids.len(), 3);
    assert!(folder.exists() && process_ids.iter().all(|id| runs(*id)));
    drop(cluster);
    assert!(!folder.exists() && !process_ids.iter().any(|id| runs(*id)));
}

#[test]
fn nothing_is_left_after_the_process_was_killed() {
    let mut started = start_binary(&mut Command::new(BINARY));
    assert_eq!(started.process_ids.len(), 3);
    assert!(started.folder.exists() && started.process_ids.iter().all(|id| runs(*id)));
    started.process.kill().unwrap();
    started.process.wait().unwrap();
    assert_gone(&started.process_ids, &started.folder);
}

#[test]
fn the_binary_ends_with_its_standard_input() {
    let mut started = start_binary(&mut Command::new(BINARY));
    drop(started.process.stdin.take());
    assert!(started.process.wait().unwrap().success());
    assert!(!started.folder.exists() && !started.process_ids.iter().any(|id| runs(*id)));
}

#[test]
fn a_missing_program_is_named_with_the_remedy() {
    let empty = tempfile::tempdir().unwrap();
    let output =
        Command::new(BINARY).env("WAFLOWS_TOOLS_DIR", empty.path()).env_remove("KUBEBUILDER_ASSETS").output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("etcd is missing, run `make tools` to build it"), "{message}");
    assert!(!output.status.success());
}

#[test]
fn a_server_that_ends_is_reported_with_its_log() {
    let assets = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    write_program(assets.path(), "etcd", "#!/bin/sh\necho the disk is full; exit 1\n");
    let output =
        Command::new(BINARY).env("KUBEBUILDER_ASSETS", assets.path()).env("TMPDIR", temporary.path()).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("etcd ended while it should run"), "{message}");
    assert!(message.contains("the disk is full"), "{message}");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn a_port_that_was_taken_meanwhile_is_given_up_for_another() {
    let assets = tempfile::tempdir().unwrap();
    let script = format!(
        "#!/bin/sh\n\
         here=$(dirname \"$0\")\n\
         [ -e \"$here/tried\" ] && exec '{}' \"$@\"\n\
         touch \"$here/tried\"\n\
         echo 'listen tcp 127.0.0.1:2379: bind: address already in use'\n\
         exit 1\n",
        tool("etcd").unwrap().display()
    );
    write_program(assets.path(), "etcd", &script);
    let mut started = start_binary(Command::new(BINARY).env("KUBEBUILDER_ASSETS", assets.path()));
    assert!(assets.path().join("tried").exists());
    assert!(started.folder.exists());
    drop(started.process.stdin.take());
    assert!(started.process.wait().unwrap().success());
}
