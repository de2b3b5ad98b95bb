//! PEM blocks in messy text.
//!
//! Strict parsers (RFC 7468) require whole lines. Secrets also hold PEM in one line, with literal
//! `\n`, inside JSON, with non-breaking blanks from a web page. So this parser uses only labels and
//! dashes as delimiters, and treats every character that is not printable ASCII as a blank.

use base64ct::{Base64Unpadded, Encoding};
use zeroize::Zeroizing;

use super::error::{Expected, KeyError};

const BEGIN: &[u8] = b"-----BEGIN";
const END: &[u8] = b"-----END";
const DASHES: &[u8] = b"-----";

/// One block. It may be truncated.
pub(super) struct Block<'a> {
    /// The label without blanks, because copying may lose them.
    label: String,
    body: Result<&'a [u8], KeyError>,
}

/// All blocks, in the order of the text.
pub(super) fn blocks(text: &[u8]) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = after(text, BEGIN);
    while let Some(text) = rest {
        let end = find(text, BEGIN).unwrap_or(text.len());
        blocks.push(Block::parse(&text[..end]));
        rest = after(text, BEGIN);
    }
    blocks
}

/// The block to use if `expected` is wanted. A private key instead of a public key is always
/// chosen, so that it can be reported.
pub(super) fn choose<'b, 'a>(blocks: &'b [Block<'a>], expected: Expected) -> Option<&'b Block<'a>> {
    let labelled = |kind: Expected| blocks.iter().find(move |block| block.is_labelled(kind));
    let leaked = if expected == Expected::PublicKey { labelled(Expected::PrivateKey) } else { None };
    leaked
        .or_else(|| labelled(expected))
        .or_else(|| blocks.iter().find(|block| !block.label.ends_with("PARAMETERS")))
        .or_else(|| blocks.first())
}

impl<'a> Block<'a> {
    /// Parses the text after `-----BEGIN`, up to the next `-----BEGIN`.
    fn parse(text: &'a [u8]) -> Self {
        let length = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b' ').count();
        let (label, rest) = text.split_at(length);
        let body = match rest.strip_prefix(DASHES) {
            None => Err(KeyError::BrokenBeginLine),
            Some(rest) => find(rest, END).map(|end| &rest[..end]).ok_or(KeyError::Truncated),
        };
        Self { label: label.iter().filter(|byte| **byte != b' ').map(|byte| char::from(*byte)).collect(), body }
    }

    fn is_labelled(&self, kind: Expected) -> bool {
        match kind {
            Expected::PrivateKey => self.label.ends_with("PRIVATEKEY"),
            Expected::PublicKey => self.label.ends_with("PUBLICKEY"),
            Expected::Certificate => self.label.ends_with("CERTIFICATE"),
        }
    }

    /// The text between the BEGIN and END lines. An error if the label shows an unusable type.
    pub(super) fn body(&self, expected: Expected) -> Result<&'a [u8], KeyError> {
        match self.label.as_str() {
            "OPENSSHPRIVATEKEY" => Err(KeyError::OpenSshPrivateKey),
            "AGEENCRYPTEDFILE" => Err(KeyError::Age),
            label if label.starts_with("PGP") => Err(KeyError::Pgp),
            "PKCS7" | "CMS" => Err(KeyError::Pkcs7 { expected }),
            _ => self.body.clone(),
        }
    }
}

/// The relevant headers (RFC 1421).
#[derive(Default)]
pub(super) struct Headers {
    /// Zeroized, because in a damaged file this header may contain a part of the key.
    pub(super) dek_info: Option<Zeroizing<String>>,
}

/// Headers and decoded content of a block's body.
pub(super) fn decode(body: &[u8]) -> Result<(Headers, Zeroizing<Vec<u8>>), KeyError> {
    let cleaned = clean(body);
    let mut words = cleaned.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).peekable();
    let mut headers = Headers::default();
    while let Some(word) = words.next_if(|word| word.contains(&b':')) {
        let colon = find(word, b":").unwrap_or_default();
        let (name, value) = (&word[..colon], &word[colon + 1..]);
        let value = if value.is_empty() { words.next().unwrap_or_default() } else { value };
        if name.eq_ignore_ascii_case(b"DEK-Info") {
            headers.dek_info = Some(Zeroizing::new(String::from_utf8_lossy(value).into_owned()));
        }
    }
    let mut base64 = Zeroizing::new(Vec::with_capacity(cleaned.len()));
    words.for_each(|word| base64.extend_from_slice(word));
    Ok((headers, decode_base64(&base64)?))
}

fn decode_base64(base64: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let padding = base64.iter().rev().take_while(|byte| **byte == b'=').count();
    let unpadded = &base64[..base64.len() - padding];
    let mut decoded = Zeroizing::new(vec![0; unpadded.len()]);
    let length = Base64Unpadded::decode(unpadded, &mut decoded).map_err(|_| KeyError::BadBase64)?.len();
    decoded.truncate(length);
    Ok(decoded)
}

/// Replaces every line break, control character, escape sequence and non-ASCII character with one
/// blank.
fn clean(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut cleaned = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' {
            // A single escape is `\n`, a double escape is `\\n`. JSON may also write `\/`.
            while bytes.next_if_eq(&b'\\').is_some() {}
            bytes.next_if(|byte| matches!(byte, b'n' | b'r' | b't'));
            cleaned.push(b' ');
        } else {
            cleaned.push(if byte.is_ascii_graphic() { byte } else { b' ' });
        }
    }
    cleaned
}

fn after<'a>(text: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    find(text, needle).map(|at| &text[at + needle.len()..])
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}
