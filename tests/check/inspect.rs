//! `inspect`: every form of key, and what is no key.

use harness::process::{Printed, openssl};
use serde_json::Value;

use crate::process::run;
use crate::scene::{PRIVATE_KEY, PUBLIC_KEY};

fn inspect(file: &str, flags: &[&str]) -> Printed {
    let printed = run(&[&["inspect", "-"], flags].concat(), file.as_bytes());
    let line = PRIVATE_KEY.lines().nth(3).unwrap();
    assert!(!printed.stdout.contains(line) && !printed.stderr.contains(line), "{printed:?}");
    printed
}

fn json(file: &str, flags: &[&str]) -> (i32, Value) {
    let printed = inspect(file, &[flags, &["-o", "json"]].concat());
    (printed.code, printed.json())
}

/// As docs/keys.md has it.
fn fingerprint() -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("public.der");
    let out = file.to_str().unwrap();
    openssl(&["pkey", "-pubout", "-outform", "DER", "-out", out], PRIVATE_KEY.as_bytes());
    format!("sha256:{}", openssl(&["dgst", "-sha256", "-r", out], b"").split(' ').next().unwrap())
}

#[test]
fn every_form_of_a_key_has_the_fingerprint_that_openssl_computes() {
    let of_private = |arguments: &[&str]| openssl(arguments, PRIVATE_KEY.as_bytes());
    let files = [
        (PRIVATE_KEY.clone(), "Pkcs8PrivateKey"),
        (of_private(&["rsa", "-traditional"]), "Pkcs1PrivateKey"),
        (of_private(&["req", "-x509", "-key", "/dev/stdin", "-subj", "/CN=flows"]), "Certificate"),
        (PUBLIC_KEY.clone(), "PublicKey"),
        (of_private(&["rsa", "-RSAPublicKey_out"]), "Pkcs1PublicKey"),
    ];
    let fingerprint = fingerprint();
    for (file, kind) in files {
        let (code, found) = json(&file, &[]);
        assert_eq!((code, found["kind"].as_str(), found["bits"].as_u64()), (0, Some(kind), Some(2048)), "{found}");
        assert_eq!(
            (found["fingerprint"].as_str(), found["publicKey"].as_str()),
            (Some(&*fingerprint), Some(&**PUBLIC_KEY))
        );
    }
}

#[test]
fn encrypted_keys_are_opened_by_their_passphrase_only() {
    let folder = tempfile::tempdir().unwrap();
    let passphrase = folder.path().join("passphrase");
    let forms: [(&[&str], &str); 2] = [
        (&["pkcs8", "-topk8", "-passout", "pass:right"], "EncryptedPkcs8PrivateKey"),
        (&["rsa", "-traditional", "-aes256", "-passout", "pass:right"], "EncryptedPkcs1PrivateKey"),
    ];
    for (arguments, kind) in forms {
        let file = openssl(arguments, PRIVATE_KEY.as_bytes());
        let (code, found) = json(&file, &[]);
        assert_eq!((code, found["kind"].as_str()), (1, Some(kind)));
        assert!(found["problem"].as_str().unwrap().contains("with --passphrase-file FILE"), "{found}");
        for (text, expected) in [("right\n", 0), ("wrong", 1)] {
            std::fs::write(&passphrase, text).unwrap();
            let (code, found) = json(&file, &["--passphrase-file", passphrase.to_str().unwrap()]);
            assert_eq!((code, found["kind"].as_str()), (expected, Some(kind)), "{found}");
        }
    }
}

#[test]
fn the_table_and_the_public_key_are_for_people_and_pipes() {
    let printed = inspect(&PRIVATE_KEY, &[]);
    let expected =
        format!("kind         private key (PKCS#8)\nsize         RSA, 2048 bits\nfingerprint  {}\n", fingerprint());
    assert_eq!((printed.code, printed.stdout), (0, expected));
    let printed = inspect(&PRIVATE_KEY, &["--public-key"]);
    assert_eq!((printed.code, printed.stdout), (0, PUBLIC_KEY.clone()));
}

#[test]
fn what_is_of_no_use_is_described_with_the_remedy() {
    let small = openssl(&["genrsa", "1024"], b"");
    let (code, found) = json(&small, &[]);
    assert_eq!((code, found["kind"].as_str(), found["bits"].as_u64()), (1, Some("Pkcs8PrivateKey"), Some(1024)));
    let curve = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], b"");
    for (file, says) in [
        (curve.as_str(), "elliptic curve"),
        ("ssh-rsa AAAAB3NzaC1yc2E comment", "ssh-keygen -e -m PKCS8"),
        ("", "the value is empty"),
        ("private.pem", "the name of a file"),
    ] {
        let printed = inspect(file, &[]);
        assert!(printed.code == 1 && printed.stdout.contains(says), "{printed:?}");
        let printed = inspect(file, &["--public-key"]);
        assert!(printed.code == 1 && printed.stdout.is_empty() && printed.stderr.contains(says), "{printed:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_ends_with_2() {
    for arguments in [&["inspect", "/nonexistent.pem"][..], &["inspect", "-", "--passphrase-file", "-"], &["inspect"]] {
        let printed = run(arguments, b"");
        assert!(printed.code == 2 && printed.stdout.is_empty() && !printed.stderr.is_empty(), "{printed:?}");
    }
}
