//! What a command that looks and ends has to say.

use std::io::{self, ErrorKind, Write};

/// A text for standard output, and how the process ends after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    /// With the line break at its end.
    pub text: String,
    /// 0 all is well, 1 a person must act, 2 it could not be told.
    pub exit_code: u8,
}

impl CommandOutput {
    /// A text, when all is well.
    pub fn new(text: String) -> Self {
        Self { text, exit_code: 0 }
    }

    /// Writes the text to standard output. A reader that has seen enough and closed it (`head`) is no failure.
    ///
    /// # Errors
    /// When the text cannot be written, such as to a full disk.
    pub fn print(&self) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(self.text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }
}
