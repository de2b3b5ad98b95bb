//! What a test works with: an emulator, a folder with keys, and the command.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use endpoint_emulator::{Behaviour, Config, Emulator, KeyChange};
use serde_json::Value;
use tempfile::TempDir;

/// Stands in the body and a header of every answer of the emulator, and must come out nowhere.
const MARKER: &str = "MARKER-0123456789";
pub(crate) const APP_SECRET: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const PASSPHRASE: &str = "correct horse";

pub(crate) static PRIVATE_KEY: LazyLock<String> = LazyLock::new(|| text(openssl(&["genrsa", "2048"], "")));
pub(crate) static OTHER_KEY: LazyLock<String> = LazyLock::new(|| text(openssl(&["genrsa", "2048"], "")));

/// An emulator whose replicas have [`PRIVATE_KEY`], and a folder with `private.pem`, `public.pem` and `app-secret`.
pub(crate) struct Scene {
    pub(crate) emulator: Emulator,
    folder: TempDir,
}

/// What a process printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Scene {
    pub(crate) async fn new(replicas: u8) -> Self {
        Self::with(Config { replicas, ..Config::default() }).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let emulator = Emulator::start(config).await.unwrap();
        emulator.set_keys_everywhere(&[&PRIVATE_KEY], KeyChange::Now).unwrap();
        emulator.set_marker(MARKER);
        let scene = Self { emulator, folder: tempfile::tempdir().unwrap() };
        scene.write("private.pem", PRIVATE_KEY.as_bytes());
        scene.write("public.pem", &openssl(&["pkey", "-pubout"], &PRIVATE_KEY));
        scene.write("app-secret", format!("{APP_SECRET}\n").as_bytes());
        scene
    }

    /// With one replica for each behaviour.
    pub(crate) async fn of(behaviours: &[Behaviour]) -> Self {
        let scene = Self::new(behaviours.len().try_into().unwrap()).await;
        for (replica, behaviour) in behaviours.iter().enumerate() {
            scene.emulator.set_behaviour(replica, *behaviour);
        }
        scene
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.folder.path().join(file).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, file: &str, content: &[u8]) {
        std::fs::write(PathBuf::from(self.path(file)), content).unwrap();
    }

    /// Runs `ping` with these arguments, where words such as `@private.pem` are files of the folder. Whatever comes of it:
    /// nothing secret is printed, and nothing of an answer.
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
        let printed = Printed::of(command.envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap());
        let all = format!("{}{}", printed.stdout, printed.stderr);
        let secrets = [MARKER, APP_SECRET, PASSPHRASE, PRIVATE_KEY.lines().nth(3).unwrap(), "QUJD"];
        assert!(!secrets.iter().any(|secret| all.contains(secret)), "{all}");
        printed
    }

    /// Asks a replica for the key in `private.pem`, and gives the exit code with what is said as JSON.
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

impl Printed {
    fn of(output: Output) -> Self {
        Self { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The fingerprint of [`PRIVATE_KEY`], as docs/keys.md has it.
pub(crate) fn fingerprint() -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("public.der");
    std::fs::write(&file, openssl(&["pkey", "-pubout", "-outform", "DER"], &PRIVATE_KEY)).unwrap();
    let printed = text(openssl(&["dgst", "-sha256", "-r", file.to_str().unwrap()], ""));
    format!("sha256:{}", printed.split(' ').next().unwrap())
}

/// Runs openssl, which must succeed.
pub(crate) fn openssl(arguments: &[&str], input: &str) -> Vec<u8> {
    let mut process = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("openssl is needed for this test (apt-get install openssl): {error}"));
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}
