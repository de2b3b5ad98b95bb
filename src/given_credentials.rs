//! The credentials that a command line names: those of a resource in the cluster, or those in files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kube::Api;
use waflows_core::status::secrets::MalformedCredential;

use crate::cli::{CredentialArgs, OneArgs};
use crate::controller::secrets::{self, ReadSecretError};
use crate::graph::{AccessToken, AppCredentials, AppSecret, Credentials};
use crate::input_file::{self, ReadError, is_stdin};
use crate::verbs::VerbError;
use crate::verbs::target::Target;

/// The reasons for which there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum GivenCredentialsError {
    /// The resource cannot be read.
    #[error(transparent)]
    Resource(#[from] VerbError),
    /// The API server did not answer the question for a Secret.
    #[error(transparent)]
    Secret(#[from] ReadSecretError),
    /// A Secret of the resource holds no usable credential. Finding and remedy.
    #[error("{0}")]
    Unusable(String),
    /// Neither a resource nor a file is named.
    #[error("say whose token: give the NAME of a FlowsEncryptionKey, or --token-file FILE")]
    NothingSaid,
    /// A file cannot be read.
    #[error("{flag} {source}")]
    Read {
        /// The flag of the file.
        flag: &'static str,
        /// The file and the I/O error.
        source: ReadError,
    },
    /// Both files are `-`, but there is only one standard input.
    #[error("--token-file and --app-secret-file cannot both come from standard input: give one of them as a file")]
    BothFromStdin,
    /// A file holds no credential.
    #[error("{flag} {}: the {what} {source}", path.display())]
    Malformed {
        /// The flag of the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What the file should hold.
        what: &'static str,
        /// Finding and remedy.
        source: MalformedCredential,
    },
}

/// The credentials of the command line.
pub(crate) struct GivenCredentials {
    pub(crate) credentials: Arc<Credentials>,
    /// The app that may inspect the token, if its ID and secret are known.
    pub(crate) app: Option<AppCredentials>,
}

impl GivenCredentials {
    /// Reads the credentials. `app_id` is the app of the command line; a resource may name its own.
    ///
    /// # Errors
    /// If a resource, a Secret or a file cannot be read, or holds no credential.
    pub(crate) async fn read(args: &CredentialArgs, app_id: Option<&str>) -> Result<Self, GivenCredentialsError> {
        let (credentials, of_resource) = match (args.one(), &args.token_file) {
            (Some(one), _) => of_resource(&one).await?,
            (None, Some(token_file)) => (Arc::new(from_files(token_file, args.app_secret_file.as_deref())?), None),
            (None, None) => return Err(GivenCredentialsError::NothingSaid),
        };
        let app = app_id.or(of_resource.as_deref()).and_then(|id| credentials.app(id));
        Ok(Self { credentials, app })
    }
}

/// The credentials in the Secrets of a resource, and its `appId`.
async fn of_resource(one: &OneArgs) -> Result<(Arc<Credentials>, Option<String>), GivenCredentialsError> {
    let Target { connection, resource, .. } = Target::find(one).await?;
    let api = Api::namespaced(connection.client, resource.metadata.namespace.as_deref().unwrap_or_default());
    let read = secrets::read_credentials(&resource, &api).await?;
    let credentials = read.map_err(|why| GivenCredentialsError::Unusable(why.message))?;
    Ok((credentials, resource.spec.app_id))
}

fn from_files(token: &Path, app_secret: Option<&Path>) -> Result<Credentials, GivenCredentialsError> {
    if is_stdin(token) && app_secret.is_some_and(is_stdin) {
        return Err(GivenCredentialsError::BothFromStdin);
    }
    let token = credential("--token-file", token, "access token", AccessToken::new)?;
    let secret = app_secret.map(|path| credential("--app-secret-file", path, "app secret", AppSecret::new));
    Ok(Credentials::new(token, secret.transpose()?.as_ref()).from_origin("--token-file"))
}

fn credential<T>(
    flag: &'static str,
    path: &Path,
    what: &'static str,
    parse: impl FnOnce(&[u8]) -> Result<T, MalformedCredential>,
) -> Result<T, GivenCredentialsError> {
    let bytes = input_file::read(path).map_err(|source| GivenCredentialsError::Read { flag, source })?;
    parse(&bytes).map_err(|source| GivenCredentialsError::Malformed { flag, path: path.to_owned(), what, source })
}
