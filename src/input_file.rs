//! Reads the files of the command line. Some hold private keys.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Limit of the bytes that are read, far more than any key. A longer file is cut, and then refused as too large.
const MAX_BYTES: u64 = 1024 * 1024;

/// A file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// The I/O error.
    pub source: io::Error,
}

/// Whether the path means standard input.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Reads at most 1 MiB of a file or of standard input. The bytes are zeroized on drop.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
    let read = if is_stdin(path) {
        io::stdin().lock().take(MAX_BYTES).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
    };
    read.map_err(|source| ReadError { path: path.to_owned(), source })?;
    Ok(bytes)
}
