//! Drops the parts of the API server's answers that the operator never uses, while the answers arrive.
//!
//! A page of a list is in memory as a whole before it is parsed. A user who may write a Secret controls the size of its
//! metadata: 256 KiB of annotations, more of labels and managed fields. With this module, dropped data is in memory
//! only as the piece that has just arrived.

use axum::body::{Body, Bytes, HttpBody};
use futures::StreamExt;
use http::Response;
use waflows_core::api::crd::{MAX_SHORT_TEXT, REQUEST_ANNOTATIONS};

/// Dropped members of an object's metadata, at any depth: no field of a resource has such a name.
const DROPPED: [&[u8]; 4] = [b"managedFields", b"labels", b"ownerReferences", b"finalizers"];
/// Of the annotations, only those are kept with which people ask for something.
const ANNOTATIONS: &[u8] = b"annotations";
/// Limit of an annotation's value, in bytes of JSON: one character takes six bytes at most.
const MAX_ANNOTATION: usize = 6 * MAX_SHORT_TEXT;

/// Removes the dropped parts from an answer. An error answer stays unchanged.
pub(crate) fn sieved<B>(response: Response<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    if !response.status().is_success() {
        return response.map(Body::new);
    }
    let mut sieve = Sieve::default();
    response.map(|body| {
        let parts = Body::new(body).into_data_stream();
        Body::from_stream(parts.map(move |part| part.map(|bytes| sieve.pass(&bytes))))
    })
}

/// Filters JSON in pieces of any length, one document after the other. Invalid JSON is passed on in some form, so that
/// the parser refuses it.
#[derive(Default)]
struct Sieve {
    state: State,
    /// The open containers of the kept part, from the outside in.
    open: Vec<Container>,
    /// Whether the next string is the name of a member.
    expects_name: bool,
    /// The name of the last member.
    name: Vec<u8>,
    escape: Escape,
}

#[derive(Default, Clone, Copy)]
enum State {
    /// Outside of strings, in the kept part.
    #[default]
    Kept,
    /// In the name of a member.
    Name,
    /// In a kept string, after `length` bytes.
    KeptText { length: usize },
    /// Outside of strings, in a dropped part, `depth` containers deep.
    Dropped { depth: usize },
    /// In a string of a dropped part.
    DroppedText { depth: usize },
}

struct Container {
    is_object: bool,
    is_annotations: bool,
    /// Whether at least one member was kept.
    has_members: bool,
}

impl Sieve {
    /// Returns the kept bytes of a piece.
    fn pass(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut kept = Vec::with_capacity(piece.len());
        let mut rest = piece;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            let state = self.state;
            match state {
                State::Kept => self.keep(byte, &mut kept),
                State::Name if self.ends_text(byte) => self.begin_member(&mut kept),
                State::Name => self.name.push(byte),
                State::KeptText { length } => {
                    self.keep_text(byte, length, &mut kept);
                    if self.is_in_plain_text() {
                        // Fast path for most of the kept bytes.
                        let plain;
                        (plain, rest) = rest.split_at(plain_length(rest));
                        kept.extend_from_slice(plain);
                    }
                }
                State::Dropped { depth } => self.drop(byte, depth, &mut kept),
                State::DroppedText { depth } if self.ends_text(byte) => self.state = State::dropped(depth),
                State::DroppedText { .. } if !self.escape.is_open() => {
                    // Fast path for most of the dropped bytes.
                    rest = &rest[plain_length(rest)..];
                }
                State::DroppedText { .. } => {}
            }
        }
        // A page holds what was kept, not the room for what was dropped.
        if kept.len() < piece.len() / 2 {
            kept.shrink_to_fit();
        }
        kept
    }

    /// Whether the next bytes are kept up to the end of the string or the next escape, however many they are.
    fn is_in_plain_text(&self) -> bool {
        let is_annotation = self.open.last().is_some_and(|container| container.is_annotations);
        matches!(self.state, State::KeptText { .. }) && !self.escape.is_open() && !is_annotation
    }

    fn keep(&mut self, byte: u8, kept: &mut Vec<u8>) {
        match byte {
            b'"' => {
                self.escape = Escape::default();
                if self.expects_name {
                    self.name.clear();
                    self.state = State::Name;
                    return;
                }
                self.state = State::KeptText { length: 0 };
            }
            b'{' | b'[' => {
                let is_object = byte == b'{';
                let is_annotations = is_object && self.name == ANNOTATIONS;
                self.open.push(Container { is_object, is_annotations, has_members: false });
                self.expects_name = is_object;
                self.name.clear();
            }
            b'}' | b']' => {
                self.open.pop();
                self.expects_name = false;
                self.name.clear();
            }
            b',' if self.open.last().is_some_and(|container| container.is_object) => {
                // The comma is written with the next kept member.
                self.expects_name = true;
                return;
            }
            _ => {}
        }
        kept.push(byte);
    }

    /// Decides after the name of a member whether the member is kept.
    fn begin_member(&mut self, kept: &mut Vec<u8>) {
        self.expects_name = false;
        self.state = State::Kept;
        let Some(object) = self.open.last_mut() else { return };
        let is_kept = match object.is_annotations {
            true => REQUEST_ANNOTATIONS.iter().any(|kept| self.name == kept.as_bytes()),
            false => !DROPPED.contains(&self.name.as_slice()),
        };
        if !is_kept {
            self.state = State::Dropped { depth: 0 };
            return;
        }
        if std::mem::replace(&mut object.has_members, true) {
            kept.push(b',');
        }
        kept.push(b'"');
        kept.extend_from_slice(&self.name);
        kept.push(b'"');
    }

    fn keep_text(&mut self, byte: u8, length: usize, kept: &mut Vec<u8>) {
        let is_annotation = self.open.last().is_some_and(|container| container.is_annotations);
        let is_full = is_annotation && length >= MAX_ANNOTATION && self.escape.may_be_cut_before(byte);
        let ends = self.ends_text(byte);
        self.state = match (ends, is_full) {
            (true, _) => State::Kept,
            (false, true) => State::DroppedText { depth: 0 },
            (false, false) => State::KeptText { length: length + 1 },
        };
        kept.push(if is_full { b'"' } else { byte });
    }

    fn drop(&mut self, byte: u8, depth: usize, kept: &mut Vec<u8>) {
        match byte {
            b'"' => {
                self.escape = Escape::default();
                self.state = State::DroppedText { depth };
            }
            b'{' | b'[' => self.state = State::Dropped { depth: depth + 1 },
            b'}' | b']' if depth > 0 => self.state = State::dropped(depth - 1),
            // The end of a number or a word.
            b',' | b'}' | b']' if depth == 0 => {
                self.state = State::Kept;
                self.keep(byte, kept);
            }
            _ => {}
        }
    }

    /// Handles one byte of a string. Returns whether it is the closing quote.
    fn ends_text(&mut self, byte: u8) -> bool {
        let ends = byte == b'"' && !self.escape.is_open();
        self.escape.take(byte);
        ends
    }
}

/// How many bytes neither end a string nor begin an escape.
fn plain_length(text: &[u8]) -> usize {
    memchr::memchr2(b'"', b'\\', text).unwrap_or(text.len())
}

impl State {
    /// The state after a value, or a part of a value, in a dropped part.
    fn dropped(depth: usize) -> Self {
        if depth == 0 { Self::Kept } else { Self::Dropped { depth } }
    }
}

/// State of an escape sequence in a string.
#[derive(Default)]
struct Escape {
    /// Remaining bytes of the escape sequence.
    left: u8,
    /// The first hexadecimal digit.
    digit: u8,
    /// Whether the last escape was the first half of a surrogate pair.
    is_half: bool,
}

impl Escape {
    fn is_open(&self) -> bool {
        self.left > 0
    }

    fn may_be_cut_before(&self, byte: u8) -> bool {
        let continues_character = byte & 0xC0 == 0x80;
        !self.is_open() && !self.is_half && !continues_character
    }

    fn take(&mut self, byte: u8) {
        match (self.left, byte) {
            (0, b'\\') => self.left = 5,
            (0, _) => self.is_half = false,
            (5, b'u') => self.left = 4,
            (5, _) => (self.left, self.is_half) = (0, false),
            (4, digit) => (self.left, self.digit) = (3, digit),
            (3, digit) => {
                self.left = 2;
                self.is_half = matches!((self.digit, digit), (b'd' | b'D', b'8' | b'9' | b'a'..=b'b' | b'A'..=b'B'));
            }
            _ => self.left -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};
    use waflows_core::api::crd::SYNC_ANNOTATION;

    use super::*;

    /// In pieces of these lengths, over and over.
    fn pass(text: &str, lengths: &[usize]) -> Vec<u8> {
        let (mut sieve, mut kept, mut rest) = (Sieve::default(), Vec::new(), text.as_bytes());
        for length in lengths.iter().cycle() {
            let (piece, after) = rest.split_at((*length).min(rest.len()));
            kept.extend(sieve.pass(piece));
            rest = after;
            if rest.is_empty() {
                return kept;
            }
        }
        kept
    }

    fn expected(value: &Value, is_annotations: bool) -> Value {
        match value {
            Value::Object(members) => {
                let is_kept = |name: &str| match is_annotations {
                    true => REQUEST_ANNOTATIONS.contains(&name),
                    false => !DROPPED.contains(&name.as_bytes()),
                };
                let kept = members.iter().filter(|(name, _)| is_kept(name));
                let kept = kept.map(|(name, value)| (name.clone(), expected(value, name.as_bytes() == ANNOTATIONS)));
                kept.collect::<Map<_, _>>().into()
            }
            Value::Array(items) => items.iter().map(|item| expected(item, false)).collect(),
            other => other.clone(),
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let name = prop_oneof![
            Just("annotations".to_owned()),
            Just("labels".to_owned()),
            Just("managedFields".to_owned()),
            prop::sample::select(REQUEST_ANNOTATIONS.to_vec()).prop_map(str::to_owned),
            "[a-c\"\\\\{}\\[\\],: ]{0,3}",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-c\"\\\\{}\\[\\],: \u{1}é🔑]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((name.clone(), inner), 0..5)
                    .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_looked_at_is_kept_however_it_arrives(
            documents in prop::collection::vec(any_json(), 1..3),
            is_pretty: bool,
            lengths in prop::collection::vec(1_usize..20, 1..4),
        ) {
            let print = if is_pretty { serde_json::to_string_pretty } else { serde_json::to_string };
            let lines: Vec<_> = documents.iter().map(|document| print(document).unwrap()).collect();
            let kept = pass(&(lines.join("\n") + "\n"), &lengths);
            let kept: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(&kept).into_iter().collect();
            let expected: Vec<_> = documents.iter().map(|document| expected(document, false)).collect();
            prop_assert_eq!(kept.unwrap(), expected);
        }

        #[test]
        fn what_is_no_json_harms_nobody(bytes: Vec<u8>, text in "[\\[\\]{}\",:\\\\a]{0,40}") {
            let mut sieve = Sieve::default();
            sieve.pass(&bytes);
            sieve.pass(text.as_bytes());
        }
    }

    #[test]
    fn the_annotation_that_counts_is_cut_between_characters() {
        for character in ["a", "é", "🔑", "\"", "\\", "\n", "\u{1}"] {
            let object = json!({"annotations": {SYNC_ANNOTATION: character.repeat(5000), "b": "c"}, "name": "a"});
            let kept: Value = serde_json::from_slice(&pass(&object.to_string(), &[7])).unwrap();
            let text = kept["annotations"][SYNC_ANNOTATION].as_str().unwrap();
            assert!(character.repeat(5000).starts_with(text), "{text}");
            assert!((MAX_SHORT_TEXT..=MAX_ANNOTATION + 4).contains(&text.len()), "{character:?}: {}", text.len());
            assert_eq!(kept["name"], "a");
        }
        // As other encoders than the API server's write it: a pair is not torn.
        let text = format!(r#"{{"annotations":{{"{SYNC_ANNOTATION}":"ab{}"}}}}"#, "\\uD83D\\uDE00".repeat(500));
        let kept: Value = serde_json::from_slice(&pass(&text, &[1])).unwrap();
        assert!(kept["annotations"][SYNC_ANNOTATION].as_str().unwrap().ends_with('😀'));
    }

    #[test]
    fn documents_stay_in_lines_of_their_own() {
        let event = r#"{"type":"ADDED","object":{"metadata":{"name":"a","labels":{"b":"c"}}}}"#;
        let text = format!("{event}\n{event}\n");
        assert_eq!(pass(&text, &[1000]), text.replace(r#","labels":{"b":"c"}"#, "").as_bytes());
    }

    #[tokio::test]
    async fn a_failure_is_passed_on_as_it_is() {
        let said = r#"{"kind":"Status","labels":"x"}"#;
        for (code, expected) in [(403, said), (200, r#"{"kind":"Status"}"#)] {
            let response = Response::builder().status(code).body(Body::from(said)).unwrap();
            let body = axum::body::to_bytes(sieved(response).into_body(), 1000).await.unwrap();
            assert_eq!(body, expected);
        }
    }
}
