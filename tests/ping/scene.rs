//! The setup of a test: an emulator, a folder with keys, and the command.

use std::ops::Deref;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use endpoint_emulator::{Behaviour, Config, Emulator, KeyChange};
use harness::TestKey;
use harness::process::{Printed, run};
use serde_json::Value;
use tempfile::TempDir;

/// The emulator puts this into the body and a header of every answer. `ping` must print it nowhere.
const MARKER: &str = "MARKER-0123456789";
pub(crate) const APP_SECRET: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const PASSPHRASE: &str = "correct horse";

/// The key that `ping` asks for.
pub(crate) static KEY: LazyLock<TestKey> = LazyLock::new(TestKey::from_openssl);
/// A key that `ping` does not ask for.
pub(crate) static OTHER_KEY: LazyLock<TestKey> = LazyLock::new(TestKey::generate);

/// An emulator whose replicas have [`KEY`], and a folder.
pub(crate) struct Scene {
    pub(crate) emulator: Emulator,
    folder: Folder,
}

/// A folder with `private.pem`, `public.pem` and `app-secret`.
pub(crate) struct Folder(TempDir);

impl Deref for Scene {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl Scene {
    pub(crate) async fn new(replicas: u8) -> Self {
        Self::with(Config { replicas, ..Config::default() }).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let emulator = Emulator::start(config).await.unwrap();
        emulator.set_keys_everywhere(&[&KEY.private_pem], KeyChange::Now).unwrap();
        emulator.set_marker(MARKER);
        Self { emulator, folder: Folder::new() }
    }

    /// With one replica for each behaviour.
    pub(crate) async fn of(behaviours: &[Behaviour]) -> Self {
        let scene = Self::new(behaviours.len().try_into().unwrap()).await;
        for (replica, behaviour) in behaviours.iter().enumerate() {
            scene.emulator.set_behaviour(replica, *behaviour);
        }
        scene
    }

    /// Asks a replica for the key in `private.pem`. Returns the exit code and the report in JSON.
    pub(crate) fn ask(&self, replica: usize, flags: &[&str]) -> (i32, Value) {
        let url = self.emulator.url(replica);
        let printed = self.ping(&[&[&*url, "-o", "json", "--key", "@private.pem"], flags].concat());
        (printed.code, printed.json())
    }

    /// The same in text.
    pub(crate) fn ask_in_text(&self, replica: usize) -> Printed {
        self.ping(&[&self.emulator.url(replica), "--key", "@private.pem"])
    }
}

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("private.pem", &KEY.private_pem);
        folder.write("public.pem", &KEY.public_pem());
        folder.write("app-secret", &format!("{APP_SECRET}\n"));
        folder
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.0.path().join(file).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, file: &str, content: &str) {
        std::fs::write(self.path(file), content).unwrap();
    }

    /// Runs `ping` with these arguments. Arguments such as `@private.pem` name files of the folder. Fails if `ping`
    /// prints a secret or a part of an answer.
    pub(crate) fn ping(&self, arguments: &[&str]) -> Printed {
        self.ping_with(arguments, &[])
    }

    /// The same with variables in the environment.
    pub(crate) fn ping_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Printed {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waflows-operator"));
        command.arg("ping").args(arguments.iter().map(|word| match word.strip_prefix('@') {
            Some(file) => self.path(file),
            None => (*word).to_owned(),
        }));
        for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        let printed = run(command.envs(variables.iter().copied()), "");
        let all = format!("{}{}", printed.stdout, printed.stderr);
        let secrets = [MARKER, APP_SECRET, PASSPHRASE, KEY.private_pem.lines().nth(3).unwrap(), "QUJD"];
        assert!(!secrets.iter().any(|secret| all.contains(secret)), "{all}");
        printed
    }
}
