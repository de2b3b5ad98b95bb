//! Empty values, values that are too long, and files damaged by copying.

use rsa::pkcs1::{RsaPrivateKey, UintRef};
use waflows_key::Expected::{PrivateKey, PublicKey};
use waflows_key::KeyError;

use super::{Case, cases};
use crate::forge;
use crate::openssl::{KEY, openssl, text};

const COPY: &str = "copy the whole file again";

pub(super) fn empty_or_broken() -> Vec<Case> {
    let pem = text(KEY.clone());
    let der = openssl("rsa -outform DER", &KEY);
    let line = pem.lines().nth(3).unwrap();
    let without_dashes = |dashes: &str| pem.replace("-----", dashes).into_bytes();
    let too_large = KeyError::TooLarge;
    [
        cases(
            PrivateKey,
            "--from-file",
            [
                (b"".into(), KeyError::Empty),
                (b" \r\n\t\n".into(), KeyError::Blank),
                (b"\xef\xbb\xbf\n".into(), KeyError::Blank),
            ],
        ),
        cases(PrivateKey, "65536", [(vec![b'A'; 1 << 20], too_large)]),
        cases(
            PrivateKey,
            COPY,
            [
                (b"-----BEGIN PRIVATE KEY-----\n".into(), KeyError::Truncated),
                (pem[..800].into(), KeyError::Truncated),
                (der[..800].into(), KeyError::Truncated),
                (der[..3].into(), KeyError::Truncated),
                (pem.replace(line, "").into(), KeyError::Truncated),
                // Without this character the rest may still be valid base64, by chance.
                (pem.replace(line, &format!("={}", &line[1..])).into(), KeyError::BadBase64),
                (pem.replace(line, "<snip>").into(), KeyError::BadBase64),
                (pem.replace("MII", "AII").into(), KeyError::Damaged),
            ],
        ),
        cases(
            PrivateKey,
            "five ASCII hyphens",
            [
                (without_dashes("----"), KeyError::BrokenBeginLine),
                (without_dashes("\u{2014}"), KeyError::BrokenBeginLine),
                (without_dashes(""), KeyError::BrokenBeginLine),
                (pem.replace("KEY-----\n", "KEY----\n").into(), KeyError::BrokenBeginLine),
            ],
        ),
    ]
    .concat()
}

/// [`KEY`] or its public half with one of their numbers replaced.
pub(super) fn inconsistent() -> Vec<Case> {
    let changes: [fn(&mut RsaPrivateKey<'_>); 4] = [
        |key| key.prime1 = key.prime2,
        |key| key.prime1 = UintRef::new(&[1]).unwrap(),
        |key| key.private_exponent = key.prime1,
        |key| key.public_exponent = UintRef::new(&[3]).unwrap(),
    ];
    let values = changes.map(|change| (forge::private_key(change), KeyError::Inconsistent));
    let even = [(forge::even_public_key(), KeyError::Inconsistent)];
    [cases(PrivateKey, COPY, values), cases(PublicKey, COPY, even)].concat()
}
