//! Every private key format that OpenSSL writes.

use waflows_key::{KeyError, PublicKey};

use crate::forge;
use crate::openssl::{self, KEY, OTHER_KEY, PASSPHRASE, PUBLIC, in_parallel, key_fingerprint, openssl};

#[test]
fn unencrypted_forms() {
    let forms = in_parallel(
        &[
            "rsa",
            "rsa -traditional",
            "rsa -outform DER",
            "rsa -traditional -outform DER",
            "pkcs8 -topk8 -nocrypt",
            "pkcs8 -topk8 -nocrypt -outform DER",
            "pkey -text",
        ],
        |arguments| (*arguments, openssl(arguments, &KEY)),
    );
    for (arguments, file) in forms {
        // A passphrase for an unencrypted key is no error.
        for passphrase in [None, Some(PASSPHRASE)] {
            let key = PublicKey::from_private_key(&file, passphrase).expect(arguments);
            assert_eq!(key.fingerprint().to_string(), key_fingerprint(), "openssl {arguments}");
            assert_eq!(key.pem(), *PUBLIC, "openssl {arguments}");
        }
    }
}

#[test]
fn a_value_of_64_kib_is_read_and_a_longer_one_is_not() {
    let mut value = KEY.clone();
    value.resize(1 << 16, b'\n');
    assert!(PublicKey::from_private_key(&value, None).is_ok());
    value.push(b'\n');
    assert_eq!(PublicKey::from_private_key(&value, None), Err(KeyError::TooLarge));
}

#[test]
fn encrypted_pkcs8_with_every_cipher_and_hash() {
    let mut commands = Vec::new();
    for cipher in ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des3"] {
        for hash in ["SHA1", "SHA224", "SHA256", "SHA384", "SHA512"] {
            commands.push(format!("pkcs8 -topk8 -v2 {cipher} -v2prf hmacWith{hash} -passout PASS"));
        }
    }
    assert_all_open(&commands);
}

#[test]
fn what_openssl_leaves_out_may_be_stated() {
    let file = openssl("pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA1 -outform DER -passout PASS", &KEY);
    let key = PublicKey::from_private_key(&forge::with_all_stated(&file, 32), Some(PASSPHRASE)).unwrap();
    assert_eq!(key.fingerprint().to_string(), key_fingerprint());
}

#[test]
fn other_encrypted_forms() {
    let commands = [
        "pkcs8 -topk8 -scrypt -passout PASS",
        "pkcs8 -topk8 -scrypt -scrypt_N 4096 -scrypt_r 4 -scrypt_p 5 -passout PASS",
        "pkcs8 -topk8 -iter 100000 -passout PASS",
        "pkcs8 -topk8 -outform DER -passout PASS",
        "pkcs8 -topk8 -scrypt -outform DER -passout PASS",
        "rsa -des3 -passout PASS",
        "rsa -aes256 -passout PASS",
        "rsa -traditional -des3 -passout PASS",
        "rsa -traditional -aes128 -passout PASS",
        "rsa -traditional -aes192 -passout PASS",
        "rsa -traditional -aes256 -passout PASS",
    ];
    assert_all_open(&commands.map(str::to_owned));
}

#[test]
fn the_commands_of_metas_guide() {
    let private = openssl("genrsa -des3 -passout PASS 2048", b"");
    let public = openssl("rsa -passin PASS -outform PEM -pubout", &private);
    let key = PublicKey::from_private_key(&private, Some(PASSPHRASE)).unwrap();
    assert_eq!(key.pem().as_bytes(), public);
}

#[test]
fn exponent_3() {
    let private = openssl("genrsa -3 2048", b"");
    let public = openssl::text(openssl("pkey -pubout", &private));
    let key = PublicKey::from_private_key(&private, None).unwrap();
    assert_eq!(key.fingerprint().to_string(), openssl::fingerprint(&public));
}

#[test]
fn the_first_private_key_of_a_file_counts() {
    let certificate = &*openssl::CERTIFICATE;
    let files = [
        [KEY.as_slice(), certificate].concat(),
        [certificate, KEY.as_slice()].concat(),
        [PUBLIC.as_bytes(), KEY.as_slice(), OTHER_KEY.as_slice()].concat(),
        [openssl("ecparam -name prime256v1", b""), KEY.clone()].concat(),
        openssl(
            "pkcs12 -passin PASS -nodes",
            &openssl("pkcs12 -export -passout PASS", &[KEY.as_slice(), certificate].concat()),
        ),
    ];
    for file in files {
        let key = PublicKey::from_private_key(&file, None).unwrap();
        assert_eq!(key.fingerprint().to_string(), key_fingerprint());
    }
}

fn assert_all_open(commands: &[String]) {
    let files = in_parallel(commands, |arguments| openssl(arguments, &KEY));
    for (arguments, file) in commands.iter().zip(files) {
        let key = PublicKey::from_private_key(&file, Some(PASSPHRASE)).expect(arguments);
        assert_eq!(key.fingerprint().to_string(), key_fingerprint(), "openssl {arguments}");
    }
}
