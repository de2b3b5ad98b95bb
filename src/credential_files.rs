//! Reads an access token and an app secret from the files of a command line.

use std::path::{Path, PathBuf};

use waflows_core::status::secrets::MalformedCredential;

use crate::cli::CredentialArgs;
use crate::graph::{AccessToken, AppCredentials, AppSecret, Credentials};
use crate::input_file::{self, ReadError, is_stdin};

/// The reasons for which the credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialFileError {
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
pub(crate) struct CredentialFiles {
    pub(crate) credentials: Credentials,
    /// The app that may inspect the token, if its ID and secret are given.
    pub(crate) app: Option<AppCredentials>,
}

impl CredentialFiles {
    pub(crate) fn read(args: &CredentialArgs, app_id: Option<&str>) -> Result<Self, CredentialFileError> {
        let secret_file = args.app_secret_file.as_deref();
        if is_stdin(&args.token_file) && secret_file.is_some_and(is_stdin) {
            return Err(CredentialFileError::BothFromStdin);
        }
        let token = credential("--token-file", &args.token_file, "access token", AccessToken::new)?;
        let secret = secret_file.map(|path| credential("--app-secret-file", path, "app secret", AppSecret::new));
        let secret = secret.transpose()?;
        let app = app_id.zip(secret.as_ref()).map(|(id, secret)| AppCredentials::new(id, secret));
        let credentials = Credentials::new(token, secret.as_ref()).from_origin("--token-file");
        Ok(Self { credentials, app })
    }
}

fn credential<T>(
    flag: &'static str,
    path: &Path,
    what: &'static str,
    parse: impl FnOnce(&[u8]) -> Result<T, MalformedCredential>,
) -> Result<T, CredentialFileError> {
    let bytes = input_file::read(path).map_err(|source| CredentialFileError::Read { flag, source })?;
    parse(&bytes).map_err(|source| CredentialFileError::Malformed { flag, path: path.to_owned(), what, source })
}
