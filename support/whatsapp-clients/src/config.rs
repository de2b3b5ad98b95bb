//! Settings of the traffic.

/// Settings of the traffic, for its whole life.
#[derive(Clone, Debug)]
pub struct Config {
    /// Decides how long each client keeps a key, and every choice of a number, a target and a pause.
    pub seed: u64,
    /// Base URL of the Graph API.
    pub graph_url: String,
    /// The access token for the Graph API. A token of their own keeps the calls of the clients apart from the operator's.
    pub token: String,
    /// The phone number IDs of the business.
    pub numbers: Vec<String>,
    /// URLs of the endpoint's targets at the start.
    pub targets: Vec<String>,
    /// Signs the requests; without a secret they are unsigned.
    pub app_secret: Option<String>,
    /// Count of clients.
    pub clients: usize,
    /// Rate of all clients together.
    pub requests_per_second: f64,
    /// The traffic ends after this many requests.
    pub request_limit: u64,
}
