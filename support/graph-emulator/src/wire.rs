//! What answers look like: shapes of a read, headers of every answer.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::GraphError;
use crate::keys::KeyState;

/// The field of the key's text.
pub(crate) const KEY_FIELD: &str = "business_public_key";
/// The field of the signature status.
pub(crate) const STATUS_FIELD: &str = "business_public_key_signature_status";

static TRACE_ID: HeaderName = HeaderName::from_static("x-fb-trace-id");
static REQUEST_ID: HeaderName = HeaderName::from_static("x-fb-request-id");
static API_VERSION: HeaderName = HeaderName::from_static("facebook-api-version");

/// How the answer to a read wraps the key's fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ResponseShape {
    /// `{"business_public_key": …}`, as in the Flows encryption guide.
    Flat,
    /// `{"data": [{…}]}`, as in the reference and the live API.
    #[default]
    DataList,
    /// `{"data": {"0": {…}}}`, also seen.
    DataMap,
}

/// How a read of one number differs from the plain answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Presentation {
    /// The shape; the emulator's setting if `None`.
    pub shape: Option<ResponseShape>,
    /// Whether the answer shows the key's text.
    pub key_text: KeyText,
    /// How the key's text is broken into lines.
    pub line_breaks: LineBreaks,
    /// How a number without key looks.
    pub no_key: NoKey,
    /// Fields beside the documented ones.
    pub extra_fields: Map<String, Value>,
    /// The whole body of a successful read, in place of all of the above.
    pub raw_body: Option<String>,
}

/// Whether the answer shows the key's text. Meta's reference has examples of all three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyText {
    /// As it is.
    #[default]
    Reported,
    /// The field is left out.
    Absent,
    /// `" "`.
    Blank,
}

/// How the key's text is broken into lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineBreaks {
    /// As it was uploaded.
    #[default]
    AsSent,
    /// CR LF.
    CrLf,
    /// A backslash and an `n` in place of each line break.
    Escaped,
    /// A blank in place of each line break.
    Spaces,
    /// All base64 on one line.
    OneLine,
    /// 76 columns, and no line break at the end.
    Width76,
}

/// How a number without key looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoKey {
    /// The shape without an entry: `{}`, `{"data": []}`, `{"data": {}}`.
    #[default]
    NoEntry,
    /// The shape with an entry that has no fields: `{}`, `{"data": [{}]}`, `{"data": {"0": {}}}`.
    EmptyEntry,
    /// `{}` in every shape.
    EmptyObject,
    /// The shape with a blank key whose status is `MISMATCH`: seen of numbers that never had one.
    BlankMismatch,
}

#[derive(Serialize)]
struct Node<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    business_public_key: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    business_public_key_signature_status: Option<&'a str>,
    #[serde(flatten)]
    extra: Option<&'a Map<String, Value>>,
}

#[derive(Serialize)]
struct Data<T> {
    data: T,
}

#[derive(Serialize)]
struct Indexed<T> {
    #[serde(rename = "0", skip_serializing_if = "Option::is_none")]
    first: Option<T>,
}

/// What a read found, with all that its body depends on.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) state: KeyState,
    pub(crate) shape: ResponseShape,
    pub(crate) presentation: Option<Arc<Presentation>>,
    pub(crate) fields: Fields,
}

/// The fields that a read asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    pub(crate) key: bool,
    pub(crate) status: bool,
}

impl Fields {
    /// Reads the `fields` parameter; without one, all are meant.
    pub(crate) fn parse(parameter: Option<&str>) -> Result<Self, GraphError> {
        let Some(parameter) = parameter else {
            return Ok(Self { key: true, status: true });
        };
        let mut fields = Self { key: false, status: false };
        for field in parameter.split(',') {
            match field {
                KEY_FIELD => fields.key = true,
                STATUS_FIELD => fields.status = true,
                other => return Err(GraphError::unknown_field(other)),
            }
        }
        Ok(fields)
    }
}

impl View {
    pub(crate) fn body(&self) -> Bytes {
        let presentation = self.presentation.as_deref();
        if let Some(raw) = presentation.and_then(|presentation| presentation.raw_body.as_ref()) {
            return raw.clone().into();
        }
        let no_key = presentation.map_or(NoKey::default(), |presentation| presentation.no_key);
        let shape = presentation.and_then(|presentation| presentation.shape);
        let node = match (&self.state.key, no_key) {
            (Some(_), _) => Some(self.node()),
            (None, NoKey::NoEntry) => None,
            (None, NoKey::EmptyEntry) => Some(Node::EMPTY),
            (None, NoKey::EmptyObject) => return Bytes::from_static(b"{}"),
            (None, NoKey::BlankMismatch) => Some(self.blank_mismatch()),
        };
        match shape.unwrap_or(self.shape) {
            ResponseShape::Flat => json(&node.unwrap_or(Node::EMPTY)),
            ResponseShape::DataList => json(&Data { data: node.as_slice() }),
            ResponseShape::DataMap => json(&Data { data: Indexed { first: node } }),
        }
    }

    fn node(&self) -> Node<'_> {
        let presentation = self.presentation.as_deref();
        let key = self.state.key.as_ref().filter(|_| self.fields.key);
        Node {
            business_public_key: key.and_then(|key| match presentation {
                None => Some(Cow::Borrowed(key.text.as_str())),
                Some(presentation) => presentation.key(&key.text),
            }),
            business_public_key_signature_status: self.fields.status.then_some(self.state.status.as_ref()),
            extra: presentation.map(|presentation| &presentation.extra_fields),
        }
    }

    fn blank_mismatch(&self) -> Node<'_> {
        Node {
            business_public_key: self.fields.key.then_some(Cow::Borrowed(" ")),
            business_public_key_signature_status: self.fields.status.then_some("MISMATCH"),
            extra: None,
        }
    }
}

impl Node<'_> {
    const EMPTY: Self = Self { business_public_key: None, business_public_key_signature_status: None, extra: None };
}

impl Presentation {
    fn key<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        match self.key_text {
            KeyText::Reported => Some(self.line_breaks.apply(text)),
            KeyText::Absent => None,
            KeyText::Blank => Some(Cow::Borrowed(" ")),
        }
    }
}

impl LineBreaks {
    fn apply(self, text: &str) -> Cow<'_, str> {
        let lines: Vec<&str> = text.lines().collect();
        match (self, lines.as_slice()) {
            (Self::CrLf, lines) => (lines.join("\r\n") + "\r\n").into(),
            (Self::Escaped, lines) => (lines.join("\\n") + "\\n").into(),
            (Self::Spaces, lines) => lines.join(" ").into(),
            (Self::OneLine, [begin, base64 @ .., end]) => format!("{begin}\n{}\n{end}\n", base64.concat()).into(),
            (Self::Width76, [begin, base64 @ .., end]) => fold(begin, &base64.concat(), end).into(),
            (Self::AsSent | Self::OneLine | Self::Width76, _) => Cow::Borrowed(text),
        }
    }
}

fn fold(begin: &str, base64: &str, end: &str) -> String {
    let mut text = begin.to_owned();
    for (position, character) in base64.chars().enumerate() {
        if position % 76 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text + "\n" + end
}

/// The contents of the headers of one answer.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) trace_id: String,
    /// The version in the path; the newest where the path has none.
    pub(crate) version: String,
}

impl Envelope {
    pub(crate) fn answer(&self, status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
        if let Ok(trace_id) = HeaderValue::from_str(&self.trace_id) {
            headers.insert(TRACE_ID.clone(), trace_id.clone());
            headers.insert(REQUEST_ID.clone(), trace_id);
        }
        if let Ok(version) = HeaderValue::from_str(&self.version) {
            headers.insert(API_VERSION.clone(), version);
        }
        response
    }

    pub(crate) fn error(&self, error: &GraphError) -> Response<Bytes> {
        let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = self.answer(status, json(&error.body(&self.trace_id)));
        if status == StatusCode::UNAUTHORIZED {
            // Meta repeats the message, and with it perhaps the token, in this header.
            let challenge = format!("OAuth \"Facebook Platform\" \"invalid_token\" \"{}\"", error.message);
            if let Ok(challenge) = HeaderValue::from_str(&challenge) {
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
        }
        response
    }
}

#[expect(clippy::expect_used, reason = "these values have no keys but strings")]
pub(crate) fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("a value with string keys serializes").into()
}
