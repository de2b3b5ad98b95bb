//! Each verb needs the rights that docs/cli.md lists, and no others.

use std::path::PathBuf;

use harness::{TestKey, World, control_plane, kubectl};
use waflows_operator::cli::verbs::rights::{RIGHTS, Right};

use crate::OPERATOR;
use crate::scene::{NUMBERS, verb_as};

/// A kubeconfig of a new account with these rights in the namespace of the world.
fn account(world: &World, name: &str, rights: &[Right]) -> PathBuf {
    let kubectl = |arguments: &[&str]| kubectl(control_plane(), &[&["-n", &world.namespace], arguments].concat());
    kubectl(&["create", "serviceaccount", name]);
    let account = format!("--serviceaccount={}:{name}", world.namespace);
    for (number, (verbs, resource)) in rights.iter().enumerate() {
        let role = format!("{name}-{number}");
        kubectl(&["create", "role", &role, &format!("--verb={verbs}"), &format!("--resource={resource}")]);
        kubectl(&["create", "rolebinding", &role, "--role", &role, &account]);
    }
    let token = kubectl(&["create", "token", name]);
    control_plane().kubeconfig_for_token(token.trim()).unwrap()
}

/// The account that has the numbers of the emulator.
const ACCOUNT: &str = "102290129340398";

/// What each verb is run with. None for a verb whose rights another test shows.
fn arguments<'a>(verb: &str, world: &'a World, file: &'a str, key: &'a str) -> Option<Vec<&'a str>> {
    let at_meta =
        |verb: &[&'a str]| [verb, &["--graph-url", world.emulator.base_url(), "--allow-http-graph-url"]].concat();
    Some(match verb {
        "status" => vec!["status"],
        "wait" => vec!["wait", "storefront"],
        "sync" => vec!["sync", "storefront", "--wait"],
        "suspend" => vec!["suspend", "storefront"],
        "resume" => vec!["resume", "storefront"],
        "rotate" => vec!["rotate", "storefront", "--key-file", key, "--yes"],
        // The same right as `sync`, on a rotation that goes on.
        "proceed" | "abort" => return None,
        "check" => at_meta(&["check"]),
        "numbers" => at_meta(&["numbers", "storefront", "--business-account", ACCOUNT]),
        "token" => at_meta(&["token", "storefront"]),
        "report" => vec!["report", "--file", file],
        // Shows what the account may see. tests/endpoint asks endpoints with the rights of the operator.
        "version" | "ping" => return None,
        verb => panic!("say how {verb} is run"),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_verb_works_with_its_rights_and_says_which_it_lacks() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[..1]).await;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("new.pem");
    std::fs::write(&key, TestKey::generate().private_pem).unwrap();
    for rights in RIGHTS {
        let file = folder.path().join(rights.verb);
        let Some(arguments) = arguments(rights.verb, &world, file.to_str().unwrap(), key.to_str().unwrap()) else {
            continue;
        };
        let arguments = [arguments.as_slice(), &["-n", &world.namespace]].concat();
        let printed = verb_as(&account(&world, rights.verb, rights.needs), &arguments);
        assert_eq!(printed.code, 0, "{arguments:?}: {printed:?}");
        let lacking = account(&world, &format!("{}-not", rights.verb), &rights.needs[1..]);
        let printed = verb_as(&lacking, &arguments);
        assert!(printed.code == 2 && printed.stderr.contains("forbidden"), "{arguments:?}: {printed:?}");
    }
}
