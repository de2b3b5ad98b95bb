//! Errors in the form Meta gives them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The `error` object of a Graph answer, with its HTTP status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphError {
    /// HTTP status.
    pub status: u16,
    /// `code`.
    pub code: i64,
    /// `message`.
    pub message: String,
    /// `type`.
    #[serde(rename = "type", default = "oauth_exception")]
    pub kind: String,
    /// `error_subcode`.
    #[serde(default)]
    pub subcode: Option<i64>,
    /// `is_transient`.
    #[serde(default)]
    pub is_transient: Option<bool>,
    /// `error_user_title`.
    #[serde(default)]
    pub user_title: Option<Box<str>>,
    /// `error_user_msg`.
    #[serde(default)]
    pub user_message: Option<Box<str>>,
    /// `error_data`.
    #[serde(default)]
    pub data: Option<Box<Value>>,
}

fn oauth_exception() -> String {
    "OAuthException".to_owned()
}

#[derive(Serialize)]
struct Answer<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    code: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_subcode: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_transient: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_user_title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_user_msg: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_data: Option<&'a Value>,
    fbtrace_id: &'a str,
}

impl GraphError {
    /// An `OAuthException` with nothing but a code and a message.
    pub fn new(status: u16, code: i64, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            kind: oauth_exception(),
            subcode: None,
            is_transient: None,
            user_title: None,
            user_message: None,
            data: None,
        }
    }

    /// With an `error_subcode`.
    #[must_use]
    pub fn subcode(mut self, subcode: i64) -> Self {
        self.subcode = Some(subcode);
        self
    }

    /// With a `type` other than `OAuthException`.
    #[must_use]
    pub fn kind(mut self, kind: &str) -> Self {
        self.kind = kind.to_owned();
        self
    }

    /// With `is_transient`.
    #[must_use]
    pub fn transient(mut self, is_transient: bool) -> Self {
        self.is_transient = Some(is_transient);
        self
    }

    /// With `error_user_title` and `error_user_msg`.
    #[must_use]
    pub fn for_user(mut self, title: &str, message: &str) -> Self {
        self.user_title = Some(title.into());
        self.user_message = Some(message.into());
        self
    }

    /// With `error_data`.
    #[must_use]
    pub fn data(mut self, data: Value) -> Self {
        self.data = Some(Box::new(data));
        self
    }

    /// The answer's body.
    pub(crate) fn body<'a>(&'a self, trace_id: &'a str) -> impl Serialize + 'a {
        Answer {
            error: Body {
                message: &self.message,
                kind: &self.kind,
                code: self.code,
                error_subcode: self.subcode,
                is_transient: self.is_transient,
                error_user_title: self.user_title.as_deref(),
                error_user_msg: self.user_message.as_deref(),
                error_data: self.data.as_deref(),
                fbtrace_id: trace_id,
            },
        }
    }

    pub(crate) fn unknown_path(path: &str) -> Self {
        Self::new(400, 2500, format!("Unknown path components: {path}"))
    }

    pub(crate) fn unknown_alias(id: &str) -> Self {
        let message = format!("(#803) Some of the aliases you requested do not exist: {id}");
        Self::new(404, 803, message)
    }

    /// An object that does not exist, or that the token may not see: Meta gives the same answer for both.
    pub(crate) fn unsupported(method: &http::Method, id: &str) -> Self {
        let message = format!(
            "Unsupported {} request. Object with ID '{id}' does not exist, cannot be loaded due to \
             missing permissions, or does not support this operation. Please read the Graph API \
             documentation at https://developers.facebook.com/docs/graph-api",
            method.as_str().to_ascii_lowercase()
        );
        Self::new(400, 100, message).subcode(33).kind("GraphMethodException")
    }

    /// The WABA's ID in place of a phone number's.
    pub(crate) fn no_such_edge_of_waba() -> Self {
        Self::no_such_field("whatsapp_business_encryption", "WhatsAppBusinessAccount")
    }

    pub(crate) fn unknown_field(field: &str) -> Self {
        Self::no_such_field(field, "WhatsAppBusinessEncryption")
    }

    /// An edge or a field that this kind of object does not have.
    pub(crate) fn no_such_field(field: &str, node: &str) -> Self {
        Self::new(400, 100, format!("(#100) Tried accessing nonexisting field ({field}) on node type ({node})"))
    }

    /// An inspection by a token that is neither the app's own nor that of a developer of the app.
    pub(crate) fn not_an_app_token() -> Self {
        let message = "(#100) You must provide an app access token, or a user access token that is an owner or \
                       developer of the app";
        Self::new(400, 100, message)
    }

    /// In the words of an inspection: Meta repeats the token.
    pub(crate) fn expired_token_of(token: &str) -> Self {
        Self::new(401, 190, format!("Error validating access token {token}: Session has expired.")).subcode(463)
    }

    pub(crate) fn missing_token() -> Self {
        let message = "An access token is required to request this resource.";
        Self::new(401, 104, message)
    }

    /// Meta repeats the token in this message.
    pub(crate) fn malformed_token(token: &str) -> Self {
        Self::new(401, 190, format!("Malformed access token {token}"))
    }

    pub(crate) fn expired_token() -> Self {
        let message = "Error validating access token: Session has expired on Thursday, 01-Jan-26 \
                       00:00:00 PST. The current time is Friday, 02-Jan-26 00:00:00 PST.";
        Self::new(401, 190, message).subcode(463)
    }

    pub(crate) fn missing_permission() -> Self {
        let message = "(#200) You do not have the necessary permissions required to send messages \
                       on behalf of this WhatsApp Business Account";
        Self::new(403, 200, message).subcode(1_349_174)
    }

    pub(crate) fn missing_proof() -> Self {
        let message = "API calls from the server require an appsecret_proof argument";
        Self::new(400, 100, message).kind("GraphMethodException")
    }

    pub(crate) fn wrong_proof() -> Self {
        let message = "Invalid appsecret_proof provided in the API argument";
        Self::new(400, 100, message).kind("GraphMethodException")
    }

    pub(crate) fn blocked() -> Self {
        let message = "(#368) Temporarily blocked for policies violations";
        Self::new(403, 368, message)
    }

    pub(crate) fn not_registered() -> Self {
        Self::new(400, 133_010, "(#133010) Account not registered")
            .for_user("Account not registered", "The phone number is not registered on the WhatsApp Business Platform.")
    }

    /// Meta documents no subcode for a refused key; this one only has to differ from 33.
    pub(crate) fn invalid_parameter(user_message: &str) -> Self {
        Self::new(400, 100, "(#100) Invalid parameter").subcode(2_388_103).for_user("Invalid parameter", user_message)
    }
}
