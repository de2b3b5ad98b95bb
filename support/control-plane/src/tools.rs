use std::{
    env,
    path::{self, PathBuf},
    process::{Command, Stdio},
};

use crate::Error;

/// The script that builds the programs. It alone knows the rule for the cache folder's name.
const BUILD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/build");

/// Path of `etcd`, `kube-apiserver`, `kube-controller-manager`, `kubectl` or `helm`: from the folder in
/// `KUBEBUILDER_ASSETS` if that has it, else from the cache folder of the `build` script.
///
/// # Errors
/// [`Error::ToolMissing`] where it is in neither, [`Error::ToolsFolder`] where the script does not run.
pub fn tool(name: &str) -> Result<PathBuf, Error> {
    let assets = env::var_os("KUBEBUILDER_ASSETS").filter(|assets| !assets.is_empty());
    let searched: Vec<_> = assets.map(PathBuf::from).into_iter().chain([cache_folder()?]).collect();
    match searched.iter().map(|folder| folder.join(name)).find(|path| path.is_file()) {
        // The servers run in a folder of their own.
        Some(path) => Ok(path::absolute(&path).unwrap_or(path)),
        None => Err(Error::ToolMissing { name: name.to_owned(), searched }),
    }
}

fn cache_folder() -> Result<PathBuf, Error> {
    let failed = |reason| Error::ToolsFolder { script: BUILD, reason };
    let output = Command::new(BUILD)
        .arg("--print-dir")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()))
}
