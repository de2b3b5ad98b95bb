//! Finds the public key of an X.509 certificate (RFC 5280) and does not validate the rest.
//!
//! Some real authorities issue certificates that strict parsers refuse: negative or overlong serial
//! numbers, unusual names and times. So this module skips all elements before the key.

use rsa::pkcs8::SubjectPublicKeyInfoRef;
use rsa::pkcs8::der::asn1::AnyRef;
use rsa::pkcs8::der::{Tag, Tagged};

use super::error::KeyError;
use super::shape::{self, Shape};

/// Distinguishes a certificate from a signing request by the to-be-signed part.
pub(super) fn shape_of(to_be_signed: AnyRef<'_>) -> Result<Shape<'_>, KeyError> {
    let elements = shape::elements(to_be_signed)?;
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
