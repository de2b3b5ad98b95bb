//! Why `rotate` writes nothing.

use waflows_key::KeyError;

use super::super::error::VerbError;
use crate::input_file::ReadError;
use crate::inspect::problem;

/// The reasons for which `rotate`, `proceed` and `abort` do nothing. The exit code is 2.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// As for every verb.
    #[error(transparent)]
    Verb(#[from] VerbError),
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Key and passphrase are `-`, but there is only one standard input.
    #[error("key and passphrase cannot both come from standard input: give one of them as a file")]
    BothFromStdin,
    /// The new key cannot be used.
    #[error("{place}: {}", problem(source))]
    Key {
        /// The file, or the entry of a Secret.
        place: String,
        /// Finding and remedy.
        source: KeyError,
    },
    /// The new key is not of the kind that the resource refers to.
    #[error("{0}")]
    WrongKind(String),
    /// `--to` without a slash.
    #[error("--to {0:?}: give SECRET/KEY, such as flows-key-2/private.pem")]
    NoReference(String),
    /// A Secret cannot be read or written.
    #[error("Secret {name}: {said}")]
    Secret {
        /// Namespace and name.
        name: String,
        /// What is wrong, with the remedy.
        said: String,
    },
    /// The resource has a shape that `rotate` does not change.
    #[error("{0}")]
    NotByRotate(String),
    /// Somebody else changed the resource at the same time.
    #[error("{0} was changed by somebody else meanwhile, and nothing was written: run the command again")]
    Changed(String),
    /// There is nothing to go back to.
    #[error("{0}: there is no key to go back to: only `rotate` notes the key before")]
    NoWayBack(String),
    /// Nobody can be asked.
    #[error("standard input is no terminal, so that nobody can be asked: give --yes, or --dry-run to look first")]
    NobodyToAsk,
}
