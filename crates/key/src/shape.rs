//! Recognizes the type of a DER file by the tags of its elements.
//!
//! Of an X.509 certificate (RFC 5280) only the public key is read. Some real authorities issue certificates that strict
//! parsers refuse: negative or overlong serial numbers, unusual names and times. So all elements before the key are
//! skipped.

use rsa::pkcs8::SubjectPublicKeyInfoRef;
use rsa::pkcs8::der::asn1::{AnyRef, ObjectIdentifier};
use rsa::pkcs8::der::{Decode, ErrorKind, Header, Reader, SliceReader, Tag, Tagged};

use super::algorithm::curve_name;
use super::error::{Expected, KeyError};

/// The recognized types of DER files.
pub(super) enum Shape<'a> {
    /// RSAPrivateKey (RFC 8017), the whole of it.
    RsaPrivate(&'a [u8]),
    /// PrivateKeyInfo (RFC 5958), the whole of it.
    Pkcs8(&'a [u8]),
    /// EncryptedPrivateKeyInfo: algorithm and encrypted data.
    EncryptedPkcs8(AnyRef<'a>, &'a [u8]),
    /// ECPrivateKey (RFC 5915).
    EcPrivate {
        curve: &'static str,
    },
    /// The private key form of OpenSSL for DSA.
    DsaPrivate,
    /// RSAPublicKey (RFC 8017), the whole of it.
    RsaPublic(&'a [u8]),
    Spki(SubjectPublicKeyInfoRef<'a>),
    Certificate {
        public_key: SubjectPublicKeyInfoRef<'a>,
    },
    CertificateRequest,
    Pkcs12,
    Pkcs7,
    /// Any other sequence.
    Other,
}

impl<'a> Shape<'a> {
    /// The type of the first DER element in `file`. More bytes may follow.
    pub(super) fn of(file: &'a [u8]) -> Result<Self, KeyError> {
        use Tag::{BitString, ContextSpecific, Integer, OctetString, Sequence};

        let der = outer(file)?;
        let elements = elements(AnyRef::try_from(der).map_err(|_| KeyError::Damaged)?)?;
        let tags: Vec<Tag> = elements.iter().map(Tagged::tag).collect();
        Ok(match tags.as_slice() {
            [Integer, Integer] => Self::RsaPublic(der),
            [Integer, Integer, Integer, Integer, Integer, Integer] => Self::DsaPrivate,
            // Version, eight numbers, and the additional element of a key with more than two primes.
            [version_and_numbers @ .., _] if is_integers(version_and_numbers, 8) => Self::RsaPrivate(der),
            [Integer, Sequence, OctetString, ..] => Self::Pkcs8(der),
            [Integer, OctetString, ..] => Self::EcPrivate { curve: sec1_curve(&elements) },
            [Integer, Sequence] | [Integer, Sequence, Sequence] if elements[0].value() == [3] => Self::Pkcs12,
            [Sequence, OctetString] => Self::EncryptedPkcs8(elements[0], elements[1].value()),
            [Sequence, BitString] => Self::Spki(SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::Damaged)?),
            [Sequence, Sequence, BitString] => signed(elements[0])?,
            [Tag::ObjectIdentifier, ContextSpecific { .. }] => Self::Pkcs7,
            _ => Self::Other,
        })
    }

    /// The error for this file if `expected` is wanted.
    pub(super) fn misplaced(&self, expected: Expected) -> KeyError {
        match self {
            Self::Certificate { .. } => KeyError::Certificate { expected },
            Self::CertificateRequest => KeyError::CertificateRequest { expected },
            Self::Pkcs12 => KeyError::Pkcs12 { expected },
            Self::Pkcs7 => KeyError::Pkcs7 { expected },
            Self::Spki(_) | Self::RsaPublic(_) => KeyError::PublicKey { expected },
            Self::EcPrivate { curve } if expected == Expected::PrivateKey => KeyError::EllipticCurve { curve },
            Self::DsaPrivate if expected == Expected::PrivateKey => KeyError::Dsa,
            Self::RsaPrivate(_)
            | Self::Pkcs8(_)
            | Self::EncryptedPkcs8(..)
            | Self::EcPrivate { .. }
            | Self::DsaPrivate => KeyError::PrivateKey { expected },
            Self::Other => KeyError::OtherBinary { expected },
        }
    }
}

/// The outer SEQUENCE without the bytes after it, such as a line break from an editor or OpenSSL's
/// trust settings.
fn outer(file: &[u8]) -> Result<&[u8], KeyError> {
    let mut reader = SliceReader::new(file).map_err(|_| KeyError::Damaged)?;
    let header = Header::decode(&mut reader).map_err(|error| match error.kind() {
        ErrorKind::Incomplete { .. } => KeyError::Truncated,
        _ => KeyError::Damaged,
    })?;
    if header.tag != Tag::Sequence {
        return Err(KeyError::Damaged);
    }
    let length = (reader.position() + header.length)
        .ok()
        .and_then(|length| usize::try_from(length).ok())
        .ok_or(KeyError::Damaged)?;
    file.get(..length).ok_or(KeyError::Truncated)
}

/// The elements of a SEQUENCE.
fn elements(sequence: AnyRef<'_>) -> Result<Vec<AnyRef<'_>>, KeyError> {
    let mut reader = SliceReader::new(sequence.value()).map_err(|_| KeyError::Damaged)?;
    let mut elements = Vec::new();
    while !reader.is_finished() {
        elements.push(AnyRef::decode(&mut reader).map_err(|_| KeyError::Damaged)?);
    }
    Ok(elements)
}

/// Distinguishes a certificate from a signing request by the to-be-signed part.
fn signed(to_be_signed: AnyRef<'_>) -> Result<Shape<'_>, KeyError> {
    let elements = elements(to_be_signed)?;
    let fields = match elements.split_first() {
        // The version. Certificates of version 1 have no version field.
        Some((first, rest)) if matches!(first.tag(), Tag::ContextSpecific { .. }) => rest,
        _ => elements.as_slice(),
    };
    let tags: Vec<Tag> = fields.iter().map(Tagged::tag).collect();
    match tags.as_slice() {
        // serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo
        [Tag::Integer, Tag::Sequence, Tag::Sequence, Tag::Sequence, Tag::Sequence, Tag::Sequence, ..] => {
            Ok(Shape::Certificate { public_key: public_key(fields[5])? })
        }
        // version, subject, subjectPKInfo
        [Tag::Integer, Tag::Sequence, Tag::Sequence] => Ok(Shape::CertificateRequest),
        [Tag::Integer, Tag::Sequence, Tag::Sequence, Tag::ContextSpecific { .. }] => Ok(Shape::CertificateRequest),
        _ => Ok(Shape::Other),
    }
}

fn public_key(element: AnyRef<'_>) -> Result<SubjectPublicKeyInfoRef<'_>, KeyError> {
    element.decode_as().map_err(|_| KeyError::Damaged)
}

fn is_integers(tags: &[Tag], at_least: usize) -> bool {
    tags.len() >= at_least && tags.iter().all(|tag| *tag == Tag::Integer)
}

/// The curve in the parameters of an ECPrivateKey. The parameters follow the number.
fn sec1_curve(elements: &[AnyRef<'_>]) -> &'static str {
    curve_name(elements.get(2).and_then(|parameters| ObjectIdentifier::from_der(parameters.value()).ok()))
}
