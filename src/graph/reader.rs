//! A client that cannot upload.

use waflows_core::meta::Reported;

use super::{CallError, Client, Credentials};

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
}
