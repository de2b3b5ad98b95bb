//! Private keys, encrypted or not.

use rsa::pkcs8::PrivateKeyInfo;
use rsa::pkcs8::der::Decode;

use super::algorithm::require_rsa;
use super::encrypted::Scheme;
use super::error::{Expected, KeyError};
use super::public_key::PublicKey;
use super::rsa_key;
use super::shape::Shape;
use super::source::Source;

pub(super) fn read(bytes: &[u8], passphrase: Option<&[u8]>) -> Result<PublicKey, KeyError> {
    let (file, dek_info) = Source::find(bytes, Expected::PrivateKey)?.into_parts();
    if let Some(dek_info) = dek_info {
        return open(passphrase, |passphrase| decrypted(&dek_info.decrypt(&file, passphrase)?));
    }
    match Shape::of(&file)? {
        Shape::EncryptedPkcs8(algorithm, data) => {
            let scheme = Scheme::parse(algorithm)?;
            open(passphrase, |passphrase| decrypted(&scheme.decrypt(data, passphrase)?))
        }
        shape => plain(&shape),
    }
}

/// Tries the passphrase unchanged, then without a line break at the end.
fn open(passphrase: Option<&[u8]>, read: impl Fn(&[u8]) -> Result<PublicKey, KeyError>) -> Result<PublicKey, KeyError> {
    let passphrase = passphrase.ok_or(KeyError::MissingPassphrase)?;
    match (read(passphrase), without_line_break(passphrase)) {
        (Err(KeyError::WrongPassphrase), Some(trimmed)) => read(trimmed),
        (result, _) => result,
    }
}

fn without_line_break(passphrase: &[u8]) -> Option<&[u8]> {
    passphrase.strip_suffix(b"\r\n").or_else(|| passphrase.strip_suffix(b"\n"))
}

/// Reads a decrypted file. An unknown format means that the passphrase was wrong, although the
/// padding was valid.
fn decrypted(file: &[u8]) -> Result<PublicKey, KeyError> {
    match Shape::of(file) {
        Err(_) | Ok(Shape::Other) => Err(KeyError::WrongPassphrase),
        Ok(shape) => plain(&shape),
    }
}

fn plain(shape: &Shape<'_>) -> Result<PublicKey, KeyError> {
    match shape {
        Shape::RsaPrivate(pkcs1) => rsa_key::from_pkcs1_private(pkcs1),
        Shape::Pkcs8(pkcs8) => {
            let info = PrivateKeyInfo::from_der(pkcs8).map_err(|_| KeyError::Damaged)?;
            require_rsa(&info.algorithm)?;
            rsa_key::from_pkcs1_private(info.private_key)
        }
        other => Err(other.misplaced(Expected::PrivateKey)),
    }
}
