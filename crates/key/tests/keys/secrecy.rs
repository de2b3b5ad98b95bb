//! No output contains a byte of a private key.

use std::collections::HashSet;

use waflows_key::{Fingerprint, KeyError, PublicKey};

use crate::openssl::{KEY, PASSPHRASE, openssl, text};

/// Length of a base64 or hexadecimal text that does not occur by chance.
const TELLING: usize = 8;

#[test]
fn errors_and_debug_output_show_nothing_of_the_value() {
    let plain = text(openssl("rsa -traditional", &KEY));
    let encrypted = text(openssl("rsa -traditional -aes256 -passout PASS", &KEY));
    let hex = hexadecimal(&openssl("rsa -traditional -outform DER", &KEY));
    let bodies = [&plain, &encrypted, &hex].map(|file| body(file));
    let secrets: HashSet<&[u8]> = bodies.iter().flat_map(|body| body.as_bytes().windows(TELLING)).collect();
    for damage in [damages(&plain), damages(&encrypted)].concat() {
        let printed = printed(damage.as_bytes());
        for piece in printed.as_bytes().windows(TELLING) {
            assert!(!secrets.contains(piece), "{} in {printed}", String::from_utf8_lossy(piece));
        }
        assert!(!printed.contains(std::str::from_utf8(PASSPHRASE).unwrap()));
    }
}

/// Variants of the value: damaged in every line, as text, and as other kinds of files.
fn damages(pem: &str) -> Vec<String> {
    let lines: Vec<&str> = pem.lines().collect();
    let mut damages = vec![pem.to_owned(), pem.replace("-----", ""), pem.replace("DEK-Info: ", "DEK-Info:")];
    for at in 0..lines.len() {
        let without: Vec<&str> = [&lines[..at], &lines[at + 1..]].concat();
        damages.push(without.join("\n"));
        damages.push(lines[..at].join("\n"));
        damages.push(lines[at..].join("\n"));
        let mut spoilt = lines.clone();
        spoilt.insert(at, "!");
        damages.push(spoilt.join("\n"));
        // A header whose value is a part of the key.
        damages.push(pem.replacen(lines[at], &format!("DEK-Info: {}", lines[at]), 1));
    }
    damages
}

/// All outputs of the module about a value.
fn printed(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let results: [Result<PublicKey, KeyError>; 4] = [
        PublicKey::from_private_key(value, None),
        PublicKey::from_private_key(value, Some(PASSPHRASE)),
        PublicKey::from_certificate(value),
        PublicKey::from_public_key(&text),
    ];
    let fingerprint = Fingerprint::of_reported_pem(&text);
    let errors: Vec<String> =
        results.iter().filter_map(|result| result.as_ref().err()).map(|error| format!("{error} {error:?}")).collect();
    // A usable key prints its public half, which the private key file also contains.
    format!("{errors:?} {fingerprint:?}")
}

/// The lines of a file that contain the key, without line breaks.
fn body(file: &str) -> String {
    file.lines().filter(|line| !line.starts_with('-') && !line.contains(':')).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
