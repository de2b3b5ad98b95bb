//! A Secret that is mounted into a pod.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

/// A folder that changes as the kubelet changes a mounted Secret: one link moves from the old files to the new files.
pub(crate) struct Mount {
    folder: TempDir,
    version: u32,
}

impl Mount {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let mut mount = Self { folder: tempfile::tempdir().unwrap(), version: 0 };
        mount.set(files);
        mount
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The Secret has these entries from now on.
    pub(crate) fn set(&mut self, files: &[(&str, &str)]) {
        let path = |name: &str| self.folder.path().join(name);
        let old = format!("..version-{}", self.version);
        self.version += 1;
        let new = format!("..version-{}", self.version);
        fs::create_dir(path(&new)).unwrap();
        for (name, content) in files {
            fs::write(path(&new).join(name), content).unwrap();
        }
        symlink(&new, path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
        for (name, _) in files.iter().filter(|(name, _)| !path(name).is_symlink()) {
            symlink(Path::new("..data").join(name), path(name)).unwrap();
        }
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if !name.starts_with("..") && !files.iter().any(|(file, _)| *file == name) {
                fs::remove_file(path(&name)).unwrap();
            }
        }
        if path(&old).exists() {
            fs::remove_dir_all(path(&old)).unwrap();
        }
    }
}
