//! Command lines as a user would type them.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use control_plane::tool;
use tempfile::TempDir;
use tokio::process::Command;

use crate::error::Error;

/// Longer than the longest `--timeout` among the lines of the story.
const LIMIT: Duration = Duration::from_secs(90);
const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Runs command lines in a scratch folder that has the checkout's `crds` and `examples`, with `kubectl` on the PATH.
#[derive(Debug)]
pub(crate) struct Shell {
    folder: TempDir,
    path: OsString,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
}

impl Shell {
    pub(crate) fn new(kubeconfig: &Path) -> Result<Self, Error> {
        let folder = tempfile::Builder::new().prefix("waflows-demo-").tempdir();
        let folder = folder.map_err(|source| Error::Scratch { source })?;
        for name in ["crds", "examples"] {
            let link = || symlink(fs::canonicalize(Path::new(CHECKOUT).join(name))?, folder.path().join(name));
            link().map_err(|source| Error::Link { path: Path::new(CHECKOUT).join(name), source })?;
        }
        let kubectl = tool("kubectl")?;
        let mut path = kubectl.parent().unwrap_or(Path::new("/")).as_os_str().to_owned();
        if let Some(others) = env::var_os("PATH") {
            path.push(":");
            path.push(others);
        }
        Ok(Self { folder, path, kubeconfig: kubeconfig.to_owned(), kubectl })
    }

    /// Where `kubectl` is.
    pub(crate) fn kubectl(&self) -> &Path {
        &self.kubectl
    }

    /// The text of a file in the scratch folder.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn read(&self, file: &str) -> Result<String, Error> {
        let path = self.folder.path().join(file);
        fs::read_to_string(&path).map_err(|source| Error::File { path, source })
    }

    /// Prints a command line, runs it, prints what it says, and returns its standard output.
    ///
    /// # Errors
    /// Where it cannot be run, does not end in time, or fails.
    pub(crate) async fn run(&self, line: &str) -> Result<String, Error> {
        println!("$ {line}");
        let command = Command::new("sh")
            .args(["-c", line])
            .current_dir(&self.folder)
            .env("PATH", &self.path)
            .env("KUBECONFIG", &self.kubeconfig)
            // The user's own kubectl settings stay out of it.
            .env("KUBERC", "off")
            .env("KUBECACHEDIR", self.folder.path().join("kubectl-cache"))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(LIMIT, command)
            .await
            .map_err(|_| Error::CommandHangs { line: line.to_owned(), limit: LIMIT })?
            .map_err(|source| Error::Command { line: line.to_owned(), source })?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        print!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
        if output.status.success() {
            Ok(stdout)
        } else {
            Err(Error::CommandFailed { line: line.to_owned(), status: output.status })
        }
    }
}
