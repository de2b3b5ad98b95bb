//! The program as a plugin of the real kubectl, and completion in a shell.

use std::os::unix::fs::symlink;
use std::process::Command;

use control_plane::tool;
use harness::{World, control_plane, process};

use crate::OPERATOR;
use crate::scene::NUMBERS;

/// A folder of programs: kubectl, and this program under its three names.
fn programs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    symlink(tool("kubectl").unwrap(), folder.path().join("kubectl")).unwrap();
    for name in ["waflows-operator", "kubectl-waflows", "kubectl_complete-waflows"] {
        symlink(OPERATOR, folder.path().join(name)).unwrap();
    }
    folder
}

fn run(folder: &tempfile::TempDir, script: &str) -> String {
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["-euc", script]).env("PATH", path).env("KUBECONFIG", control_plane().kubeconfig()).env("KUBERC", "off");
    process::output(&mut bash, "")
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_runs_the_program_and_completes_its_words() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[..1]).await;
    let (programs, namespace) = (programs(), &world.namespace);
    let status = run(&programs, &format!("kubectl waflows status -n {namespace}"));
    assert!(status.contains("storefront"), "{status}");
    assert!(run(&programs, "kubectl waflows sync --help").contains("kubectl waflows sync storefront"));
    let words = |typed: &str| run(&programs, &format!("kubectl __complete waflows {typed} 2>/dev/null"));
    assert!(words("sta").lines().any(|line| line.starts_with("status")), "{}", words("sta"));
    assert!(words(&format!("sync -n {namespace} st")).lines().any(|line| line == "storefront"));
    assert!(words("status -n test-").lines().any(|line| line == namespace));
    assert!(words("status --context ''").lines().count() > 1);

    // The script of bash, as bash runs it.
    let typed = format!("waflows-operator wait -n {namespace} st");
    let script = format!(
        "source <(waflows-operator completion bash)
         COMP_LINE='{typed}' COMP_POINT=${{#COMP_LINE}} COMP_TYPE=9
         COMP_WORDS=({typed}) COMP_CWORD=4 COMPREPLY=()
         $(complete -p waflows-operator | sed 's/.*-F \\([^ ]*\\).*/\\1/') waflows-operator st {namespace}
         echo \"${{COMPREPLY[@]}}\""
    );
    assert_eq!(run(&programs, &script).trim(), "storefront");
    for shell in ["zsh", "fish", "powershell", "elvish"] {
        assert!(
            run(&programs, &format!("waflows-operator completion {shell}")).contains("WAFLOWS_COMPLETE"),
            "{shell}"
        );
    }
}
