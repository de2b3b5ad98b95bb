//! (h) Reading one private key, as OpenSSL writes it.

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::TestKey;
use waflows_key::PublicKey;

use crate::error::Error;
use crate::report::Report;
use crate::world;

pub(super) const PASSPHRASE: &str = "correct-horse-battery-staple";
/// The cost is OpenSSL's default.
pub(super) const SCRYPT: &str = "pkcs8 -topk8 -scrypt";
const TIME: Duration = Duration::from_secs(2);
const MOST: usize = 501;

pub(super) fn run(report: &mut Report) -> Result<(), Error> {
    let key = TestKey::generate();
    let forms = [
        ("PKCS#8, not encrypted", key.private_pem.clone()),
        ("PKCS#8, PBKDF2 with 2,048 rounds, AES-256", encrypted(&key, "pkcs8 -topk8 -v2 aes-256-cbc")?),
        ("PKCS#8, scrypt as openssl has it, AES-256", encrypted(&key, SCRYPT)?),
        ("PKCS#1, DEK-Info AES-128", encrypted(&key, "rsa -traditional -aes128")?),
    ];
    for (name, pem) in forms {
        let mut times = Vec::with_capacity(MOST);
        let start = Instant::now();
        let mut is_right = true;
        while times.len() < MOST && start.elapsed() < TIME {
            let begun = Instant::now();
            let read = PublicKey::from_private_key(black_box(pem.as_bytes()), Some(PASSPHRASE.as_bytes()));
            times.push(begun.elapsed());
            is_right &= black_box(read)?.fingerprint().to_string() == key.fingerprint;
        }
        times.sort_unstable();
        report.figure(name, times[times.len() / 2].as_secs_f64() * 1e6, "µs");
        report.check(format!("{name}: the right key"), true, is_right);
    }
    Ok(())
}

pub(super) fn encrypted(key: &TestKey, command: &str) -> Result<String, Error> {
    let passphrase = format!("pass:{PASSPHRASE}");
    let mut openssl = Command::new("openssl");
    world::run(openssl.args(command.split(' ')).args(["-passout", &passphrase]), &key.private_pem)
}
