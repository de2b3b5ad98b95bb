//! Encrypted keys that are refused.

use waflows_key::Expected::PrivateKey;
use waflows_key::{Excess, KeyError};

use super::{Case, cases};
use crate::forge::{self, AES_256_CBC, TRIPLE_DES_CBC, integer};
use crate::openssl::{KEY, openssl, text};

const COPY: &str = "copy the whole file again";
const ENCRYPT_AGAIN: &str = "pkcs8 -topk8 -v2 aes-256-cbc";
const IV: &[u8] = &[7; 16];

pub(super) fn all() -> Vec<Case> {
    [without_passphrase(), unsupported_schemes(), damaged_parameters(), excessive()].concat()
}

fn without_passphrase() -> Vec<Case> {
    let files = [
        (openssl("rsa -aes256 -passout PASS", &KEY), KeyError::MissingPassphrase),
        (openssl("rsa -traditional -des3 -passout PASS", &KEY), KeyError::MissingPassphrase),
    ];
    // The highest allowed costs.
    let costly =
        [forge::pbkdf2(&[&integer(10_000_000)], AES_256_CBC, IV), forge::scrypt(1 << 15, 8, 4), forge::scrypt(2, 8, 1)];
    let costly = costly.map(|file| (file, KeyError::MissingPassphrase));
    [cases(PrivateKey, "passphraseSecretRef", files), cases(PrivateKey, "passphraseSecretRef", costly)].concat()
}

fn unsupported_schemes() -> Vec<Case> {
    let pbes1 = openssl("pkcs8 -topk8 -v1 PBE-SHA1-3DES -passout PASS", &KEY);
    let camellia = openssl("pkcs8 -topk8 -v2 camellia-256-cbc -passout PASS", &KEY);
    let unnamed = forge::pbkdf2(&[&integer(2048)], &[0x2a, 3, 4], IV);
    let files = [
        (pbes1, unsupported("PBE-SHA1-3DES")),
        (camellia, unsupported("CAMELLIA-256-CBC")),
        (unnamed, unsupported("1.2.3.4")),
        (old_pem("DES-CBC,0011223344556677"), unsupported("DES-CBC")),
        // The message does not repeat unknown text.
        (old_pem("MIIEpAIBAAKC,00"), unsupported("an unknown cipher")),
    ];
    // PKCS#5, PKCS#12, OIW.
    let others: [(&[u8], &str); 10] = [
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x03", "PBE-MD5-DES"),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x06", "PBE-MD5-RC2-64"),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0a", "PBE-SHA1-DES"),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0b", "PBE-SHA1-RC2-64"),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x01", "PBE-SHA1-RC4-128"),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03", "PBE-SHA1-3DES"),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x04", "PBE-SHA1-2DES"),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x06", "PBE-SHA1-RC2-40"),
        (b"\x2b\x0e\x03\x02\x07", "DES-CBC"),
        (b"\x2a\x03\x04", "1.2.3.4"),
    ];
    let others = others.map(|(scheme, name)| (forge::other_scheme(scheme), unsupported(name)));
    [cases(PrivateKey, ENCRYPT_AGAIN, files), cases(PrivateKey, ENCRYPT_AGAIN, others)].concat()
}

fn damaged_parameters() -> Vec<Case> {
    let iterations = integer(2048);
    let pbkdf2 = |rest: &[&[u8]], cipher, iv| forge::pbkdf2(rest, cipher, iv);
    let parameters = [
        old_pem("AES-128-CBC"),
        old_pem("AES-128-CBC,00"),
        old_pem("AES-128-CBC,xyz"),
        old_pem("DES-EDE3-CBC,001122334455667"),
        pbkdf2(&[&iterations], TRIPLE_DES_CBC, &[1; 7]),
        pbkdf2(&[&iterations], TRIPLE_DES_CBC, &[]),
        pbkdf2(&[&iterations], AES_256_CBC, &[1; 8]),
        pbkdf2(&[&integer(0)], AES_256_CBC, IV),
        pbkdf2(&[], AES_256_CBC, IV),
        // The length of a key for AES-128.
        pbkdf2(&[&iterations, &integer(16)], AES_256_CBC, IV),
        forge::scrypt(0, 8, 1),
        forge::scrypt(1, 8, 1),
        forge::scrypt(1000, 8, 1),
        forge::scrypt(1024, 0, 1),
        forge::scrypt(1024, 8, 0),
        forge::scrypt(0, 0, 0),
    ];
    cases(PrivateKey, COPY, parameters.map(|file| (file, KeyError::Damaged)))
}

fn excessive() -> Vec<Case> {
    let pbkdf2 = [10_000_001, u64::from(u32::MAX), u64::MAX].map(|iterations| {
        let file = forge::pbkdf2(&[&integer(iterations)], AES_256_CBC, IV);
        (file, too_much(Excess::Time, format!("PBKDF2 with {iterations} iterations, where 10000000 are allowed")))
    });
    let scrypt = |excess, (n, r, p): (u64, u64, u64), fills: u64| {
        let most = if excess == Excess::Memory { 32 } else { 128 };
        let cost = format!("scrypt with N={n}, r={r}, p={p} fills {fills} MiB, where {most} MiB are allowed");
        (forge::scrypt(n, r, p), too_much(excess, cost))
    };
    let memory = [
        ((1 << 16, 8, 1), 64),
        // One tenant crashed the operator with these parameters.
        ((1 << 17, 8, 1), 128),
        ((1 << 62, 8, 1), u64::MAX.div_ceil(1 << 20)),
        ((u64::MAX, u64::MAX, u64::MAX), u64::MAX.div_ceil(1 << 20)),
        ((2, 1 << 20, 1), 256),
        ((2, 8, 1 << 18), 256),
    ];
    let memory = memory.map(|(parameters, fills)| scrypt(Excess::Memory, parameters, fills));
    // Each parameter alone is small enough.
    let time = [scrypt(Excess::Time, (1 << 15, 8, 5), 160), scrypt(Excess::Time, (1 << 14, 8, 16), 256)];
    [
        cases(PrivateKey, ENCRYPT_AGAIN, pbkdf2),
        cases(PrivateKey, "decrypt it with the tool that made it", memory),
        cases(PrivateKey, ENCRYPT_AGAIN, time),
    ]
    .concat()
}

/// An encrypted key in OpenSSL's old format, with another `DEK-Info`.
fn old_pem(dek_info: &str) -> Vec<u8> {
    let pem = text(openssl("rsa -traditional -aes128 -passout PASS", &KEY));
    let header = pem.lines().find(|line| line.starts_with("DEK-Info")).unwrap();
    pem.replace(header, &format!("DEK-Info: {dek_info}")).into_bytes()
}

fn unsupported(scheme: &'static str) -> KeyError {
    KeyError::UnsupportedEncryption { scheme: scheme.into() }
}

fn too_much(excess: Excess, cost: String) -> KeyError {
    KeyError::ExcessiveKeyDerivation { excess, cost }
}
