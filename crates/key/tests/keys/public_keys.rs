//! Public keys in a resource and in Meta's answers.

use std::collections::{BTreeSet, HashSet};

use waflows_key::{Fingerprint, PublicKey};

use crate::forge;
use crate::openssl::{KEY, PUBLIC, fingerprint, in_parallel, key_fingerprint, openssl, text};

#[test]
fn both_pem_forms() {
    let pkcs1 = text(openssl("rsa -RSAPublicKey_out", &KEY));
    assert!(pkcs1.contains("BEGIN RSA PUBLIC KEY"));
    for form in [&*PUBLIC, &pkcs1, &PUBLIC.replace('\n', "\r\n"), &PUBLIC.replace('\n', "\\n")] {
        let key = PublicKey::from_public_key(form).unwrap();
        assert_eq!(key.fingerprint().to_string(), key_fingerprint());
        assert_eq!(key.pem(), *PUBLIC);
    }
}

#[test]
fn reported_keys_of_any_algorithm_and_size() {
    let commands = [
        "genrsa 1024",
        "genrsa 3072",
        "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        "genpkey -algorithm ED25519",
        "genpkey -algorithm X25519",
    ];
    for private in in_parallel(&commands, |arguments| openssl(arguments, b"")) {
        let public = text(openssl("pkey -pubout", &private));
        let reported = Fingerprint::of_reported_pem(&public).unwrap();
        assert_eq!(reported.to_string(), fingerprint(&public));
    }
}

#[test]
fn reported_keys_with_other_line_breaks() {
    let body: String = PUBLIC.lines().filter(|line| !line.starts_with('-')).collect();
    let pkcs1 = text(openssl("rsa -RSAPublicKey_out", &KEY));
    let reports = [
        PUBLIC.clone(),
        PUBLIC.trim().to_owned(),
        PUBLIC.replace('\n', "\n\n"),
        PUBLIC.replace('\n', "\r\n"),
        PUBLIC.replace('\n', " "),
        PUBLIC.replace('\n', "\\n"),
        PUBLIC.replace('\n', ""),
        format!("  \n{}\n\n", PUBLIC.replace('\n', "\n\t")),
        format!("-----BEGIN PUBLIC KEY-----{body}-----END PUBLIC KEY-----"),
        body.trim_end_matches('=').to_owned(),
        pkcs1,
    ];
    for report in reports {
        let fingerprint = Fingerprint::of_reported_pem(&report).expect(&report);
        assert_eq!(fingerprint.to_string(), key_fingerprint(), "{report}");
    }
}

#[test]
fn a_report_without_the_parameters_of_rsa_is_of_the_same_key() {
    const RSA_ENCRYPTION: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
    let report = text(forge::spki(RSA_ENCRYPTION));
    let fingerprint = Fingerprint::of_reported_pem(&report).unwrap();
    assert_eq!(fingerprint.to_string(), key_fingerprint());
    assert_eq!(PublicKey::from_public_key(&report).unwrap().pem(), *PUBLIC);
}

#[test]
fn reports_that_are_no_key() {
    let private = text(KEY.clone());
    let cut = &PUBLIC[..PUBLIC.len() / 2];
    for report in ["", " ", "null", "-----BEGIN PUBLIC KEY-----", cut, &private, "MIIBIjANBg"] {
        assert_eq!(Fingerprint::of_reported_pem(report), None, "{report}");
    }
}

#[test]
fn fingerprints_round_trip_through_text() {
    let fingerprint: Fingerprint = key_fingerprint().parse().unwrap();
    assert_eq!(fingerprint.to_string(), key_fingerprint());
    assert_eq!(fingerprint.short(), key_fingerprint()[.."sha256:".len() + 12]);
    assert_eq!(format!("{fingerprint:?}"), format!("Fingerprint({})", key_fingerprint()));
    assert_eq!(size_of::<Fingerprint>(), 32);
    assert!(fingerprint.is_written(key_fingerprint()));
    let upper = key_fingerprint().to_uppercase().replace("SHA256", "sha256");
    let spoilt = [
        &key_fingerprint()[1..],
        &key_fingerprint()[..70],
        &key_fingerprint().replace("sha256:", ""),
        &format!("{}0", key_fingerprint()),
        &upper,
        "",
        "sha256:ä",
    ];
    for text in spoilt {
        assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        assert!(!fingerprint.is_written(text), "{text}");
    }
}

#[test]
fn fingerprints_have_the_order_of_their_texts() {
    let key: Fingerprint = key_fingerprint().parse().unwrap();
    let low: Fingerprint = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
    assert!(low < key);
    assert_eq!(BTreeSet::from([key, low, key]).len(), 2);
    assert_eq!(HashSet::from([key, low, key]).len(), 2);
}
