//! `status`: tables, formats, colour, and the watch.

use harness::{World, control_plane, kubectl};
use serde_json::json;

use crate::OPERATOR;
use crate::scene::{NUMBERS, assert_golden, verb, verb_in, world_in};

/// Resources in every situation that a table shows: fine, refused by Meta, without its Secret, suspended, and one that no
/// operator looks at.
async fn situations() -> World {
    let world = world_in("messaging").await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[..2]).await;
    world.apply("support", World::spec(&["1", "2", NUMBERS[2]])).await.unwrap();
    world.wait_reason("support", "NumberRefused").await;
    let mut waiting = World::spec(&NUMBERS[3..]);
    waiting["privateKeySecretRef"]["name"] = json!("late-key");
    world.apply("billing", waiting).await.unwrap();
    world.wait_reason("billing", "SecretNotFound").await;
    let mut suspended = World::spec(&NUMBERS[3..]);
    suspended["suspend"] = json!(true);
    world.apply("archive", suspended).await.unwrap();
    world.wait_reason("archive", "Suspended").await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_says_what_needs_a_person_and_fits_a_terminal() {
    let mut world = situations().await;
    let calls = world.emulator.counters().calls.total();
    let table = verb_in(&world, &["status"]);
    assert_eq!((table.code, table.stderr.as_str()), (1, ""), "{table:?}");
    assert_golden("status.txt", &table.stdout);
    assert_golden("status-only-bad.txt", &verb_in(&world, &["status", "--only-bad", "--no-headers"]).stdout);
    assert_golden("status-wide.txt", &verb_in(&world, &["status", "storefront", "fek/support", "-o", "wide"]).stdout);
    assert_golden("status-all-numbers.txt", &verb_in(&world, &["status", "support", "--all-numbers"]).stdout);
    assert_golden("status-name.txt", &verb_in(&world, &["status", "-o", "name"]).stdout);
    let fine = verb_in(&world, &["status", "storefront", "--only-bad"]);
    assert_eq!((fine.code, fine.stdout.as_str()), (0, "Every resource is Ready.\n"));

    kubectl(control_plane(), &["-n", &world.namespace, "label", "fek/storefront", "fek/support", "golden=yes"]);
    assert_golden("status-all.txt", &verb(&["status", "-A", "-l", "golden=yes"]).stdout);
    let coloured = verb_in(&world, &["status", "storefront", "support", "--color", "always"]).stdout;
    let is_coloured = |line: &&str| line.contains("\x1b[1;31m");
    let (red, plain): (Vec<_>, Vec<_>) = coloured.lines().partition(is_coloured);
    assert!(red.iter().any(|line| line.contains("support")) && plain.iter().any(|line| line.contains("storefront")));
    assert_eq!(world.emulator.counters().calls.total(), calls, "Meta was not asked");

    world.operator.kill();
    world.apply("unseen", World::spec(&["3"])).await.unwrap();
    assert_golden("status-unseen.txt", &verb_in(&world, &["status", "unseen"]).stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_and_yaml_have_the_numbers_as_the_status_has_them() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[..2]).await;
    let resource = serde_json::to_value(world.resources().get("storefront").await.unwrap()).unwrap();
    let printed = verb_in(&world, &["status", "-o", "json"]);
    let ready = &resource["status"]["conditions"][0];
    let expected = json!({"resources": [{
        "namespace": world.namespace, "name": "storefront", "ready": "True", "reason": "AllNumbersValid",
        "message": ready["message"], "suspended": false, "valid": "2/2", "phoneNumbers": resource["status"]["phoneNumbers"],
    }]});
    assert_eq!((printed.code, printed.json()["resources"].clone()), (0, expected["resources"].clone()));
    let yaml: serde_json::Value = serde_saphyr::from_str(&verb_in(&world, &["status", "-o", "yaml"]).stdout).unwrap();
    assert_eq!(yaml["resources"], expected["resources"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watch_shows_the_first_state_and_each_change() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[..1]).await;
    let arguments = ["status", "--watch", "-n", world.namespace.as_str()];
    let environment = [("KUBECONFIG", control_plane().kubeconfig().as_os_str())];
    let watch = supervised::Process::start(std::path::Path::new(OPERATOR), arguments, &environment).unwrap();
    let printed = || std::fs::read_to_string(watch.log()).unwrap();
    world.wait_until("shown", || printed().contains("AllNumbersValid")).await;
    world.apply("support", World::spec(&["1"])).await.unwrap();
    world.wait_until("shown as refused", || printed().contains("NumberRefused")).await;
    world.delete("support").await;
    world.wait_until("shown as deleted", || printed().contains("/support was deleted")).await;
    assert_eq!(printed().matches("READY").count(), 1, "{}", printed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_is_shown_where_it_can_be_read() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    let lease = ["--leader-election", "--lease-namespace", &world.namespace, "--lease-name", "the-lease"];
    let _leader = world.another(&lease);
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "flows", "labels": {"app.kubernetes.io/name": "waflows-operator",
            "app.kubernetes.io/version": "0.1.0"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "flows"}}, "template": {
            "metadata": {"labels": {"app": "flows"}},
            "spec": {"containers": [{"name": "operator", "image": "waflows-operator:0.1.0",
                "args": ["run", "--lease-name=the-lease"]}]}}},
    });
    let applied = ["apply", "-n", &world.namespace, "-f", "-"];
    assert!(harness::cluster::try_kubectl(control_plane(), &applied, &deployment.to_string()).is_success());
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[..1]).await;
    let expected = format!("Operator {}/flows 0.1.0: 0 of 2 replicas ready;", world.namespace);
    let status = || verb_in(&world, &["status"]).stdout.replace('\n', " ");
    world.wait_until("shown as the leader", || status().contains("leads.")).await;
    assert!(status().contains(&expected), "{}", status());
    let version = verb(&["version"]).stdout;
    assert!(version.contains(&expected) && version.contains("definition  the one of this client"), "{version}");
}
