//! The targets of the command line.

use reqwest::Url;

/// Prefix of the name of a resource.
const RESOURCE: &str = "fek/";

/// A target to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// The endpoint at this URL.
    Url(Url),
    /// The endpoint of the resource with this name.
    Resource(String),
}

/// The reasons for which a target cannot be asked. A message does not repeat text that may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No name behind `fek/`.
    #[error("fek/ needs the name of a FlowsEncryptionKey, such as fek/storefront")]
    NoName,
    /// A host without a scheme, such as `https://`.
    #[error("{0:?} has no scheme: write https:// before it, or http:// for an endpoint without TLS")]
    NoScheme(String),
    /// A scheme other than http and https.
    #[error("ping does not support {0}:// URLs: give a URL with https:// or http://")]
    OtherScheme(String),
    /// A user name or a password before the host.
    #[error("the URL has a user name or a password, which Meta does not send: remove it")]
    Credentials,
    /// Any other text.
    #[error("not a URL such as https://flows.example.com/flows: {0}")]
    NoUrl(String),
}

impl Target {
    pub(super) fn parse(text: &str) -> Result<Self, TargetError> {
        if let Some(name) = text.strip_prefix(RESOURCE) {
            return if name.is_empty() { Err(TargetError::NoName) } else { Ok(Self::Resource(name.to_owned())) };
        }
        if text.trim().is_empty() {
            return Err(TargetError::NoUrl("it is empty".to_owned()));
        }
        if !text.contains("://") {
            // The text before an @ may be a password.
            let shown = text.rsplit('@').next().unwrap_or_default();
            return Err(TargetError::NoScheme(shown.to_owned()));
        }
        let url = Url::parse(text).map_err(|error| TargetError::NoUrl(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(TargetError::OtherScheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::Credentials);
        }
        Ok(Self::Url(url))
    }

    /// The target for the report. A URL is without its query: the query may hold a secret, and the report goes to logs of
    /// CI.
    pub(super) fn shown(&self) -> String {
        let mut url = match self {
            Self::Url(url) => url.clone(),
            Self::Resource(name) => return format!("{RESOURCE}{name}"),
        };
        url.set_fragment(None);
        let query = if url.query().is_some() { "?…" } else { "" };
        url.set_query(None);
        format!("{url}{query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_may_be_secret() {
        let shown = |text: &str| Target::parse(text).map(|target| target.shown());
        assert_eq!(shown("https://flows.example.com/flows").as_deref(), Ok("https://flows.example.com/flows"));
        assert_eq!(shown("http://127.0.0.1:8080").as_deref(), Ok("http://127.0.0.1:8080/"));
        assert_eq!(shown("https://a.test/f?token=passw0rd#passw0rd").as_deref(), Ok("https://a.test/f?…"));
        for text in ["https://user:passw0rd@a.test/", "https://passw0rd@a.test/", "u:passw0rd@a.test/flows"] {
            let error = shown(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("passw0rd"), "{error:?}");
        }
    }

    #[test]
    fn what_is_no_url_is_told_apart() {
        let error = |text: &str| Target::parse(text).unwrap_err().to_string();
        assert!(error("fek/").contains("needs the name"));
        assert!(error("flows.example.com/flows").contains("write https:// before it"));
        assert!(error("localhost:8080").contains("\"localhost:8080\" has no scheme"));
        assert!(error("ftp://flows.example.com").contains("does not support ftp://"));
        assert!(error("").contains("it is empty"));
        assert!(error("https://").contains("not a URL"));
        assert!(error("https://a b/").contains("not a URL"));
    }
}
