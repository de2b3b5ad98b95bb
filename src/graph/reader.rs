//! A client that cannot upload.

use waflows_core::meta::Reported;

use super::{CallError, Client, Credentials};

/// The half of a [`Client`] that changes nothing. Whoever is handed one cannot upload, by type. Cheap to clone.
#[derive(Clone)]
pub struct Reader(Client);

impl Client {
    /// The half of this client that changes nothing.
    pub fn reader(&self) -> Reader {
        Reader(self.clone())
    }
}

impl Reader {
    /// What the number holds: see [`Client::read`].
    ///
    /// # Errors
    /// When Meta refuses, does not answer, or a pause is in force.
    pub async fn read(&self, credentials: &Credentials, resource: &str, number: &str) -> Result<Reported, CallError> {
        self.0.read(credentials, resource, number).await
    }
}
