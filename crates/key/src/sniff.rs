//! Recognizes values that are neither PEM nor DER.

use super::error::{Expected, KeyError};

/// Longest file name on common file systems, in bytes.
const MAX_FILE_NAME: usize = 255;

/// First bytes of the files of other tools.
static BEGINNINGS: [(&[u8], KeyError); 7] = [
    (b"PuTTY-User-Key-File-", KeyError::Putty),
    (b"age-encryption.org/", KeyError::Age),
    (b"$ANSIBLE_VAULT;", KeyError::EncryptedFile { tool: "Ansible Vault" }),
    (b"Salted__", KeyError::EncryptedFile { tool: "openssl enc" }),
    // `Salted__` in base64.
    (b"U2FsdGVkX1", KeyError::EncryptedFile { tool: "openssl enc" }),
    // The magic numbers of JKS and JCEKS.
    (b"\xFE\xED\xFE\xED", KeyError::JavaKeyStore),
    (b"\xCE\xCE\xCE\xCE", KeyError::JavaKeyStore),
];

/// Recognizes files of other tools by their first bytes or by a word that only they contain.
pub(super) fn foreign(value: &[u8], expected: Expected) -> Option<KeyError> {
    let value = value.trim_ascii_start();
    if let Some((_, error)) = BEGINNINGS.iter().find(|(begin, _)| value.starts_with(begin)) {
        return Some(error.clone());
    }
    if contains(value, b"AGE-SECRET-KEY-1") {
        return Some(KeyError::Age);
    }
    if contains(value, b"ENC[AES256_GCM,") {
        return Some(KeyError::EncryptedFile { tool: "SOPS" });
    }
    match value {
        [b'{' | b'[', ..] if contains(value, b"\"kty\"") => Some(KeyError::Jwk),
        [b'{', ..] => Some(KeyError::Json),
        [b's', b's', b'h', b'-', ..] | [b'e', b'c', b'd', b's', b'a', b'-', ..] => Some(open_ssh_public_key(expected)),
        // BER with indefinite length, as Windows and old Java write it. PKCS#12 in DER is recognized
        // by its shape.
        [0x30, 0x80, 0x02, 0x01, 0x03, ..] => Some(KeyError::Pkcs12 { expected }),
        _ => None,
    }
}

fn open_ssh_public_key(expected: Expected) -> KeyError {
    match expected {
        Expected::PublicKey => KeyError::OpenSshPublicKey,
        Expected::PrivateKey | Expected::Certificate => KeyError::PublicKey { expected },
    }
}

/// The error for a text that is no file of a known tool.
pub(super) fn text(text: &[u8], expected: Expected) -> KeyError {
    if contains(text, b"BEGIN ") && (contains(text, b" KEY") || contains(text, b"CERTIFICATE")) {
        return KeyError::BrokenBeginLine;
    }
    if is_file_name(text.trim_ascii()) {
        return KeyError::FileName;
    }
    KeyError::OtherText { expected }
}

fn is_file_name(text: &[u8]) -> bool {
    const EXTENSIONS: [&[u8]; 8] = [b".pem", b".key", b".der", b".crt", b".cer", b".p12", b".pfx", b".pub"];
    text.len() <= MAX_FILE_NAME
        && !text.contains(&b'\n')
        && EXTENSIONS.iter().any(|extension| text.to_ascii_lowercase().ends_with(extension))
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window == needle)
}
