//! The judgement of kstatus and of Argo CD, by the program in `tests/gitops`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use harness::process::output;
use serde::Deserialize;
use serde_json::Value;

/// Argo CD's script.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/argocd/health.lua");

/// What one tool says of a resource.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct ConditionReason {
    pub(super) status: String,
    pub(super) message: String,
}

/// What both say of a resource.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Verdicts {
    pub(super) kstatus: ConditionReason,
    pub(super) argocd: ConditionReason,
}

impl Verdicts {
    /// Judges an object, in JSON or YAML.
    pub(super) fn of(object: &str) -> Self {
        let said = output(Command::new(program()).arg(SCRIPT), object);
        serde_json::from_str(&said).unwrap()
    }
}

/// What a script of an action makes of an object, in JSON or YAML.
pub(super) fn act(script: &Path, object: &str) -> Value {
    serde_json::from_str(&output(Command::new(program()).arg("action").arg(script), object)).unwrap()
}

/// Built once in each run of the tests; Go keeps what it compiled.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gitops");
        let built = Command::new("go")
            .args(["build", "-mod=readonly", "-buildvcs=false", "-o"])
            .args([program.as_os_str(), ".".as_ref()])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gitops"))
            .env("CGO_ENABLED", "0")
            .env("GOWORK", "off")
            .output()
            .expect("tests/gitops is built with Go: install Go 1.26 or later from https://go.dev/dl/");
        assert!(built.status.success(), "go build: {}", String::from_utf8_lossy(&built.stderr));
        program
    })
}
