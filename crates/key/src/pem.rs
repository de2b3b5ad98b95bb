//! PEM blocks in messy text.
//!
//! Stricter parsers (RFC 7468) want whole lines. Secrets also hold PEM in one line, with literal
//! `\n`, inside JSON, with non-breaking blanks from a web page. So only labels and dashes delimit
//! here, and all that is not a printable ASCII character is a blank.

use base64ct::{Base64Unpadded, Encoding};
use zeroize::Zeroizing;

use super::error::{Expected, KeyError};

const BEGIN: &[u8] = b"-----BEGIN";
const END: &[u8] = b"-----END";
const DASHES: &[u8] = b"-----";

/// One block, or the begin of one.
pub(super) struct Block<'a> {
    /// Without blanks: they get lost.
    label: String,
    body: Result<&'a [u8], KeyError>,
}

/// All blocks, in their order.
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

/// The block that matters where `expected` belongs. A private key in place of a public one always
/// does.
pub(super) fn choose<'b, 'a>(blocks: &'b [Block<'a>], expected: Expected) -> Option<&'b Block<'a>> {
    let labelled = |kind: Expected| blocks.iter().find(move |block| block.is_labelled(kind));
    let leaked = if expected == Expected::PublicKey { labelled(Expected::PrivateKey) } else { None };
    leaked
        .or_else(|| labelled(expected))
        .or_else(|| blocks.iter().find(|block| !block.label.ends_with("PARAMETERS")))
        .or_else(|| blocks.first())
}

impl<'a> Block<'a> {
    /// From what follows `-----BEGIN`, up to the next one.
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

    /// What stands between its BEGIN and END lines, unless the label tells that it is of no use.
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

/// The headers (RFC 1421) that matter.
#[derive(Default)]
pub(super) struct Headers {
    /// A mangled file may have a piece of its key in this place.
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

/// With one blank for every line break, control character, escape sequence and character that is
/// not ASCII.
fn clean(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut cleaned = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' {
            // One escape is `\n`, an escaped escape `\\n`; JSON may write `\/`.
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
