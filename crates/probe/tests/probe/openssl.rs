//! The `openssl` command line.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use waflows_key::PublicKey;

/// A private key, as `openssl genrsa` writes it.
pub(crate) static PRIVATE_KEY: LazyLock<Vec<u8>> = LazyLock::new(|| openssl(&["genrsa", "2048"], b""));
pub(crate) static PUBLIC_KEY: LazyLock<PublicKey> =
    LazyLock::new(|| PublicKey::from_private_key(&PRIVATE_KEY, None).unwrap());

/// Runs openssl with `input` at its standard input. openssl must succeed.
pub(crate) fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut process = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("openssl is needed for this test (apt-get install openssl): {error}"));
    process.stdin.take().unwrap().write_all(input).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
