//! The program.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::{answer, client};

#[tokio::test]
async fn it_prints_its_url_serves_and_stops_on_sigterm() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_graph-emulator"))
        .args(["--listen", "127.0.0.1:0", "--token", "a", "--number", "1", "--number", "2"])
        .args(["--response-shape", "flat", "--latency", "1ms"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut base_url = String::new();
    let mut output = BufReader::new(program.stdout.take().unwrap());
    output.read_line(&mut base_url).unwrap();
    let url = format!("{}/v25.0/2/whatsapp_business_encryption", base_url.trim());
    let (status, body) = answer(client().get(url).bearer_auth("a")).await;
    assert_eq!((status.as_u16(), body), (200, json!({})));

    let kill = Command::new("kill").arg(program.id().to_string()).status();
    assert!(kill.unwrap().success());
    assert!(program.wait().unwrap().success());
}

#[test]
fn it_says_what_is_wrong() {
    let output = Command::new(env!("CARGO_BIN_EXE_graph-emulator"))
        .args(["--listen", "127.0.0.1:0", "--latency=-1s"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(message, "graph-emulator: --latency must not be negative\n");
}
