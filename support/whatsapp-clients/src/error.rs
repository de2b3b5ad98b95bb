//! Why no traffic started.

/// Why no traffic started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The HTTP client could not be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    /// There are no clients, numbers, targets or requests.
    #[error("there must be at least one client, one number and one target, and the rate must be above zero")]
    Nothing,
}
