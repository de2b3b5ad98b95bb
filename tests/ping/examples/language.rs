//! The languages of the examples, and what runs them.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::process::{output, try_run};

/// Set this variable where all examples must be tested. Then a test fails if its language is missing.
const ALL_EXAMPLES: &str = "WAFLOWS_ALL_EXAMPLES";

pub(crate) struct Language {
    /// Below `examples/endpoint`.
    file: &'static str,
    program: &'static str,
    /// `program` ends with 0 if it gets these arguments and everything is there.
    trial: &'static [&'static str],
    /// What to install.
    remedy: &'static str,
    /// Whether this project needs the language anyway.
    is_required: bool,
}

pub(crate) const NODE: Language = Language {
    file: "node/endpoint.mjs",
    program: "node",
    trial: &["--version"],
    remedy: "install Node.js 20 or later",
    is_required: false,
};

pub(crate) const PYTHON: Language = Language {
    file: "python/endpoint.py",
    program: "python3",
    trial: &["-c", "import cryptography"],
    remedy: "install Python 3 and its package cryptography (apt-get install python3-cryptography)",
    is_required: false,
};

pub(crate) const GO: Language = Language {
    file: "go/endpoint.go",
    program: "go",
    trial: &["version"],
    remedy: "install Go 1.26 or later from https://go.dev/dl/",
    is_required: true,
};

/// A JDK, because a JRE cannot run a source file.
pub(crate) const JAVA: Language = Language {
    file: "java/Endpoint.java",
    program: "java",
    trial: &["--describe-module", "jdk.compiler"],
    remedy: "install a JDK, 17 or later (apt-get install default-jdk-headless)",
    is_required: false,
};

impl Language {
    pub(crate) fn source(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/endpoint").join(self.file)
    }

    /// Whether the example can run here. If not, the test says so on standard error, or fails.
    #[expect(clippy::explicit_write, reason = "cargo shows what eprintln! writes only if the test fails")]
    pub(crate) fn is_here(&self) -> bool {
        let trial = try_run(Command::new(self.program).args(self.trial), "");
        if trial.is_ok_and(|printed| printed.is_success()) {
            return true;
        }
        let sentence = format!("examples/endpoint/{} cannot run here: {}", self.file, self.remedy);
        assert!(!self.is_required && std::env::var_os(ALL_EXAMPLES).is_none(), "{sentence}");
        writeln!(io::stderr(), "NOT TESTED: {sentence}. With {ALL_EXAMPLES}=1 this is a failure.").unwrap();
        false
    }

    /// The program that runs the example, and its arguments. Go compiles the program into `folder`.
    pub(crate) fn command(&self, folder: &Path) -> (PathBuf, Vec<PathBuf>) {
        if self.program != GO.program {
            return (self.program.into(), vec![self.source()]);
        }
        let program = folder.join("endpoint");
        let mut go = Command::new("go");
        go.env("GOWORK", "off").env("GOFLAGS", "");
        output(go.args(["build", "-o"]).arg(&program).arg(self.source()), "");
        (program, Vec::new())
    }
}
