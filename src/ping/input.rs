//! The files that `ping` is given.

use std::path::{Path, PathBuf};

use reqwest::Certificate;
use waflows_key::{Inspection, KeyKind, PublicKey};
use waflows_probe::SigningSecret;

use crate::cli::PingArgs;
use crate::graph::{AppSecret, MalformedCredential};
use crate::input_file::{self, ReadError, is_stdin};
use crate::inspect::problem;
use crate::outbound;

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It cannot be read.
    #[error("{flag} {source}")]
    Read {
        /// Of the file.
        flag: &'static str,
        /// The file, and what happened.
        source: ReadError,
    },
    /// There is one standard input only.
    #[error("{0} and {1} cannot both come from standard input: give one of them as a file")]
    BothFromStdin(&'static str, &'static str),
    /// It holds no key that can be used.
    #[error("{flag} {}: {problem}", path.display())]
    Key {
        /// Of the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What it holds instead, and what helps.
        problem: String,
    },
    /// It holds no app secret.
    #[error("--app-secret-file {}: the app secret {source}", path.display())]
    AppSecret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: MalformedCredential,
    },
    /// It holds no certificates.
    #[error("--ca-file {}: there is no certificate in PEM form in it", .0.display())]
    NoCertificates(PathBuf),
}

/// What the files hold.
pub(super) struct Input {
    /// None where the question is about a key that nobody has.
    pub(super) key: Option<PublicKey>,
    pub(super) app_secret: Option<SigningSecret>,
    pub(super) roots: Vec<Certificate>,
}

impl Input {
    pub(super) fn read(args: &PingArgs) -> Result<Self, InputError> {
        one_from_stdin(args)?;
        let key = match (&args.public_key, &args.key) {
            (Some(path), _) => Some(public_key(path)?),
            (None, Some(path)) => Some(any_key(path, args.passphrase_file.as_deref())?),
            (None, None) => None,
        };
        let app_secret = args.app_secret_file.as_deref().map(app_secret).transpose()?;
        let roots = args.ca_file.as_deref().map_or_else(|| Ok(Vec::new()), roots)?;
        Ok(Self { key, app_secret, roots })
    }
}

fn one_from_stdin(args: &PingArgs) -> Result<(), InputError> {
    let files = [
        ("--public-key", &args.public_key),
        ("--key", &args.key),
        ("--passphrase-file", &args.passphrase_file),
        ("--app-secret-file", &args.app_secret_file),
        ("--ca-file", &args.ca_file),
    ];
    let mut from_stdin = files.iter().filter(|(_, path)| path.as_deref().is_some_and(is_stdin)).map(|(flag, _)| *flag);
    match (from_stdin.next(), from_stdin.next()) {
        (Some(one), Some(other)) => Err(InputError::BothFromStdin(one, other)),
        _ => Ok(()),
    }
}

/// A public key or a certificate. A private key is no mistake that does harm, but one to be told.
fn public_key(path: &Path) -> Result<PublicKey, InputError> {
    const FLAG: &str = "--public-key";
    let refused = |problem| InputError::Key { flag: FLAG, path: path.to_owned(), problem };
    let file = read(FLAG, path)?;
    let inspection = Inspection::of(&file, None);
    match inspection.kind {
        Some(KeyKind::PublicKey | KeyKind::Pkcs1PublicKey | KeyKind::Certificate) => {
            inspection.key.map_err(|error| refused(problem(&error)))
        }
        Some(kind) => Err(refused(format!("this is a {kind}: give it with --key"))),
        // In the words for a public key.
        None => PublicKey::from_public_key(&String::from_utf8_lossy(&file)).map_err(|error| refused(problem(&error))),
    }
}

/// The public half of whatever `inspect` reads.
fn any_key(path: &Path, passphrase: Option<&Path>) -> Result<PublicKey, InputError> {
    const FLAG: &str = "--key";
    let passphrase = passphrase.map(|path| read("--passphrase-file", path)).transpose()?;
    let file = read(FLAG, path)?;
    let inspection = Inspection::of(&file, passphrase.as_ref().map(|bytes| bytes.as_slice()));
    let refused = |error| InputError::Key { flag: FLAG, path: path.to_owned(), problem: problem(&error) };
    inspection.key.map_err(refused)
}

fn app_secret(path: &Path) -> Result<SigningSecret, InputError> {
    let secret = AppSecret::new(&read("--app-secret-file", path)?);
    secret.map(|secret| secret.signing()).map_err(|source| InputError::AppSecret { path: path.to_owned(), source })
}

fn roots(path: &Path) -> Result<Vec<Certificate>, InputError> {
    outbound::roots(&read("--ca-file", path)?).ok_or_else(|| InputError::NoCertificates(path.to_owned()))
}

fn read(flag: &'static str, path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, InputError> {
    input_file::read(path).map_err(|source| InputError::Read { flag, source })
}
