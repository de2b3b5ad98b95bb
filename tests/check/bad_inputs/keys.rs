//! Values that are no key, or none that WhatsApp Flows takes.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use harness::process::openssl;
use serde_json::{Value, json};

use super::page::{Caught, Row};
use super::{Scene, secret_of};
use crate::process::run;
use crate::scene::{PRIVATE_KEY, PUBLIC_KEY};

pub(super) async fn rows() -> Vec<Row> {
    let scene = Scene::new().await;
    let mut rows = Vec::new();
    for (input, value) in texts().into_iter().chain(keys(&scene)) {
        rows.push(scene.judge_key(input, json!({}), &[secret_of("flows-key", "private.pem", &value)]));
    }
    rows.extend(passphrases(&scene));
    rows.extend(misplaced(&scene));
    rows.extend(inspected(&scene));
    rows
}

fn pem(arguments: &[&str]) -> Vec<u8> {
    openssl(arguments, PRIVATE_KEY.as_bytes()).into_bytes()
}

fn certificate() -> String {
    openssl(&["req", "-x509", "-key", "/dev/stdin", "-subj", "/CN=flows"], PRIVATE_KEY.as_bytes())
}

/// What openssl writes into a file that is no text.
fn der(scene: &Scene, arguments: &[&str], input: &str) -> Vec<u8> {
    let file = scene.path("out.der");
    openssl(&[arguments, &["-out", &file]].concat(), input.as_bytes());
    std::fs::read(file).unwrap()
}

/// Texts and bytes that hold no key, or hide it.
fn texts() -> Vec<(&'static str, Vec<u8>)> {
    let key = PRIVATE_KEY.as_str();
    let half = &key[..key.len() / 2];
    vec![
        ("empty", Vec::new()),
        ("nothing but line breaks", b"\n\n".to_vec()),
        ("cut off in the middle", half.into()),
        ("without its END line", key.replace("-----END PRIVATE KEY-----\n", "").into()),
        ("without its BEGIN line", key.replace("-----BEGIN PRIVATE KEY-----\n", "").into()),
        ("dashes made long by a word processor", key.replace("-----", "—").into()),
        ("a letter in it changed", key.replacen("M", "?", 8).into()),
        ("line breaks written as \\n", key.replace('\n', "\\n").into()),
        ("in base64 once too often", BASE64_STANDARD.encode(key).into()),
        ("in JSON", json!({ "private_key": key }).to_string().into()),
        ("in quotes", format!("\"{key}\"").into()),
        (
            "UTF-16, as PowerShell writes it",
            [0xFF, 0xFE].into_iter().chain(key.encode_utf16().flat_map(u16::to_le_bytes)).collect(),
        ),
        ("two keys, one behind the other", [key, &openssl(&["genrsa", "2048"], b"")].concat().into()),
        ("the name of the file", b"private.pem".to_vec()),
        ("a password", b"correct horse battery staple".to_vec()),
        ("binary data", (0..=255).collect()),
        ("70,000 bytes", vec![b'a'; 70_000]),
        ("encrypted by SOPS", b"ENC[AES256_GCM,data:abc,iv:def,tag:ghi,type:str]".to_vec()),
        ("a JSON Web Key", br#"{"kty": "RSA", "n": "abc", "e": "AQAB"}"#.to_vec()),
        (
            "OpenSSH's own format",
            b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
                .to_vec(),
        ),
    ]
}

/// Keys of another kind.
fn keys(scene: &Scene) -> Vec<(&'static str, Vec<u8>)> {
    let made = |arguments: &[&str]| openssl(arguments, b"").into_bytes();
    let with_certificate = [PRIVATE_KEY.as_str(), &certificate()].concat();
    let pkcs12 = der(scene, &["pkcs12", "-export", "-passout", "pass:x"], &with_certificate);
    let parameters = openssl(&["dsaparam", "1024"], b"");
    vec![
        ("a public key", PUBLIC_KEY.clone().into()),
        ("a certificate", certificate().into()),
        ("a PKCS#12 archive", pkcs12),
        ("an RSA key of 1024 bits", made(&["genrsa", "1024"])),
        ("an RSA key of 4096 bits", made(&["genrsa", "4096"])),
        ("an elliptic curve key", made(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"])),
        ("an Ed25519 key", made(&["genpkey", "-algorithm", "ed25519"])),
        ("a DSA key", openssl(&["gendsa", "/dev/stdin"], parameters.as_bytes()).into()),
    ]
}

/// Keys that their passphrase does not open.
fn passphrases(scene: &Scene) -> Vec<Row> {
    let encrypted = pem(&["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:right"]);
    let legacy = pem(&["rsa", "-traditional", "-aes256", "-passout", "pass:right"]);
    let old = pem(&["pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES", "-passout", "pass:right"]);
    let reference = json!({"passphraseSecretRef": {"name": "passphrase", "key": "value"}});
    let row = |input: &str, key: &[u8], passphrase: Option<&[u8]>| {
        let fields = if passphrase.is_some() { reference.clone() } else { json!({}) };
        let passphrase = passphrase.map(|passphrase| secret_of("passphrase", "value", passphrase));
        let secrets: Vec<_> = [secret_of("flows-key", "private.pem", key)].into_iter().chain(passphrase).collect();
        scene.judge_key(input, fields, &secrets)
    };
    vec![
        row("encrypted, no passphrase", &encrypted, None),
        row("encrypted, wrong passphrase", &encrypted, Some(b"wrong")),
        row("encrypted, empty passphrase", &encrypted, Some(b"")),
        row("encrypted, passphrase in quotes", &encrypted, Some(b"\"right\"")),
        row("encrypted in OpenSSL 1.1's way, wrong passphrase", &legacy, Some(b"wrong")),
        row("encrypted with a cipher of the nineties", &old, Some(b"right")),
        row("scrypt of 266 MB", &costly(scene), Some(b"right")),
        row("not encrypted, with a passphrase", PRIVATE_KEY.as_bytes(), Some(b"right")),
    ]
}

/// A key whose scrypt asks for 128 · 16384 · 127 bytes.
fn costly(scene: &Scene) -> Vec<u8> {
    let arguments = ["pkcs8", "-topk8", "-scrypt", "-passout", "pass:right", "-outform", "DER"];
    let mut file = der(scene, &arguments, &PRIVATE_KEY);
    let cost = [0x02, 0x02, 0x40, 0x00, 0x02, 0x01, 0x08];
    let place = file.windows(cost.len()).position(|window| window == cost).unwrap();
    file[place + 6] = 127;
    file
}

/// Keys in a field for another kind.
fn misplaced(scene: &Scene) -> Vec<Row> {
    let certificate_field = json!({"certificateSecretRef": {"name": "flows-tls", "key": "tls.crt"}});
    let public = |input: &str, text: &str| scene.judge_key(input, json!({ "publicKey": text }), &[]);
    let cut = &PUBLIC_KEY[..PUBLIC_KEY.len() / 2];
    let pair = |key: &str| -> Value {
        let certificate = certificate();
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "flows-tls", "namespace": "messaging"},
            "stringData": {"tls.crt": certificate, "tls.key": key}})
    };
    vec![
        scene.judge_key(
            "certificateSecretRef: a private key",
            certificate_field.clone(),
            &[secret_of("flows-tls", "tls.crt", PRIVATE_KEY.as_bytes())],
        ),
        scene.judge_key(
            "certificateSecretRef: the certificate of another key",
            certificate_field,
            &[pair(&openssl(&["genrsa", "2048"], b""))],
        ),
        public("publicKey: cut off in the middle", cut),
        public("publicKey: a certificate", &certificate()),
        public("publicKey: an elliptic curve key", &elliptic_public_key()),
        public("publicKey: prose", "Our key, see the wiki."),
        public("publicKey: empty", ""),
        public("publicKey: OpenSSH's own format", "ssh-rsa AAAAB3NzaC1yc2E comment"),
    ]
}

fn elliptic_public_key() -> String {
    let key = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], b"");
    openssl(&["pkey", "-pubout"], key.as_bytes())
}

/// The same for whoever looks into a file.
fn inspected(scene: &Scene) -> Vec<Row> {
    let encrypted = pem(&["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:right"]);
    std::fs::write(scene.path("passphrase"), "wrong").unwrap();
    let passphrase = scene.path("passphrase");
    let inspect = |input: &str, file: &[u8], flags: &[&str]| {
        let printed = run(&[&["inspect", "-"], flags].concat(), file);
        let problem = printed.stdout.lines().find_map(|line| line.strip_prefix("problem ")).map(str::trim);
        Row::new(input, Caught::Inspect, problem.unwrap_or(&printed.stderr))
    };
    let absent = run(&["inspect", "/nonexistent.pem"], b"");
    vec![
        inspect("a file with an encrypted key, no passphrase", &encrypted, &[]),
        inspect("a file with an encrypted key, wrong passphrase", &encrypted, &["--passphrase-file", &passphrase]),
        inspect("an empty file", b"", &[]),
        inspect("key and passphrase from standard input", b"", &["--passphrase-file", "-"]),
        Row::new("a file that is not there", Caught::Inspect, &absent.stderr),
    ]
}
