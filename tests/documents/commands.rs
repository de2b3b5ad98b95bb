//! The shell blocks of README.md and docs/ run as they are written, or say why they cannot run in a test.
//!
//! A block says where it runs in a comment in the line before (`<!-- offline -->`), where the mark shows in no
//! renderer:
//!
//! - `offline`: in an empty folder, without network; `offline if node`: where that program is installed;
//! - `cluster`: the same, with a namespace in which the operator runs, against an emulator of Meta;
//! - `install`: on a cluster that has never seen the operator;
//! - `elsewhere: …`: not here, for a reason.
//!
//! The blocks of a page run in one shell, in their order. Those that only call make and cargo are what CI runs anyway.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use control_plane::{ControlPlane, tool};
use graph_emulator::{Config, Emulator, FOREIGN_PUBLIC_KEY};
use harness::Operator;
use harness::cluster::empty_control_plane;
use harness::process::output;
use supervised::Process;
use tokio::task::JoinHandle;

use crate::examples::{ROOT, control_plane};

/// The operator's binary.
const OPERATOR: &str = env!("CARGO_BIN_EXE_waflows-operator");
/// How long the blocks of one page may take. Nothing is expected to take this long.
const PATIENCE: Duration = Duration::from_secs(180);
/// `status` ends with 1 where a person must act. For a page that shows such a state, this is no failure.
const STATUS: &str = "waflows-operator() { command waflows-operator \"$@\" || [[ $? == 1 && $1 == status ]]; }";
/// The phone numbers of the examples.
const NUMBERS: [&str; 3] = ["106540352242922", "107995438950512", "110200345501442"];

/// Where a block runs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Offline { needs: Option<String> },
    Cluster,
    Install,
    Elsewhere,
}

#[derive(Debug)]
struct Block {
    line: usize,
    place: Place,
    text: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_block_runs_as_it_is_written() {
    let pages = pages();
    let blocks = pages.iter().flat_map(|(_, blocks)| blocks);
    let count = |place: &Place| blocks.clone().filter(|block| block.place == *place).count();
    assert!(count(&Place::Cluster) > 10 && count(&Place::Install) > 5, "{pages:?}");
    let runs = pages.into_iter().map(|(page, blocks)| tokio::spawn(run(page, blocks)));
    for run in runs.collect::<Vec<_>>() {
        joined(run).await;
    }
}

/// README.md and docs/*.md, each with its shell blocks.
fn pages() -> Vec<(PathBuf, Vec<Block>)> {
    let entries = std::fs::read_dir(Path::new(ROOT).join("docs")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.push(Path::new(ROOT).join("README.md"));
    files.sort();
    files.into_iter().map(|file| (file.clone(), blocks(&file))).collect()
}

fn blocks(file: &Path) -> Vec<Block> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines = text.lines().enumerate();
    let mut blocks = Vec::new();
    let mut mark = "";
    while let Some((number, line)) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```").filter(|info| !info.is_empty()) else {
            mark = comment(line).unwrap_or_default();
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let body: Vec<_> = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```").collect();
        let text = body.iter().map(|line| line.get(indent..).unwrap_or_default().to_owned() + "\n").collect::<String>();
        if let Some(behind) = info.strip_prefix("sh") {
            let place = place(if behind.is_empty() { mark } else { behind.trim() }, &text);
            let place = place.unwrap_or_else(|| {
                panic!("{}:{}: say in a comment in the line before where this block runs", file.display(), number + 1)
            });
            blocks.push(Block { line: number + 1, place, text });
        }
    }
    blocks
}

/// The text of a line that is a comment.
fn comment(line: &str) -> Option<&str> {
    line.trim().strip_prefix("<!--")?.strip_suffix("-->").map(str::trim)
}

fn place(mark: &str, text: &str) -> Option<Place> {
    match mark.split_once(':').map_or((mark, ""), |(place, reason)| (place, reason.trim())) {
        ("offline", "") => Some(Place::Offline { needs: None }),
        ("cluster", "") => Some(Place::Cluster),
        ("install", "") => Some(Place::Install),
        ("elsewhere", reason) if !reason.is_empty() => Some(Place::Elsewhere),
        ("", "") if text.lines().all(is_of_ci) => Some(Place::Elsewhere),
        (place, "") => Some(Place::Offline { needs: Some(place.strip_prefix("offline if ")?.to_owned()) }),
        _ => None,
    }
}

fn is_of_ci(line: &str) -> bool {
    let command =
        if line.starts_with("WAFLOWS_") { line.find(" cargo ").map_or("", |at| &line[at + 1..]) } else { line };
    ["make ", "cargo "].iter().any(|program| command.starts_with(program))
}

/// Runs the blocks of a page.
async fn run(page: PathBuf, mut blocks: Vec<Block>) {
    blocks.retain(|block| block.place != Place::Elsewhere);
    blocks.retain(|block| !matches!(&block.place, Place::Offline { needs: Some(program) } if !is_installed(program)));
    if blocks.is_empty() {
        return;
    }
    let emulator = Emulator::start(Config { accept_any_token: true, ..Config::default() }).await.unwrap();
    emulator.add_numbers(NUMBERS);
    let run = move || {
        let printed = Desk::new(&page, &blocks, &emulator).run(&page, &blocks);
        if is_adopt(&page) {
            assert_adopted(&printed, &emulator);
        }
    };
    joined(tokio::task::spawn_blocking(run)).await;
}

/// Waits for a task, and fails as it does.
async fn joined(task: JoinHandle<()>) {
    if let Err(error) = task.await {
        std::panic::resume_unwind(error.into_panic());
    }
}

fn is_installed(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).stdout(Stdio::null()).status();
    found.unwrap().success()
}

/// What the reader of a page has: a folder with this repository's files, programs, clusters.
struct Desk {
    folder: tempfile::TempDir,
    operator: Option<Operator>,
    /// With nothing in it; stops when it is dropped.
    fresh: Option<ControlPlane>,
}

impl Desk {
    fn new(page: &Path, blocks: &[Block], emulator: &Emulator) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("bin")).unwrap();
        for (name, program) in [
            ("waflows-operator", PathBuf::from(OPERATOR)),
            ("kubectl-waflows", PathBuf::from(OPERATOR)),
            ("kubectl", tool("kubectl").unwrap()),
            ("helm", tool("helm").unwrap()),
        ] {
            symlink(program, path("bin").join(name)).unwrap();
        }
        for name in ["charts", "crds", "docs", "examples", "install"] {
            symlink(Path::new(ROOT).join(name), path(name)).unwrap();
        }
        if is_adopt(page) {
            give_keys(&path("private.pem"), emulator);
        }
        let needs = |place: &Place| blocks.iter().any(|block| block.place == *place);
        let operator = needs(&Place::Cluster).then(|| {
            let namespace = format!("page-{}", page.file_stem().unwrap().to_str().unwrap().to_lowercase());
            output(control_plane().kubectl().args(["create", "namespace", &namespace]), "");
            let kubeconfig = path("cluster.kubeconfig");
            std::fs::copy(control_plane().kubeconfig(), &kubeconfig).unwrap();
            let set_namespace = ["config", "set-context", "--current", "--namespace", &namespace];
            output(Command::new(tool("kubectl").unwrap()).env("KUBECONFIG", &kubeconfig).args(set_namespace), "");
            let flags = ["run", "--namespaces", &namespace, "--graph-url", emulator.base_url()];
            let flags = [&flags, ["--allow-http-graph-url", "--http-address", "127.0.0.1:0"].as_slice()].concat();
            let environment = [("KUBECONFIG", kubeconfig.as_os_str())];
            Operator::new(Process::start(Path::new(OPERATOR), flags, &environment).unwrap())
        });
        let fresh = needs(&Place::Install).then(|| {
            let fresh = empty_control_plane();
            std::fs::copy(fresh.kubeconfig(), path("install.kubeconfig")).unwrap();
            fresh
        });
        Self { folder, operator, fresh }
    }

    /// Runs the blocks, and returns what they printed.
    fn run(self, page: &Path, blocks: &[Block]) -> String {
        let path = |name: &str| self.folder.path().join(name);
        let mut script =
            format!("set -euo pipefail\nexport KUBECONFIG=cluster.kubeconfig\n{STATUS}\n{}\n", before(page));
        for block in blocks {
            let kubeconfig = match block.place {
                Place::Cluster => "cluster.kubeconfig",
                Place::Install => "install.kubeconfig",
                Place::Offline { .. } | Place::Elsewhere => "/nonexistent",
            };
            script += &format!("export KUBECONFIG={kubeconfig}\n: {}:{}\n{}", page.display(), block.line, block.text);
        }
        std::fs::write(path("script"), script).unwrap();
        let log = File::create(path("script.log")).unwrap();
        let programs = format!("{}:{}", path("bin").display(), std::env::var("PATH").unwrap());
        let mut bash = Command::new("bash");
        bash.args(["-x", "script"]).current_dir(self.folder.path()).stdin(Stdio::null());
        bash.env("PATH", programs).env("HOME", self.folder.path()).env("KUBERC", "off");
        bash.stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = bash.spawn().unwrap();
        let begun = Instant::now();
        let status = loop {
            match process.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if begun.elapsed() > PATIENCE => break process.kill().map(|()| None).unwrap(),
                None => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        let text = |name: &str| std::fs::read_to_string(path(name)).unwrap_or_default();
        let operator_log = self.operator.as_ref().map(Operator::log).unwrap_or_default();
        let is_done = status.is_some_and(|status| status.success());
        assert!(is_done, "{}: {status:?}\n{}\n{}", page.display(), text("script.log"), operator_log);
        drop((self.operator, self.fresh));
        text("script.log")
    }
}

fn is_adopt(page: &Path) -> bool {
    page.ends_with("adopt.md")
}

/// Numbers of a Flow that is in use. Two hold the key of the endpoint, the third another key.
fn give_keys(private_key: &Path, emulator: &Emulator) {
    output(Command::new("openssl").args(["genrsa", "-out"]).arg(private_key).arg("2048"), "");
    let public_key = output(Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(private_key), "");
    for (number, key) in NUMBERS.into_iter().zip([&*public_key, &*public_key, FOREIGN_PUBLIC_KEY]) {
        emulator.set_foreign_key(number, key).unwrap();
    }
}

/// The page shows which number has another key, and no key was put on any number.
fn assert_adopted(printed: &str, emulator: &Emulator) {
    let states = ["Valid", "Valid", "Foreign"];
    for (number, state) in NUMBERS.iter().zip(states) {
        let shown = |line: &str| line.split_whitespace().take(2).eq([number, state]) && line.contains(" sha256:");
        assert!(printed.lines().any(shown), "{printed}");
    }
    assert!(emulator.uploads().is_empty(), "{:?}", emulator.uploads());
}

/// What the reader of a page has created before.
fn before(page: &Path) -> String {
    match page.file_stem().unwrap().to_str().unwrap() {
        "README" => "export TOKEN=EAA...; cp examples/minimal.yaml storefront.yaml".into(),
        "keys" => KEYS.into(),
        "adopt" => "export TOKEN=EAA...".into(),
        "endpoint" => {
            "openssl genrsa -out private.pem 2048; echo 0123456789abcdef0123456789abcdef > app-secret.txt".into()
        }
        "operations" | "policy" => String::new(),
        "rotation" => {
            STOREFRONT.to_owned()
                + "
             openssl genrsa -out other.pem 2048
             kubectl create secret generic flows-key-2 --from-file=private.pem=other.pem
             kubectl create secret generic flows-key-encrypted --from-file=private.pem=other.pem"
        }
        _ => STOREFRONT.into(),
    }
}

/// Keys in the forms that the page converts, and a resource for the key that the page makes.
const KEYS: &str = "kubectl create secret generic meta-token --from-literal=token=EAA...
     kubectl apply -f examples/minimal.yaml
     openssl genrsa -out other.pem 2048
     openssl req -x509 -key other.pem -subj /CN=flows -out tls.crt
     echo secret > p12.txt
     openssl pkcs12 -export -inkey other.pem -in tls.crt -passout file:p12.txt -out key.p12
     if command -v ssh-keygen; then ssh-keygen -q -t rsa -b 2048 -N '' -f id_rsa; fi
     if command -v node; then
       node -p 'JSON.stringify(crypto.createPrivateKey(fs.readFileSync(\"other.pem\")).export({format: \"jwk\"}))' > key.jwk
     fi";

/// A resource whose numbers hold their key.
const STOREFRONT: &str = "openssl genrsa -out private.pem 2048
     kubectl create secret generic flows-key --from-file=private.pem
     kubectl create secret generic meta-token --from-literal=token=EAA...
     kubectl apply -f examples/minimal.yaml
     kubectl wait --for=condition=Ready fek/storefront --timeout=60s";
