//! Settings that all HTTP clients of this program share: the user agent, the trusted roots, no redirects. The clients
//! use the proxy variables of the environment.

use reqwest::redirect;

const USER_AGENT: &str = concat!("waflows-operator/", env!("CARGO_PKG_VERSION"));

/// A client builder with the common settings. Requests are meant for one server only, so clients follow no redirects.
pub(crate) fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder().user_agent(USER_AGENT).redirect(redirect::Policy::none()).referer(false)
}

/// The certificates in a PEM file. None if there are no certificates.
pub(crate) fn roots(pem: &[u8]) -> Option<Vec<reqwest::Certificate>> {
    reqwest::Certificate::from_pem_bundle(pem).ok().filter(|roots| !roots.is_empty())
}
