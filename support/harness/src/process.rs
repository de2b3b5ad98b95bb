//! Programs that are run to their end.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

/// What a program printed, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Printed {
    /// Whether the program ended with 0.
    pub fn is_success(&self) -> bool {
        self.code == 0
    }

    /// Standard output as JSON, for a test, which fails where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs a program with `input` at its standard input.
///
/// # Errors
/// Where the program cannot be started, prints what is no UTF-8, or is ended by a signal.
pub fn try_run(command: &mut Command, input: impl AsRef<[u8]> + Send) -> io::Result<Printed> {
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = process.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let output = thread::scope(|scope| {
        // The program may end without reading all of its input.
        scope.spawn(move || stdin.write_all(input.as_ref()).ok());
        process.wait_with_output()
    })?;
    let text = |bytes| String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error));
    let code = output.status.code().ok_or_else(|| io::Error::other(output.status.to_string()))?;
    Ok(Printed { code, stdout: text(output.stdout)?, stderr: text(output.stderr)? })
}

/// The same for a test, which fails where the program cannot be run.
pub fn run(command: &mut Command, input: impl AsRef<[u8]> + Send) -> Printed {
    try_run(command, input).unwrap_or_else(|error| {
        let program = command.get_program().display();
        panic!("{command:?}: {error}; if it is missing, install {program} and put it on the PATH")
    })
}

/// What a program prints, which must succeed.
pub fn output(command: &mut Command, input: impl AsRef<[u8]> + Send) -> String {
    let printed = run(command, input);
    assert!(printed.is_success(), "{command:?}: {}{}", printed.stderr, printed.stdout);
    printed.stdout
}

/// What openssl prints, which must succeed.
pub fn openssl(arguments: &[&str], input: impl AsRef<[u8]> + Send) -> String {
    output(Command::new("openssl").args(arguments), input)
}
