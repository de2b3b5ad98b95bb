//! Fixtures from the `openssl` command line.

use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::thread;

/// The passphrase of every encrypted fixture.
pub(crate) const PASSPHRASE: &[u8] = b"correct horse";

/// The key pair of most fixtures, as `openssl genrsa` writes it.
pub(crate) static KEY: LazyLock<Vec<u8>> = LazyLock::new(|| openssl("genrsa 2048", b""));

/// Another key pair.
pub(crate) static OTHER_KEY: LazyLock<Vec<u8>> = LazyLock::new(|| openssl("genrsa 2048", b""));

/// A key of an unsupported algorithm.
pub(crate) static DSA_KEY: LazyLock<Vec<u8>> = LazyLock::new(|| openssl("dsaparam -genkey -noout 1024", b""));

/// A self-signed certificate for [`KEY`].
pub(crate) static CERTIFICATE: LazyLock<Vec<u8>> =
    LazyLock::new(|| openssl("req -x509 -key /dev/stdin -subj /CN=flows.example -days 1", &KEY));

/// The public half of [`KEY`].
pub(crate) static PUBLIC: LazyLock<String> = LazyLock::new(|| text(openssl("pkey -pubout", &KEY)));

/// Runs `openssl` with the words of `arguments` on `input`; `PASS` stands for the passphrase.
pub(crate) fn openssl(arguments: &str, input: &[u8]) -> Vec<u8> {
    let passphrase = format!("pass:{}", std::str::from_utf8(PASSPHRASE).unwrap());
    let arguments = arguments.split(' ').map(|word| if word == "PASS" { &passphrase } else { word });
    let mut child = match Command::new("openssl")
        .args(arguments.clone())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => panic!(
            "these tests make their keys with OpenSSL 3: install the package `openssl` (Debian, \
             Ubuntu: `apt install openssl`; Fedora: `dnf install openssl`; macOS: `brew install \
             openssl@3`) and put it on the PATH"
        ),
        Err(error) => panic!("starting openssl: {error}"),
    };
    let mut stdin = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        // The program may end without reading all of its input, for example `genrsa`.
        scope.spawn(move || stdin.write_all(input).ok());
        child.wait_with_output().expect("openssl runs")
    });
    let arguments: Vec<&str> = arguments.collect();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {complaints}");
    output.stdout
}

/// The fingerprint of a public key in PEM, computed with the command from the documentation.
pub(crate) fn fingerprint(public_key: &str) -> String {
    let der = openssl("pkey -pubin -outform DER", public_key.as_bytes());
    let answer = text(openssl("dgst -sha256 -r", &der));
    format!("sha256:{}", answer.split_whitespace().next().unwrap())
}

/// The fingerprint of the public half of [`KEY`].
pub(crate) fn key_fingerprint() -> &'static str {
    static FINGERPRINT: LazyLock<String> = LazyLock::new(|| fingerprint(&PUBLIC));
    &FINGERPRINT
}

/// Runs `make` for every item at once.
pub(crate) fn in_parallel<T: Sync, R: Send>(items: &[T], make: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let make = &make;
    thread::scope(|scope| {
        let threads: Vec<_> = items.iter().map(|item| scope.spawn(move || make(item))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// The bytes as text.
pub(crate) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}
