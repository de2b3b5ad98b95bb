//! The files of the command line.

use std::path::{Path, PathBuf};

use reqwest::Certificate;
use waflows_core::status::inputs::MalformedCredential;
use waflows_key::{Inspection, KeyKind, PublicKey};
use waflows_probe::SigningSecret;

use crate::cli::PingArgs;
use crate::graph::AppSecret;
use crate::input_file::{self, ReadError, is_stdin};
use crate::inspect::problem;
use crate::outbound;

/// The reasons for which a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file cannot be read.
    #[error("{flag} {source}")]
    Read {
        /// The flag of the file.
        flag: &'static str,
        /// The file and the I/O error.
        source: ReadError,
    },
    /// Two files are `-`, but there is only one standard input.
    #[error("{0} and {1} cannot both come from standard input: give one of them as a file")]
    BothFromStdin(&'static str, &'static str),
    /// The file holds no usable key.
    #[error("{flag} {}: {problem}", path.display())]
    Key {
        /// The flag of the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// Finding and remedy.
        problem: String,
    },
    /// The file holds no app secret.
    #[error("--app-secret-file {}: the app secret {source}", path.display())]
    AppSecret {
        /// The file.
        path: PathBuf,
        /// Finding and remedy.
        source: MalformedCredential,
    },
    /// The file holds no certificates.
    #[error("--ca-file {}: the file holds no certificate in PEM", .0.display())]
    NoCertificates(PathBuf),
}

/// The contents of the files.
pub(super) struct Input {
    /// None if the question is about a key that nobody has.
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

/// Reads a public key or a certificate. Refuses a private key: it would do no harm, but is a mistake.
fn public_key(path: &Path) -> Result<PublicKey, InputError> {
    const FLAG: &str = "--public-key";
    let refused = |problem| InputError::Key { flag: FLAG, path: path.to_owned(), problem };
    let file = read(FLAG, path)?;
    let inspection = Inspection::of(&file, None);
    match inspection.kind {
        Some(KeyKind::PublicKey | KeyKind::Pkcs1PublicKey | KeyKind::Certificate) => {
            inspection.key.map_err(|error| refused(problem(&error)))
        }
        Some(kind) => Err(refused(format!("this is a {kind}: give the file with --key"))),
        // The other inspection has the remedies for a private key.
        None => PublicKey::from_public_key(&String::from_utf8_lossy(&file)).map_err(|error| refused(problem(&error))),
    }
}

/// The public half of a key in any format that `inspect` reads.
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
