//! The credentials of a call: the access token and, if the app requires it, a proof of the app secret.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use base64ct::{Base64, Encoding};
use hmac::{Hmac, Mac};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use waflows_core::status::secrets::{MAX_CREDENTIAL_BYTES, MalformedCredential};
use waflows_probe::SigningSecret;
use zeroize::Zeroizing;

use super::redact::Redactor;

/// Prefix of a token in an HTTP header.
const SCHEME: &[u8] = b"Bearer ";
/// Minimum length of a decoded text that looks like a credential. Shorter printable texts may be chance. Tokens and app
/// secrets are longer.
const MIN_TELLING: usize = 16;

/// A Graph access token. Debug does not show the token; its memory is zeroized on drop.
#[derive(Debug, Clone)]
pub struct AccessToken(SecretString);

/// A Meta app's secret. Debug does not show the secret; its memory is zeroized on drop.
#[derive(Debug, Clone)]
pub struct AppSecret(SecretString);

impl AccessToken {
    /// Reads a token from the bytes of a Secret. White space around the token is ignored.
    pub fn new(bytes: &[u8]) -> Result<Self, MalformedCredential> {
        printable(bytes).map(|text| Self(text.into()))
    }
}

impl AppSecret {
    /// Reads an app secret from the bytes of a Secret. White space around the app secret is ignored.
    pub fn new(bytes: &[u8]) -> Result<Self, MalformedCredential> {
        printable(bytes).map(|text| Self(text.into()))
    }

    /// The secret for the signature of a request to a Flow endpoint, as Meta makes it.
    pub(crate) fn signing(&self) -> SigningSecret {
        SigningSecret::new(self.0.expose_secret().as_bytes())
    }
}

fn printable(bytes: &[u8]) -> Result<&str, MalformedCredential> {
    let text = bytes.trim_ascii();
    if text.is_empty() {
        return Err(MalformedCredential::Empty);
    }
    if text.len() > MAX_CREDENTIAL_BYTES {
        return Err(MalformedCredential::TooLong);
    }
    if matches!(text, [b'"', .., b'"'] | [b'\'', .., b'\'']) {
        return Err(MalformedCredential::Quoted);
    }
    if text.get(..SCHEME.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(SCHEME)) {
        return Err(MalformedCredential::Bearer);
    }
    if is_base64_of_text(text) {
        return Err(MalformedCredential::DoubleBase64);
    }
    if !text.iter().all(u8::is_ascii_graphic) {
        return Err(MalformedCredential::Characters);
    }
    std::str::from_utf8(text).map_err(|_| MalformedCredential::Characters)
}

/// Whether the text is base64, in one line or several, of a text that could be a credential. A real credential may also
/// look like base64, but does not decode to a text.
fn is_base64_of_text(text: &[u8]) -> bool {
    // Allocate the full size at the start: a growing vector would leave copies in memory.
    let mut encoded = Zeroizing::new(Vec::with_capacity(text.len()));
    encoded.extend(text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()));
    let mut decoded = Zeroizing::new(vec![0; encoded.len()]);
    Base64::decode(encoded.as_slice(), &mut decoded).is_ok_and(|decoded| {
        let decoded = decoded.trim_ascii();
        decoded.len() >= MIN_TELLING && decoded.iter().all(u8::is_ascii_graphic)
    })
}

/// A token, ready for use: its header, its proof, and an ID that does not reveal the token.
#[derive(Debug, Clone)]
pub struct Credentials {
    token: AccessToken,
    proof: Option<SecretString>,
    id: CredentialsId,
    origin: Arc<str>,
    app_secret: Option<AppSecret>,
    /// Other secrets that a call with these credentials holds.
    beside: Vec<SecretString>,
}

/// An ID that does not reveal the credentials: a hash with a random key of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CredentialsId(u64);

impl Credentials {
    /// `appsecret_proof` is the lowercase hex HMAC-SHA256 of the token under the app secret
    /// (Meta, "Securing Graph API requests").
    pub fn new(token: AccessToken, app_secret: Option<&AppSecret>) -> Self {
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let proof = app_secret.map(|secret| proof(&token, secret));
        let id =
            CredentialsId(KEY.hash_one((token.0.expose_secret(), proof.as_ref().map(ExposeSecret::expose_secret))));
        Self { token, proof, id, origin: Arc::default(), app_secret: app_secret.cloned(), beside: Vec::new() }
    }

    /// Sets the origin for messages: Secret and entry.
    #[must_use]
    pub fn from_origin(self, origin: &str) -> Self {
        Self { origin: origin.into(), ..self }
    }

    /// The origin for messages: Secret and entry. Unchanged if the Secret gets a new token.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The app with this ID and the app secret, if there is one.
    pub fn app(&self, id: &str) -> Option<AppCredentials> {
        self.app_secret.as_ref().map(|secret| AppCredentials::new(id, secret))
    }

    /// The ID by which the rate limiter knows these credentials.
    pub fn id(&self) -> CredentialsId {
        self.id
    }

    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let text = Zeroizing::new(format!("Bearer {}", self.token.0.expose_secret()));
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    pub(super) fn proof(&self) -> Option<&str> {
        self.proof.as_ref().map(ExposeSecret::expose_secret)
    }

    pub(super) fn redactor(&self) -> Redactor<'_> {
        let app_secret = self.app_secret.as_ref().map(|secret| &secret.0);
        let beside = self.beside.iter().chain(app_secret).map(|secret| Some(secret.expose_secret()));
        Redactor::new([Some(self.token.0.expose_secret()), self.proof()].into_iter().chain(beside))
    }

    /// The token itself, for the parameter of an inspection.
    pub(super) fn exposed_token(&self) -> &str {
        self.token.0.expose_secret()
    }

    /// The same, with the other token among the secrets that no text may hold.
    #[must_use]
    pub(super) fn redacting(mut self, other: &Self) -> Self {
        self.beside.push(other.token.0.clone());
        self
    }
}

/// An app, which may inspect all of its tokens.
#[derive(Debug, Clone)]
pub struct AppCredentials {
    id: String,
    secret: AppSecret,
}

impl AppCredentials {
    /// The app with this ID and secret.
    pub fn new(id: &str, secret: &AppSecret) -> Self {
        Self { id: id.to_owned(), secret: secret.clone() }
    }

    /// The app's own access token: `APP_ID|APP_SECRET` (Meta, "Access tokens").
    pub(super) fn token(&self) -> Credentials {
        let secret = &self.secret.0;
        let token = Zeroizing::new(format!("{}|{}", self.id, secret.expose_secret()));
        let mut credentials = Credentials::new(AccessToken(token.as_str().into()), None);
        credentials.beside.push(secret.clone());
        credentials
    }
}

fn proof(token: &AccessToken, secret: &AppSecret) -> SecretString {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.0.expose_secret().as_bytes()).expect("a key of any length");
    mac.update(token.0.expose_secret().as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use base64::Engine;

    use super::*;

    #[test]
    fn white_space_around_a_token_is_dropped_and_inside_it_is_refused() {
        assert!(AccessToken::new(b" EAAtoken\r\n").is_ok());
        assert_eq!(AccessToken::new(b" \n").unwrap_err(), MalformedCredential::Empty);
        assert_eq!(AccessToken::new(b"EAA token").unwrap_err(), MalformedCredential::Characters);
        assert_eq!(AccessToken::new("EAAtökén".as_bytes()).unwrap_err(), MalformedCredential::Characters);
    }

    #[test]
    fn what_was_stored_around_a_token_is_named() {
        let token = "EAAGm0PX4ZCpsBAO9ZBZAq0123456789";
        let with_line_break = base64::engine::general_purpose::STANDARD.encode(format!("{token}\n"));
        let (first_line, rest) = with_line_break.split_at(20);
        let cases = [
            (format!("\"{token}\"\n"), MalformedCredential::Quoted),
            (format!("'{token}'"), MalformedCredential::Quoted),
            ("x".repeat(MAX_CREDENTIAL_BYTES + 1), MalformedCredential::TooLong),
            ("\"\"".to_owned(), MalformedCredential::Quoted),
            (format!("Bearer {token}"), MalformedCredential::Bearer),
            (format!("bearer {token}\n"), MalformedCredential::Bearer),
            (with_line_break.clone(), MalformedCredential::DoubleBase64),
            (format!("{first_line}\n{rest}\n"), MalformedCredential::DoubleBase64),
        ];
        for (stored, expected) in cases {
            assert_eq!(AccessToken::new(stored.as_bytes()).unwrap_err(), expected, "{stored}");
            assert!(!expected.to_string().contains(token));
        }
        // These only look like base64: a token, an app secret, an app's own token.
        for fine in [token, "0123456789abcdef0123456789abcdef", "1234|abcdefghijklmnop", "\"", "Bearer"] {
            assert!(AccessToken::new(fine.as_bytes()).is_ok(), "{fine}");
        }
    }

    #[test]
    fn the_proof_is_the_hmac_of_the_token_under_the_app_secret() {
        // printf %s token | openssl dgst -sha256 -hmac secret
        let credentials =
            Credentials::new(AccessToken::new(b"token").unwrap(), Some(&AppSecret::new(b"secret").unwrap()));
        assert_eq!(credentials.proof(), Some("e941110e3d2bfe82621f0e3e1434730d7305d106c5f68c87165d0b27a4611a4a"));
    }

    #[test]
    fn debug_shows_nothing() {
        let credentials =
            Credentials::new(AccessToken::new(b"EAAtoken").unwrap(), Some(&AppSecret::new(b"app-secret").unwrap()));
        let text = format!("{credentials:?} {:?}", credentials.authorization());
        assert!(!text.contains("EAAtoken") && !text.contains("app-secret"), "{text}");
        assert!(!text.contains(credentials.proof().unwrap()), "{text}");
    }

    #[test]
    fn the_same_token_with_another_app_secret_is_another_credential() {
        let token = || AccessToken::new(b"token").unwrap();
        let bare = Credentials::new(token(), None);
        let proven = Credentials::new(token(), Some(&AppSecret::new(b"a").unwrap()));
        assert_ne!(bare.id(), proven.id());
        assert_eq!(bare.id(), Credentials::new(token(), None).id());
    }
}
