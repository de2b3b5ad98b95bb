//! Passphrases as they are in Secrets.

use waflows_key::{KeyError, PublicKey};

use crate::openssl::{KEY, PASSPHRASE, in_parallel, key_fingerprint, openssl, text};

const FORMS: [&str; 4] = [
    "pkcs8 -topk8 -passout PASS",
    "pkcs8 -topk8 -outform DER -passout PASS",
    "rsa -traditional -aes256 -passout PASS",
    "rsa -traditional -des3 -passout PASS",
];

#[test]
fn one_line_break_at_the_end_is_tolerated() {
    for file in in_parallel(&FORMS, |arguments| openssl(arguments, &KEY)) {
        for end in ["", "\n", "\r\n"] {
            let passphrase = [PASSPHRASE, end.as_bytes()].concat();
            let key = PublicKey::from_private_key(&file, Some(&passphrase)).unwrap();
            assert_eq!(key.fingerprint().to_string(), key_fingerprint());
        }
        for end in ["\n\n", " ", "\r\n\n"] {
            let passphrase = [PASSPHRASE, end.as_bytes()].concat();
            let error = PublicKey::from_private_key(&file, Some(&passphrase)).unwrap_err();
            assert_eq!(error, KeyError::WrongPassphrase);
        }
    }
}

#[test]
fn a_passphrase_may_end_in_a_line_break() {
    // OpenSSL uses a passphrase from the command line unchanged.
    let output = std::process::Command::new("openssl")
        .args(["genrsa", "-aes256", "-passout", "pass:line\n", "2048"])
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(PublicKey::from_private_key(&output.stdout, Some(b"line\n")).is_ok());
    assert_eq!(PublicKey::from_private_key(&output.stdout, Some(b"line")), Err(KeyError::WrongPassphrase));
}

#[test]
fn many_wrong_ones_are_all_called_wrong() {
    // One in 256 wrong passphrases decrypts to a valid padding.
    let file = openssl("rsa -traditional -aes128 -passout PASS", &KEY);
    for attempt in 0..2000 {
        let error = PublicKey::from_private_key(&file, Some(attempt.to_string().as_bytes()));
        assert_eq!(error, Err(KeyError::WrongPassphrase));
    }
}

#[test]
fn a_file_that_was_cut_is_not_blamed_on_the_passphrase() {
    let pem = text(openssl("rsa -traditional -aes128 -passout PASS", &KEY));
    let (head, body) = pem.split_once("\n\n").unwrap();
    let (_, end) = body.split_once("-----").unwrap();
    // Nothing, less than a block, and a part that ends inside a block.
    for left in ["", "AAAA", &body[..60]] {
        let file = format!("{head}\n\n{left}\n-----{end}");
        assert_eq!(PublicKey::from_private_key(file.as_bytes(), Some(PASSPHRASE)), Err(KeyError::Truncated), "{left}");
    }
    let whole_blocks = format!("{head}\n\n{}\n-----{end}", &body[..64 * 2 + 2].replace('\n', ""));
    let error = PublicKey::from_private_key(whole_blocks.as_bytes(), Some(PASSPHRASE));
    assert_eq!(error, Err(KeyError::WrongPassphrase));
}

#[test]
fn missing_and_wrong_ones_are_told_from_other_errors() {
    for file in in_parallel(&FORMS, |arguments| openssl(arguments, &KEY)) {
        let missing = PublicKey::from_private_key(&file, None).unwrap_err();
        assert_eq!(missing, KeyError::MissingPassphrase);
        let wrong = PublicKey::from_private_key(&file, Some(b"")).unwrap_err();
        assert_eq!(wrong, KeyError::WrongPassphrase);
        assert!(missing.is_passphrase() && wrong.is_passphrase());
    }
    assert!(!KeyError::Empty.is_passphrase());
}
