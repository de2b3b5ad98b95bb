//! Flags, exit codes of wrong usage, help and completions.

use crate::process::{run, run_command};
use crate::scene::{NUMBERS, Scene, resource};

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_ends_with_2() {
    let scene = Scene::with_secrets().await;
    scene.write("storefront.yaml", &[resource("storefront", &NUMBERS)]);
    let (file, secrets) = (scene.path("storefront.yaml"), scene.path("secrets.yaml"));
    for (arguments, says) in [
        (vec!["storefront", "-f", &file], "cannot be used with"),
        (vec!["--cluster"], "--filename"),
        (vec!["-A", "-n", "messaging"], "cannot be used with"),
        (vec!["-f", "/nonexistent.yaml"], "/nonexistent.yaml"),
        (vec!["-f", &secrets], "there is no FlowsEncryptionKey in"),
        (vec!["-f", "-", "-f", "-"], "standard input can be given once"),
        (vec!["-f", &file, "--selector", "shard of (1)"], "is no label selector"),
        (vec!["storefront"], "no cluster to look into"),
        (vec!["-f", &file, "--cluster"], "no cluster to look into"),
    ] {
        let printed = scene.check_with(&arguments, b"");
        assert_eq!(printed.code, 2, "{arguments:?}: {printed:?}");
        assert!(printed.stderr.contains(says), "{arguments:?}: {printed:?}");
    }
    let printed = run(&["check", "-f", &file, "--graph-url", "http://127.0.0.1:1"], b"");
    assert!(printed.code == 2 && printed.stderr.contains("is not https"), "{printed:?}");
}

#[test]
fn the_operator_refuses_an_interval_below_that_of_a_resource() {
    let printed = run(&["run", "--default-check-interval", "59s", "--http-address", "127.0.0.1:0"], b"");
    assert_eq!(printed.code, 2, "{printed:?}");
    assert!(printed.stderr.contains("--default-check-interval must be at least 1m"), "{printed:?}");
    let printed = run(&["run", "--default-check-interval", "721h", "--http-address", "127.0.0.1:0"], b"");
    assert!(printed.stderr.contains("at most 720h (30 days)"), "{printed:?}");
}

#[test]
fn the_operator_refuses_at_once_what_it_could_not_work_with() {
    for (arguments, says) in [
        (vec!["--log-level", "loud"], "'loud' for '--log-level <LEVEL>': \"loud\" is no level (error, warn, info"),
        (vec!["--log-level", "info,kube"], "\"kube\" is no level"),
        (vec!["--namespaces", "shop,Shop"], "'Shop' for '--namespaces <NAMES>': is no name of a namespace"),
        (vec!["--namespaces", "x y"], "small letters, digits and -"),
        (vec!["--selector", "a=,,"], "'a=,,' for '--selector <LABELS>': it is no label selector such as team=checkout"),
        (vec!["--lease-namespace", "a/b"], "--lease-namespace"),
        (vec!["--lease-name", "Lease"], "is no name of an object"),
        (vec!["--lease-duration", "10s"], "--renew-deadline 10s must be longer than 0s and shorter than"),
        (vec!["--leader-election", "--lease-duration", "12s"], "--lease-duration must be at least 4.5s longer"),
        (vec!["--graph-url", "http://graph.example.com"], "--graph-url http://graph.example.com/ is not https"),
        (
            vec!["--graph-url", "https://graph.example.com/?a=b"],
            "--graph-url https://graph.example.com/?a=b has a query",
        ),
    ] {
        let printed = run(&[&["run", "--http-address", "127.0.0.1:0"], arguments.as_slice()].concat(), b"");
        assert_eq!(printed.code, 2, "{arguments:?}: {printed:?}");
        assert!(printed.stderr.contains(says), "{arguments:?}: {printed:?}");
        assert!(!printed.stderr.contains("started"), "{printed:?}");
    }
}

#[test]
fn of_a_flag_that_is_given_twice_the_last_one_counts() {
    let twice = ["--default-check-interval", "59s", "--default-check-interval", "1h", "--leader-election"];
    let arguments = ["run", "--http-address", "127.0.0.1:0", "--leader-election"];
    let printed = run(&[&arguments[..], &twice[..]].concat(), b"");
    assert!(printed.stderr.contains("no cluster to connect to"), "it has taken them: {printed:?}");
    assert_eq!(printed.code, 1);
}

#[test]
fn every_command_has_an_example_in_its_help() {
    for command in ["run", "check", "inspect", "crd", "completions"] {
        let printed = run(&[command, "--help"], b"");
        assert_eq!(printed.code, 0, "{printed:?}");
        assert!(printed.stdout.contains("Example") && printed.stdout.contains("waflows-operator "), "{printed:?}");
    }
}

#[test]
fn completions_are_scripts_that_bash_takes() {
    let printed = run(&["completions", "bash"], b"");
    assert!(printed.stdout.contains("--allow-missing-secrets"));
    assert!(printed.stderr.contains("completions is called completion now"), "{}", printed.stderr);
    let checked = run_command("bash", &["-n"], printed.stdout.as_bytes());
    assert_eq!((checked.code, checked.stderr.as_str()), (0, ""));
    for shell in ["zsh", "fish", "powershell", "elvish"] {
        assert!(run(&["completions", shell], b"").stdout.contains("waflows-operator"), "{shell}");
    }
}
