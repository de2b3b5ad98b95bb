//! What a test works with: an emulator of Meta, and a folder with manifests.

use std::path::PathBuf;
use std::sync::LazyLock;

use graph_emulator::{Config, Emulator, NumberSettings};
use harness::process::{Printed, openssl};
use harness::{TOKEN, emulator, objects};
use serde_json::Value;

use crate::process::run;

pub(crate) const NUMBERS: [&str; 3] = ["106540352242922", "107995438950512", "110200345501442"];

/// A private key, as `openssl genrsa` writes it.
pub(crate) static PRIVATE_KEY: LazyLock<String> = LazyLock::new(|| openssl(&["genrsa", "2048"], b""));
/// Its public half.
pub(crate) static PUBLIC_KEY: LazyLock<String> =
    LazyLock::new(|| openssl(&["pkey", "-pubout"], PRIVATE_KEY.as_bytes()));

/// An emulator that knows [`TOKEN`] and [`NUMBERS`], and a folder.
pub(crate) struct Scene {
    pub(crate) emulator: Emulator,
    folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let emulator = emulator::start(Config::default(), &NUMBERS).await;
        Self { emulator, folder: tempfile::tempdir().unwrap() }
    }

    /// With the two Secrets that [`resource`] refers to, in `secrets.yaml`.
    pub(crate) async fn with_secrets() -> Self {
        let scene = Self::new().await;
        scene.write("secrets.yaml", &[secret("flows-key", "private.pem", &PRIVATE_KEY), token_secret(TOKEN)]);
        scene
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.folder.path().join(file).to_str().unwrap().to_owned()
    }

    /// Writes objects as the documents of a file.
    pub(crate) fn write(&self, file: &str, objects: &[Value]) {
        let documents: Vec<_> = objects.iter().map(|object| serde_json::to_string_pretty(object).unwrap()).collect();
        self.write_text(file, &documents.join("\n---\n"));
    }

    pub(crate) fn write_text(&self, file: &str, text: &str) {
        std::fs::write(PathBuf::from(self.path(file)), text).unwrap();
    }

    /// Meta has our key on the number, with this signature status.
    pub(crate) fn holds_our_key(&self, number: &str, status: &str) {
        let settings = NumberSettings {
            public_key: Some(PUBLIC_KEY.clone()),
            signature_status: status.into(),
            ..NumberSettings::default()
        };
        self.emulator.set_number(number, settings);
    }

    /// Checks these files of the folder.
    pub(crate) fn check(&self, files: &[&str], flags: &[&str]) -> Printed {
        let paths: Vec<_> = files.iter().map(|file| self.path(file)).collect();
        let mut arguments: Vec<&str> = paths.iter().flat_map(|path| ["-f", path]).collect();
        arguments.extend(flags);
        self.check_with(&arguments, b"")
    }

    /// Runs `check` with these arguments. Asserts that `check` uploads nothing, and prints no secret.
    pub(crate) fn check_with(&self, arguments: &[&str], input: &[u8]) -> Printed {
        let graph = ["check", "--graph-url", self.emulator.base_url(), "--allow-http-graph-url"];
        let printed = run(&[&graph, arguments].concat(), input);
        let calls = self.emulator.counters().calls;
        assert_eq!((calls.uploads, self.emulator.uploads().len()), (0, 0), "it never uploads");
        let all = format!("{}{}", printed.stdout, printed.stderr);
        let secrets = [TOKEN, PRIVATE_KEY.lines().nth(3).unwrap()];
        assert!(!secrets.iter().any(|secret| all.contains(secret)), "{all}");
        printed
    }

    /// The report on these files, as JSON.
    pub(crate) fn report(&self, files: &[&str], flags: &[&str]) -> (i32, Value) {
        let printed = self.check(files, &[flags, &["-o", "json"]].concat());
        (printed.code, printed.json())
    }

    /// State, action, reason and message of the first number of the first resource, and the exit code.
    pub(crate) fn first_number(&self, files: &[&str], flags: &[&str]) -> (i32, String, String, String, String) {
        let (code, report) = self.report(files, flags);
        let number = &report["resources"][0]["phoneNumbers"][0];
        let text = |field: &str| number[field].as_str().unwrap_or_default().to_owned();
        (code, text("state"), text("action"), text("reason"), text("message"))
    }
}

/// A resource for these numbers.
pub(crate) fn resource(name: &str, numbers: &[&str]) -> Value {
    in_namespace(objects::resource(name, objects::spec(numbers)))
}

/// A resource with some fields of its spec set.
pub(crate) fn resource_with(numbers: &[&str], fields: Value) -> Value {
    let mut resource = resource("storefront", numbers);
    resource["spec"].as_object_mut().unwrap().extend(serde_json::from_value::<serde_json::Map<_, _>>(fields).unwrap());
    resource
}

pub(crate) fn secret(name: &str, key: &str, value: &str) -> Value {
    in_namespace(objects::secret(name, key, value))
}

fn in_namespace(mut object: Value) -> Value {
    object["metadata"]["namespace"] = "messaging".into();
    object
}

pub(crate) fn token_secret(token: &str) -> Value {
    secret("meta-token", "token", token)
}
