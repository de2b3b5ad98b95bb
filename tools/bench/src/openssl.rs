//! Keys from the `openssl` command line, as users make them.

use std::io::Write;
use std::process::{Command, Stdio};

use waflows_key::PublicKey;

use crate::error::Error;

/// An RSA-2048 key pair.
#[derive(Debug)]
pub(crate) struct KeyPair {
    /// PKCS#8 in PEM.
    pub(crate) private_pem: String,
    /// As the status has it.
    pub(crate) fingerprint: String,
}

impl KeyPair {
    /// A new one.
    pub(crate) fn generate() -> Result<Self, Error> {
        let private_pem = openssl("genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048", "")?;
        let fingerprint = PublicKey::from_private_key(private_pem.as_bytes(), None)?.fingerprint().to_string();
        Ok(Self { private_pem, fingerprint })
    }
}

/// Runs `openssl` with the words of `arguments` on `input`, and returns what it prints.
pub(crate) fn openssl(arguments: &str, input: &str) -> Result<String, Error> {
    let line = format!("openssl {arguments}");
    let failed = |complaint: String| Error::Command { line: line.clone(), complaint };
    let run = || {
        let mut child = Command::new("openssl")
            .args(arguments.split(' '))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        child.wait_with_output()
    };
    let output = run().map_err(|error| failed(format!("{error}; install openssl 3 and put it on the PATH")))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    String::from_utf8(output.stdout).map_err(|error| failed(error.to_string()))
}
