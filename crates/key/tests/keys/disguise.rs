//! PEM files after copying and pasting.

use proptest::prelude::*;

/// A change of a PEM file by a tool or a person.
#[derive(Debug, Clone)]
pub(crate) struct Disguise {
    line_break: &'static str,
    width: Option<usize>,
    indent: &'static str,
    before: &'static str,
    after: &'static str,
    encoding: Encoding,
}

#[derive(Debug, Clone, Copy)]
enum Encoding {
    Plain,
    ByteOrderMark,
    Utf16LittleEndian,
    Utf16BigEndian,
}

/// All changes that the parser must tolerate.
pub(crate) fn any_disguise() -> impl Strategy<Value = Disguise> {
    use proptest::sample::select;
    let line_breaks = vec!["\n", "\r\n", "\r", " ", "\\n", "\\r\\n", "\\\\n", "\n\n", " \n", "\t", "\u{a0}\n", "\\n\n"];
    let before = vec![
        "",
        "\n",
        " ",
        "\"",
        "'",
        "Bag Attributes\n    localKeyID: 01 02\nKey Attributes: <None>\n",
        "private.pem: |\n",
        "{\"private_key\": \"",
        "Private-Key: (2048 bit, 2 primes)\n",
        "Schlüssel\n",
    ];
    let after = vec!["", "\n", "\n\n", "\"", "\"}", " \t ", "\u{0}", "\n# end of file\n"];
    let encodings =
        vec![Encoding::Plain, Encoding::ByteOrderMark, Encoding::Utf16LittleEndian, Encoding::Utf16BigEndian];
    (
        select(line_breaks),
        proptest::option::of(1usize..200),
        select(vec!["", " ", "    ", "\t"]),
        select(before),
        select(after),
        select(encodings),
    )
        .prop_map(|(line_break, width, indent, before, after, encoding)| Disguise {
            line_break,
            width,
            indent,
            before,
            after,
            encoding,
        })
}

impl Disguise {
    /// The resulting value in the Secret.
    pub(crate) fn apply(&self, pem: &str) -> Vec<u8> {
        let lines: Vec<String> = match self.width {
            Some(width) => rewrapped(pem, width),
            None => pem.lines().map(str::to_owned).collect(),
        };
        let lines: Vec<String> = lines.iter().map(|line| format!("{}{line}", self.indent)).collect();
        let text = format!("{}{}{}", self.before, lines.join(self.line_break), self.after);
        match self.encoding {
            Encoding::Plain => text.into_bytes(),
            Encoding::ByteOrderMark => format!("\u{feff}{text}").into_bytes(),
            Encoding::Utf16LittleEndian => utf16(&text, u16::to_le_bytes),
            Encoding::Utf16BigEndian => utf16(&text, u16::to_be_bytes),
        }
    }
}

/// Base64 lines of another length. The BEGIN and END lines and the headers stay unchanged.
fn rewrapped(pem: &str, width: usize) -> Vec<String> {
    let is_base64 = |line: &&str| !line.starts_with('-') && !line.contains(':') && !line.is_empty();
    let body: String = pem.lines().filter(is_base64).collect();
    let mut lines: Vec<String> = pem.lines().filter(|line| !is_base64(line)).map(str::to_owned).collect();
    let end = lines.pop().unwrap();
    lines.extend(body.as_bytes().chunks(width).map(|line| String::from_utf8(line.to_vec()).unwrap()));
    lines.push(end);
    lines
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(bytes).collect()
}
