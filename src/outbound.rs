//! What the HTTP clients of this program have in common: who they say they are, whom they trust, and that they go nowhere
//! but where they were sent. Proxy variables of the environment are honoured.

use reqwest::redirect;

const USER_AGENT: &str = concat!("waflows-operator/", env!("CARGO_PKG_VERSION"));

/// A client to be completed. What it sends is meant for one place: redirects are not followed.
pub(crate) fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder().user_agent(USER_AGENT).redirect(redirect::Policy::none()).referer(false)
}

/// The certificates in a PEM file; none where there is not one.
pub(crate) fn roots(pem: &[u8]) -> Option<Vec<reqwest::Certificate>> {
    reqwest::Certificate::from_pem_bundle(pem).ok().filter(|roots| !roots.is_empty())
}
