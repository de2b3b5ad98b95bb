//! `check` on a cluster: it says what the operator would do, and what the operator says.

use std::path::{Path, PathBuf};
use std::process::Command;

use graph_emulator::FOREIGN_PUBLIC_KEY;
use harness::process;
use harness::{TestKey, World, control_plane, kubectl, number_of};
use serde_json::{Value, json};
use waflows_operator::check::schema::validate;

use crate::OPERATOR;

const NUMBERS: [&str; 3] = ["106540352242922", "107995438950512", "110200345501442"];

/// Exit code and report of `check` with the rights of a kubeconfig.
fn check_as(kubeconfig: &Path, world: &World, arguments: &[&str]) -> (i32, Value) {
    let mut check = Command::new(OPERATOR);
    check.args(["check", "--graph-url", world.emulator.base_url(), "--allow-http-graph-url", "-o", "json"]);
    let printed = process::run(check.args(arguments).env("KUBECONFIG", kubeconfig), "");
    let report = serde_json::from_str(&printed.stdout).unwrap_or_else(|_| json!(printed.stderr));
    (printed.code, report)
}

/// With all rights, and with the flags of the test's own operator.
fn check(world: &World, arguments: &[&str]) -> (i32, Value) {
    let scope = ["--namespaces", world.namespace.as_str()];
    check_as(control_plane().kubeconfig(), world, &[arguments, &scope].concat())
}

fn states(report: &Value) -> Vec<(&str, &str)> {
    let numbers = report["resources"].as_array().unwrap().iter().flat_map(|r| r["phoneNumbers"].as_array().unwrap());
    numbers.map(|number| (number["state"].as_str().unwrap(), number["action"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_has_done_is_seen_and_what_drifted_would_be_healed() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    let before = world.roll_out("storefront", &NUMBERS).await;
    let uploads = world.emulator.counters().calls.uploads;

    let (code, report) = check(&world, &["storefront", "-n", &world.namespace]);
    assert_eq!((code, states(&report)), (0, vec![("Valid", "None"); 3]), "{report}");
    world.emulator.lose_signature(NUMBERS[0]).unwrap();
    world.emulator.set_foreign_key(NUMBERS[1], FOREIGN_PUBLIC_KEY).unwrap();
    let (code, report) = check(&world, &["-n", &world.namespace]);
    let expected = vec![("Mismatch", "Upload"), ("Foreign", "Upload"), ("Valid", "None")];
    assert_eq!((code, states(&report)), (0, expected), "{report}");

    assert_eq!(world.emulator.counters().calls.uploads, uploads, "nothing was uploaded");
    let after = world.resources().get("storefront").await.unwrap();
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version, "and nothing written");

    let (code, error) = check(&world, &["nobody", "-n", &world.namespace]);
    assert!(code == 2 && error.as_str().unwrap().contains("there is no FlowsEncryptionKey"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_the_operator_says() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    let mut observing = World::spec(&NUMBERS[..2]);
    observing["mode"] = "Observe".into();
    world.emulator.set_foreign_key(NUMBERS[0], FOREIGN_PUBLIC_KEY).unwrap();
    world.apply("observing", observing).await.unwrap();
    world.wait_reason("observing", "DriftObserved").await;
    world.roll_out("keeping", &NUMBERS[1..2]).await;
    world.set_secret("late-key", "private.pem", &TestKey::generate().private_pem).await;
    let mut late = World::spec(&["1", NUMBERS[1]]);
    late["privateKeySecretRef"]["name"] = "late-key".into();
    world.apply("late", late).await.unwrap();
    world.wait_reason("late", "NumberRefused").await;

    for (name, expected) in [("observing", 1), ("keeping", 0), ("late", 1)] {
        // The one that observes has not read its second number since the key was put there.
        let resource = world.sync(name, "now").await;
        let (code, report) = check(&world, &[name, "-n", &world.namespace]);
        assert_eq!(code, expected, "{report}");
        for number in report["resources"][0]["phoneNumbers"].as_array().unwrap() {
            let id = number["phoneNumberId"].as_str().unwrap();
            let stored = serde_json::to_value(number_of(&resource, id)).unwrap();
            assert_eq!((&number["state"], &number["error"]["code"]), (&stored["state"], &stored["error"]["code"]));
            // Each answer of Meta has its own trace, at the end of the message.
            let said = |number: &Value| {
                let message = number["message"].as_str().unwrap_or_default();
                message.split(", trace ").next().unwrap_or_default().to_owned()
            };
            assert!(said(number).ends_with(&said(&stored)), "{number} {stored}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_are_checked_as_if_they_were_applied() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    let old = world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[..1]).await;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("manifests.yaml");
    let new = TestKey::generate();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "flows-key", "namespace": world.namespace},
        "stringData": {"private.pem": new.private_pem}});
    let resource = |name: &str, numbers: &[&str]| {
        json!({"apiVersion": "waflows.dev/v1alpha1", "kind": "FlowsEncryptionKey",
            "metadata": {"name": name, "namespace": world.namespace}, "spec": World::spec(numbers)})
    };
    let write = |objects: &[Value]| {
        let documents: Vec<_> = objects.iter().map(Value::to_string).collect();
        std::fs::write(&file, documents.join("\n---\n")).unwrap();
    };
    let file_argument = file.to_str().unwrap();

    // A rotation and a new number: the operator knows the present key as an earlier key of this resource.
    write(&[resource("storefront", &NUMBERS[..2]), secret]);
    let (code, report) = check(&world, &["-f", file_argument, "--cluster"]);
    assert_eq!((code, states(&report)), (0, vec![("Outdated", "Upload"), ("Missing", "Upload")]), "{report}");
    let number = &report["resources"][0]["phoneNumbers"][0];
    assert_eq!(number["keyFingerprint"].as_str(), Some(old.fingerprint.as_str()));
    assert_eq!(report["resources"][0]["publicKeyFingerprint"].as_str(), Some(new.fingerprint.as_str()));

    // A new resource that lists a number of the one in the cluster.
    write(&[resource("newcomer", &NUMBERS[..1])]);
    let (code, report) = check(&world, &["-f", file_argument, "--cluster"]);
    assert_eq!((code, states(&report)), (1, vec![("Conflict", "None")]), "{report}");
    // Without the cluster, `check` knows neither the owner nor the Secrets.
    assert_eq!(check(&world, &["-f", file_argument]).0, 2);
}

/// A kubeconfig that may list resources and get Secrets in some namespaces, whose context is another one.
fn kubeconfig_for(world: &World, kinds: &str) -> PathBuf {
    let control_plane = control_plane();
    let kubectl = |arguments: &[&str]| kubectl(control_plane, &[&["-n", &world.namespace], arguments].concat());
    kubectl(&["create", "serviceaccount", "viewer"]);
    kubectl(&["create", "role", "viewer", "--verb=get,list", &format!("--resource={kinds}")]);
    let account = format!("--serviceaccount={}:viewer", world.namespace);
    kubectl(&["create", "rolebinding", "viewer", "--role=viewer", &account]);
    let token = kubectl(&["create", "token", "viewer"]);
    control_plane.kubeconfig_for_token(token.trim()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_read_one_namespace_alone_names_it() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    let kubeconfig = kubeconfig_for(&world, "flowsencryptionkeys.waflows.dev,secrets");
    let scope = ["-n", world.namespace.as_str()];
    let (code, error) = check_as(&kubeconfig, &world, &scope);
    assert!(code == 2 && error.as_str().unwrap().contains("there is no FlowsEncryptionKey in namespace"), "{error}");

    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;
    assert_eq!(check_as(&kubeconfig, &world, &scope).0, 0);
    // All namespaces were asked for, and cannot be seen.
    let (code, error) = check_as(&kubeconfig, &world, &["-A"]);
    assert!(code == 2 && error.as_str().unwrap().contains("--namespaces"), "{error}");
    // The context's namespace, in which the account may list nothing, is not among the named ones.
    let (code, report) = check_as(&kubeconfig, &world, &["-A", "--namespaces", &world.namespace]);
    assert_eq!((code, states(&report).len()), (0, 3), "{report}");

    // `check` looks at the namespace of a manifest, not at that of the context: the resource there owns the number.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("newcomer.yaml");
    let newcomer = json!({"apiVersion": "waflows.dev/v1alpha1", "kind": "FlowsEncryptionKey",
        "metadata": {"name": "newcomer", "namespace": world.namespace}, "spec": World::spec(&NUMBERS[..1])});
    std::fs::write(&file, newcomer.to_string()).unwrap();
    let (code, report) = check_as(&kubeconfig, &world, &["-f", file.to_str().unwrap(), "--cluster"]);
    assert_eq!((code, states(&report)), (1, vec![("Conflict", "None")]), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_the_operator_does_not_select_is_reported_where_it_was_named() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;
    let (code, report) = check(&world, &["storefront", "-n", &world.namespace, "--selector", "shard=1"]);
    assert_eq!(
        (code, report["resources"][0]["phoneNumbers"][0]["reason"].as_str()),
        (1, Some("NotSelected")),
        "{report}"
    );
    let (code, error) = check(&world, &["-n", &world.namespace, "--selector", "shard=1"]);
    assert!(code == 2 && error.as_str().unwrap().contains("there is no FlowsEncryptionKey"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_judged_as_the_api_server_does() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    for (fields, is_good) in [
        (json!({"labels": {"app.kubernetes.io/name": "shop_1.2", "empty": ""}}), true),
        (json!({"annotations": {"Example.com/Note": "Anything goes, {} too."}}), true),
        (json!({"namespace": ""}), true),
        (json!({"finalizers": ["example.com/one"]}), true),
        (json!({"labels": {"app": "two words"}}), false),
        (json!({"labels": {"-app": "shop"}}), false),
        (json!({"labels": {"Example.com/app": "shop"}}), false),
        (json!({"labels": {"app": "a".repeat(64)}}), false),
        (json!({"annotations": {"a/b/c": "anything"}}), false),
        (json!({"lables": {"app": "shop"}}), false),
    ] {
        let mut metadata = json!({"name": "tried"});
        metadata.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let object = json!({"apiVersion": "waflows.dev/v1alpha1", "kind": "FlowsEncryptionKey",
            "metadata": metadata, "spec": World::spec(&NUMBERS)});
        std::fs::write(file.path(), object.to_string()).unwrap();
        let apply = ["apply", "--dry-run=server", "--validate=strict", "-n", &world.namespace, "-f"];
        let applied = control_plane().kubectl().args(apply).arg(file.path()).output().unwrap();
        let said = String::from_utf8_lossy(&applied.stderr);
        assert_eq!((applied.status.success(), validate(&object).is_empty()), (is_good, is_good), "{metadata}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_a_person_may_not_read_leaves_the_answer_open() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;
    let kubeconfig = kubeconfig_for(&world, "flowsencryptionkeys.waflows.dev");
    let reads = world.emulator.counters().calls.reads;

    let (code, report) = check_as(&kubeconfig, &world, &["-n", &world.namespace]);
    assert_eq!(code, 2, "{report}");
    let message = report["resources"][0]["phoneNumbers"][0]["message"].as_str().unwrap();
    assert!(message.contains("You may not read Secret") && message.contains("flows-key"), "{message}");
    assert_eq!(world.emulator.counters().calls.reads, reads);
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_filter_and_the_detailed_exit_code_shows_uploads() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[..1]).await;
    world.roll_out("support", &NUMBERS[1..2]).await;
    kubectl(control_plane(), &["-n", &world.namespace, "label", "fek/support", "team=support"]);
    let labelled = ["-n", &world.namespace, "-l", "team=support", "--detailed-exitcode"];
    let (code, report) = check(&world, &labelled);
    assert_eq!((code, &report["resources"][0]["name"]), (0, &json!("support")), "{report}");
    assert_eq!(report["resources"].as_array().unwrap().len(), 1);
    world.emulator.lose_signature(NUMBERS[1]).unwrap();
    assert_eq!(check(&world, &labelled).0, 2, "an upload would follow");
    world.emulator.set_foreign_key(NUMBERS[0], FOREIGN_PUBLIC_KEY).unwrap();
    let named = ["--operator-namespaces", &world.namespace, "-n", &world.namespace, "-o", "github"];
    let mut command = Command::new(OPERATOR);
    command.args(["check", "--graph-url", world.emulator.base_url(), "--allow-http-graph-url"]).args(named);
    let printed = process::run(command.env("KUBECONFIG", control_plane().kubeconfig()), "");
    let title = format!("::notice title={}/support%3A {}::", world.namespace, NUMBERS[1]);
    assert!(printed.stdout.contains(&title), "{printed:?}");
    assert_eq!(check(&world, &["nobody", "-n", &world.namespace, "--detailed-exitcode"]).0, 3, "no verdict");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_tries_manifests_and_stores_nothing() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    let namespace = &world.namespace;
    let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "owner-label"}, "spec": {
            "matchConstraints": {"resourceRules": [{"apiGroups": ["waflows.dev"], "apiVersions": ["*"],
                "operations": ["CREATE", "UPDATE"], "resources": ["flowsencryptionkeys"]}]},
            "validations": [{"expression": "has(object.metadata.labels) && 'owner' in object.metadata.labels",
                "message": "a FlowsEncryptionKey needs the label owner"}]}});
    let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "owner-label"}, "spec": {"policyName": "owner-label", "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}}});
    for object in [policy, binding] {
        let applied = harness::cluster::try_kubectl(control_plane(), &["apply", "-f", "-"], &object.to_string());
        assert!(applied.is_success(), "{applied:?}");
    }
    world.set_default_secrets().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("manifest.json");
    let manifest = json!({"apiVersion": "waflows.dev/v1alpha1", "kind": "FlowsEncryptionKey",
        "metadata": {"name": "storefront", "namespace": namespace}, "spec": World::spec(&NUMBERS[..1])});
    std::fs::write(&file, manifest.to_string()).unwrap();
    let arguments = ["-f", file.to_str().unwrap(), "--cluster"];
    let said = || check(&world, &arguments).1["problems"].to_string();
    // The API server learns of a policy a moment after it is stored.
    world.wait_until("refused", || said().contains("a FlowsEncryptionKey needs the label owner")).await;
    assert_eq!(check(&world, &arguments).0, 1);
    assert!(world.resources().get_opt("storefront").await.unwrap().is_none(), "nothing was stored");
}
