//! Removes credentials from texts. Meta's error messages can contain the refused token.

use std::borrow::Cow;

const REDACTED: &str = "[redacted]";
/// Prefix of every Graph user and system-user token.
const TOKEN_PREFIX: &str = "EA";
/// Minimum number of characters after the prefix for a word to count as a token.
const TOKEN_MIN_TAIL: usize = 20;

/// Removes known secrets, and every word that looks like a Graph token.
pub(super) struct Redactor<'a> {
    secrets: Vec<&'a str>,
}

impl<'a> Redactor<'a> {
    pub(super) fn new(secrets: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        Self { secrets: secrets.into_iter().flatten().collect() }
    }

    /// Removes the secrets and replaces control characters with blanks.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut text = Cow::Borrowed(text);
        for secret in &self.secrets {
            if text.contains(*secret) {
                text = Cow::Owned(text.replace(*secret, REDACTED));
            }
        }
        redact_tokens(&text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

/// Replaces `EA[A-Za-z0-9]{20,}` anywhere in the text.
pub(crate) fn redact_tokens(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(TOKEN_PREFIX) {
        let (before, from) = rest.split_at(start);
        clean.push_str(before);
        let end = from.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(from.len());
        if end >= TOKEN_PREFIX.len() + TOKEN_MIN_TAIL {
            clean.push_str(REDACTED);
            rest = &from[end..];
        } else {
            clean.push_str(TOKEN_PREFIX);
            rest = &from[TOKEN_PREFIX.len()..];
        }
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_secrets_and_token_shapes_disappear() {
        let redactor = Redactor::new([Some("s3cret|token"), Some("proof")]);
        assert_eq!(
            redactor.redact("Malformed access token s3cret|token (proof), xEAAB0123456789012345678901z; EAshort\n"),
            "Malformed access token [redacted] ([redacted]), x[redacted]; EAshort "
        );
    }

    #[test]
    fn every_occurrence_of_the_prefix_is_looked_at() {
        let redactor = Redactor::new([None, None]);
        assert_eq!(redactor.redact("EAEAEA"), "EAEAEA");
        assert_eq!(redactor.redact(&format!("EA-EA{}", "a".repeat(20))), "EA-[redacted]");
        assert_eq!(redactor.redact(&format!("é EA{}é", "9".repeat(19))), format!("é EA{}é", "9".repeat(19)));
    }
}
