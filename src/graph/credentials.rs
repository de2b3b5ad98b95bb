//! What authenticates a call: the access token and, where the app demands it, a proof of the app secret.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use hmac::{Hmac, Mac};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::redact::Redactor;

/// A Graph access token. Debug shows nothing of it; its memory is zeroized on drop.
#[derive(Debug, Clone)]
pub struct AccessToken(SecretString);

/// A Meta app's secret. Debug shows nothing of it; its memory is zeroized on drop.
#[derive(Debug, Clone)]
pub struct AppSecret(SecretString);

/// Why bytes of a Secret are no credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedCredential {
    /// Nothing but white space.
    #[error("is empty")]
    Empty,
    /// Something that cannot stand in an HTTP header.
    #[error("contains line breaks, blanks or other characters that no token has; store the bare token, nothing else")]
    Characters,
}

impl AccessToken {
    /// Reads a token from the bytes of a Secret; white space around it is dropped.
    pub fn new(bytes: &[u8]) -> Result<Self, MalformedCredential> {
        printable(bytes).map(|text| Self(text.into()))
    }
}

impl AppSecret {
    /// Reads an app secret from the bytes of a Secret; white space around it is dropped.
    pub fn new(bytes: &[u8]) -> Result<Self, MalformedCredential> {
        printable(bytes).map(|text| Self(text.into()))
    }
}

fn printable(bytes: &[u8]) -> Result<&str, MalformedCredential> {
    let text = bytes.trim_ascii();
    if text.is_empty() {
        return Err(MalformedCredential::Empty);
    }
    if !text.iter().all(u8::is_ascii_graphic) {
        return Err(MalformedCredential::Characters);
    }
    std::str::from_utf8(text).map_err(|_| MalformedCredential::Characters)
}

/// A token, ready for use: its header, its proof, and a name for it that gives nothing away.
#[derive(Debug, Clone)]
pub struct Credentials {
    token: AccessToken,
    proof: Option<SecretString>,
    id: CredentialsId,
    origin: Arc<str>,
}

/// Names credentials without telling them: a hash under a key that lives as long as the process.
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
        Self { token, proof, id, origin: Arc::default() }
    }

    /// The same, with the words for where they come from: Secret and entry.
    #[must_use]
    pub fn from_origin(self, origin: &str) -> Self {
        Self { origin: origin.into(), ..self }
    }

    /// Where they come from, in words. Stays the same where a Secret gets a better token.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The name by which pacing knows these credentials.
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
        Redactor::new([Some(self.token.0.expose_secret()), self.proof()])
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
    use super::*;

    #[test]
    fn white_space_around_a_token_is_dropped_and_inside_it_is_refused() {
        assert!(AccessToken::new(b" EAAtoken\r\n").is_ok());
        assert_eq!(AccessToken::new(b" \n").unwrap_err(), MalformedCredential::Empty);
        assert_eq!(AccessToken::new(b"EAA token").unwrap_err(), MalformedCredential::Characters);
        assert_eq!(AccessToken::new("EAAtökén".as_bytes()).unwrap_err(), MalformedCredential::Characters);
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
