//! The remedies for each [`KeyError`].

use super::error::{Excess, Expected, KeyError};

const PUT_CONTENT: &str = "put the content of the file there, for example with \
    `kubectl create secret generic NAME --from-file=FILE`";
const COPY_AGAIN: &str = "copy the whole file again, best with \
    `kubectl create secret generic NAME --from-file=FILE`";
const NEW_KEY: &str = "make a new one with `openssl genrsa -out private.pem 2048` \
    (cert-manager: `privateKey: {algorithm: RSA, size: 2048}`)";
const ENCRYPT_AGAIN: &str = "encrypt it again with \
    `openssl pkcs8 -topk8 -v2 aes-256-cbc -in private.pem -out new.pem` \
    (with `-provider legacy -provider default` for old ciphers)";

const DECRYPT_ELSEWHERE: &str = "openssl does not open it either: decrypt it with the tool that made it, and encrypt \
    it again with `openssl pkcs8 -topk8 -v2 aes-256-cbc -in private.pem -out new.pem`";
const PASTE_AGAIN: &str = "paste all of it, from BEGIN PUBLIC KEY to END PUBLIC KEY";
const WRITE_HYPHENS: &str = "write five ASCII hyphens on both sides of `BEGIN …` and of `END …`, or copy the file \
     again without a word processor in between";
const DECODE_ONCE: &str = "decode it once with `base64 -d`: under `data` a Secret holds base64 of the file, \
    under `stringData` the file itself";
const NAME_PASSPHRASE: &str = "name the Secret of its passphrase in `passphraseSecretRef`, or take the encryption \
     off with `openssl pkey -in private.pem -out plain.pem`";
const CORRECT_PASSPHRASE: &str = "correct the passphrase; `openssl pkey -in private.pem -noout` asks for it and tells \
     whether it is right";
const MATCH_HALVES: &str = "put both files of one issuance there; `openssl x509 -pubkey -noout -in tls.crt` and \
     `openssl pkey -pubout -in tls.key` must print the same";

impl KeyError {
    /// Finding and remedy for a text in a field of a resource. None if the texts for a file also fit the field.
    #[must_use]
    pub fn in_field(&self, field: &str) -> String {
        match in_field(self) {
            Some((fault, remedy)) => format!("{field} {fault}: {remedy}"),
            None => format!("{field}: {self}"),
        }
    }

    /// The remedy, mostly a command. Also the last part of the error's text.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        of(self)
    }
}

/// Finding and remedy for a text that a person pasted into a field. None if the texts for a file also fit.
fn in_field(error: &KeyError) -> Option<(&'static str, &'static str)> {
    use KeyError as E;
    let fault = match error {
        E::Empty | E::Blank => "is empty",
        E::Truncated => "ends too early",
        E::BadBase64 | E::Damaged | E::Inconsistent => "is damaged",
        E::FileName => "is the name of a file instead of the key in it",
        E::DoubleBase64 => {
            return Some(("is base64-encoded once too often", "decode it with `base64 -d` and paste the result"));
        }
        _ => return None,
    };
    Some((fault, PASTE_AGAIN))
}

/// The remedy for `error`.
fn of(error: &KeyError) -> &'static str {
    use KeyError as E;
    match error {
        E::Empty | E::Blank | E::FileName => PUT_CONTENT,
        E::Truncated | E::BadBase64 | E::Damaged | E::Inconsistent => COPY_AGAIN,
        E::TooLarge => "put only the key there; a value may have up to 65536 bytes",
        E::BrokenBeginLine => WRITE_HYPHENS,
        E::DoubleBase64 => DECODE_ONCE,
        E::OtherText { expected } | E::OtherBinary { expected } => unknown(*expected),
        E::Certificate { expected } => certificate(*expected),
        E::CertificateRequest { expected } => certificate_request(*expected),
        E::PublicKey { expected } => public_key(*expected),
        E::PrivateKey { expected } => private_key(*expected),
        E::Pkcs12 { expected } => pkcs12(*expected),
        E::Pkcs7 { expected } => pkcs7(*expected),
        E::OpenSshPrivateKey
        | E::OpenSshPublicKey
        | E::Putty
        | E::Age
        | E::Pgp
        | E::EncryptedFile { .. }
        | E::Jwk
        | E::Json
        | E::JavaKeyStore => foreign(error),
        E::WrongSize { .. }
        | E::BadExponent
        | E::MultiPrime
        | E::RsaPss
        | E::EllipticCurve { .. }
        | E::Ed25519
        | E::Dsa
        | E::OtherAlgorithm { .. } => NEW_KEY,
        E::MissingPassphrase => NAME_PASSPHRASE,
        E::WrongPassphrase => CORRECT_PASSPHRASE,
        E::ExcessiveKeyDerivation { excess: Excess::Memory, .. } => DECRYPT_ELSEWHERE,
        E::UnsupportedEncryption { .. } | E::ExcessiveKeyDerivation { excess: Excess::Time, .. } => ENCRYPT_AGAIN,
        E::CertificateMismatch => MATCH_HALVES,
    }
}

/// The remedy for a file of another tool.
fn foreign(error: &KeyError) -> &'static str {
    match error {
        KeyError::OpenSshPrivateKey => "convert a copy of it in place with `ssh-keygen -p -m PEM -f FILE`",
        KeyError::OpenSshPublicKey => "convert it with `ssh-keygen -e -m PKCS8 -f FILE`",
        KeyError::Putty => "convert it with `puttygen FILE -O private-openssh -o private.pem`",
        KeyError::Age => "decrypt it with `age -d -i IDENTITY FILE` and put the result there",
        KeyError::Pgp => {
            "if it is an encrypted file, decrypt it with `gpg -d FILE`; a PGP key itself is of \
             no use here: make a key with `openssl genrsa -out private.pem 2048`"
        }
        KeyError::Jwk => "convert it to PEM with your JOSE tool and put the PEM there",
        KeyError::Json => "put only the PEM block of the key there",
        KeyError::JavaKeyStore => {
            "convert it with `keytool -importkeystore -srckeystore FILE -destkeystore key.p12 \
             -deststoretype PKCS12`, then `openssl pkcs12 -in key.p12 -nocerts -nodes \
             -out private.pem`"
        }
        _ => "decrypt it with that tool before it goes into the Secret",
    }
}

fn unknown(expected: Expected) -> &'static str {
    match expected {
        Expected::PrivateKey => {
            "put a file there that begins with `-----BEGIN PRIVATE KEY-----`; \
             `openssl genrsa -out private.pem 2048` makes one"
        }
        Expected::Certificate => {
            "put a file there that begins with `-----BEGIN CERTIFICATE-----`, as cert-manager's \
             `tls.crt` does"
        }
        Expected::PublicKey => {
            "put a text there that begins with `-----BEGIN PUBLIC KEY-----`; \
             `openssl pkey -in private.pem -pubout` prints one"
        }
    }
}

fn certificate(expected: Expected) -> &'static str {
    match expected {
        Expected::PrivateKey | Expected::Certificate => {
            "put the private key there (`tls.key` beside `tls.crt`), or name this Secret in \
             `certificateSecretRef`"
        }
        Expected::PublicKey => "put what `openssl x509 -pubkey -noout -in FILE` prints there",
    }
}

fn certificate_request(expected: Expected) -> &'static str {
    match expected {
        Expected::PrivateKey => "put the private key there that the request was made with",
        Expected::Certificate => "put the certificate there that was issued for the request",
        Expected::PublicKey => "put what `openssl req -pubkey -noout -in FILE` prints there",
    }
}

fn public_key(expected: Expected) -> &'static str {
    match expected {
        Expected::PrivateKey => "put the private key there (`private.pem`), or this text into `publicKey`",
        Expected::Certificate | Expected::PublicKey => {
            "put the certificate there (`tls.crt`), or this text into `publicKey`"
        }
    }
}

fn private_key(expected: Expected) -> &'static str {
    match expected {
        Expected::Certificate | Expected::PrivateKey => {
            "put the certificate there (`tls.crt` beside `tls.key`), or name this Secret in \
             `privateKeySecretRef`"
        }
        Expected::PublicKey => {
            "a private key in a resource must count as exposed: make a new one with \
             `openssl genrsa -out private.pem 2048` and put only what \
             `openssl pkey -in private.pem -pubout` prints there"
        }
    }
}

fn pkcs12(expected: Expected) -> &'static str {
    match expected {
        Expected::PrivateKey => "take the key out with `openssl pkcs12 -in FILE -nocerts -nodes -out private.pem`",
        Expected::Certificate => {
            "take the certificate out with `openssl pkcs12 -in FILE -clcerts -nokeys -out tls.crt`"
        }
        Expected::PublicKey => {
            "put what `openssl pkcs12 -in FILE -clcerts -nokeys | openssl x509 -pubkey -noout` \
             prints there"
        }
    }
}

fn pkcs7(expected: Expected) -> &'static str {
    match expected {
        Expected::PrivateKey => "it holds certificates only: put the private key there",
        Expected::Certificate => "take the certificates out with `openssl pkcs7 -print_certs -in FILE -out tls.crt`",
        Expected::PublicKey => {
            "put what `openssl pkcs7 -print_certs -in FILE | openssl x509 -pubkey -noout` prints \
             there"
        }
    }
}
