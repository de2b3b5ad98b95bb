//! Extracts one DER file from the value of a Secret.

use zeroize::Zeroizing;

use super::error::{Expected, KeyError};
use super::legacy::DekInfo;
use super::shape::Shape;
use super::{pem, sniff};

/// Limit of a value, in bytes. Far more than any certificate chain with a key, far less than a Secret can hold.
pub const MAX_BYTES: usize = 64 * 1024;

/// A DER file, decoded from PEM if necessary.
pub(super) struct Source {
    der: Zeroizing<Vec<u8>>,
    dek_info: Option<DekInfo>,
}

impl Source {
    /// The first file in `value` that has the expected type, else the first file.
    pub(super) fn find(value: &[u8], expected: Expected) -> Result<Self, KeyError> {
        match value.len() {
            0 => return Err(KeyError::Empty),
            bytes if bytes > MAX_BYTES => return Err(KeyError::TooLarge),
            _ => {}
        }
        let narrowed = narrow(value);
        let value = narrowed.as_ref().map_or(value, |narrowed| narrowed.as_slice());
        let value = value.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(value);
        if value.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0) {
            return Err(KeyError::Blank);
        }
        let blocks = pem::blocks(value);
        if let Some(block) = pem::choose(&blocks, expected) {
            return Self::from_block(block, expected);
        }
        if let Some(error) = sniff::foreign(value, expected) {
            return Err(error);
        }
        if is_text(value) { Self::from_bare_base64(value, expected) } else { Self::from_binary(value, expected) }
    }

    pub(super) fn shape(&self) -> Result<Shape<'_>, KeyError> {
        Shape::of(&self.der)
    }

    /// The file, and its encryption if PEM headers declare one.
    pub(super) fn into_parts(self) -> (Zeroizing<Vec<u8>>, Option<DekInfo>) {
        (self.der, self.dek_info)
    }

    fn from_block(block: &pem::Block<'_>, expected: Expected) -> Result<Self, KeyError> {
        let body = block.body(expected)?;
        let (headers, der) = pem::decode(body)?;
        let dek_info = headers.dek_info.map(|value| DekInfo::parse(&value)).transpose()?;
        if dek_info.is_some() && expected != Expected::PrivateKey {
            return Err(KeyError::PrivateKey { expected });
        }
        Ok(Self { der, dek_info })
    }

    /// Base64 of DER without BEGIN and END lines, as some consoles show keys.
    fn from_bare_base64(text: &[u8], expected: Expected) -> Result<Self, KeyError> {
        match pem::decode(text) {
            Ok((_, decoded)) if is_der(&decoded) => Ok(Self { der: decoded, dek_info: None }),
            Ok((_, decoded)) if is_encoded_again(&decoded) => Err(KeyError::DoubleBase64),
            _ => Err(sniff::text(text, expected)),
        }
    }

    fn from_binary(value: &[u8], expected: Expected) -> Result<Self, KeyError> {
        if !is_der(value) {
            return Err(KeyError::OtherBinary { expected });
        }
        Ok(Self { der: Zeroizing::new(value.to_vec()), dek_info: None })
    }
}

/// Whether the bytes are a SEQUENCE. A long one is recognized by its start, because the end may be missing. A short one
/// must be complete.
fn is_der(bytes: &[u8]) -> bool {
    match bytes {
        [0x30, 0x81..=0x84, ..] => true,
        [0x30, length @ ..=0x7F, rest @ ..] => rest.len() == usize::from(*length),
        _ => false,
    }
}

/// Whether the decoded text is again encoded: PEM, base64 of PEM, or base64 of DER.
fn is_encoded_again(decoded: &[u8]) -> bool {
    !pem::blocks(decoded).is_empty() || decoded.starts_with(b"LS0tLS1CRUdJTi") || decoded.starts_with(b"MI")
}

fn is_text(value: &[u8]) -> bool {
    std::str::from_utf8(value)
        .is_ok_and(|text| !text.chars().any(|letter| letter.is_control() && !letter.is_whitespace()))
}

/// Converts UTF-16 with a byte order mark, as PowerShell's `>` writes it, by removing the zero bytes.
fn narrow(value: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let rest = value.strip_prefix(b"\xFF\xFE").or_else(|| value.strip_prefix(b"\xFE\xFF"))?;
    let mut narrowed = Zeroizing::new(Vec::with_capacity(rest.len()));
    narrowed.extend(rest.iter().filter(|byte| **byte != 0));
    Some(narrowed)
}
