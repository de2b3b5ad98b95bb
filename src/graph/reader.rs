//! A client that cannot upload.

use waflows_core::discovery::listing::ListedNumber;
use waflows_core::meta::Reported;
use waflows_core::token::TokenFacts;

use super::{AppCredentials, CallError, Client, Credentials};

/// The read-only half of a [`Client`]. Its type cannot upload. Cheap to clone.
#[derive(Clone)]
pub struct Reader(Client);

impl Client {
    /// The read-only half of this client.
    pub fn reader(&self) -> Reader {
        Reader(self.clone())
    }
}

impl Reader {
    /// Reads the key of the number: see [`Client::read`].
    ///
    /// # Errors
    /// If Meta refuses or does not answer, or a hold is in force.
    pub async fn read(&self, credentials: &Credentials, resource: &str, number: &str) -> Result<Reported, CallError> {
        self.0.read(credentials, resource, number).await
    }

    /// Lists the numbers of the account: see [`Client::list_numbers`].
    ///
    /// # Errors
    /// As [`Client::list_numbers`].
    pub async fn list_numbers(
        &self,
        credentials: &Credentials,
        resource: &str,
        account: &str,
    ) -> Result<Vec<ListedNumber>, CallError> {
        self.0.list_numbers(credentials, resource, account).await
    }

    /// Asks what the token may do: see [`Client::inspect_token`].
    ///
    /// # Errors
    /// As [`Client::inspect_token`].
    pub async fn inspect_token(
        &self,
        credentials: &Credentials,
        app: Option<&AppCredentials>,
        resource: &str,
    ) -> Result<TokenFacts, CallError> {
        self.0.inspect_token(credentials, app, resource).await
    }
}
