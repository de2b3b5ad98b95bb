//! Finds the public key of an X.509 certificate (RFC 5280) without judging the rest of it.
//!
//! Walking over the elements before the key accepts what strict parsers refuse and real authorities
//! issue: negative or overlong serial numbers, unusual names and times.

use rsa::pkcs8::SubjectPublicKeyInfoRef;
use rsa::pkcs8::der::asn1::AnyRef;
use rsa::pkcs8::der::{Tag, Tagged};

use super::error::KeyError;
use super::shape::{self, Shape};

/// Tells a certificate from a signing request by its to-be-signed part.
pub(super) fn shape_of(to_be_signed: AnyRef<'_>) -> Result<Shape<'_>, KeyError> {
    let elements = shape::elements(to_be_signed)?;
    let fields = match elements.split_first() {
        // The version; version 1 leaves it out.
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
