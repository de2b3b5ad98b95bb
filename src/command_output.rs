//! The output of the subcommands other than `run`.

use std::io::{self, ErrorKind, Write};

/// Exit code where a person must act.
pub const ACTION_NEEDED: u8 = 1;
/// Exit code where there is no verdict.
pub const NO_VERDICT: u8 = 2;

/// A text for standard output, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    /// The text, with a line break at the end.
    pub text: String,
    /// 0: nothing is wrong. Otherwise [`ACTION_NEEDED`] or [`NO_VERDICT`].
    pub exit_code: u8,
}

impl CommandOutput {
    /// A text with exit code 0.
    pub fn new(text: String) -> Self {
        Self { text, exit_code: 0 }
    }

    /// Writes the text to standard output. A reader that closes the pipe early (`head`) is no failure.
    ///
    /// # Errors
    /// If the text cannot be written, for example to a full disk.
    pub fn print(&self) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(self.text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }
}
