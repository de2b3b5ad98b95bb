//! Manifests: where they come from, and what the API server would refuse.

use harness::TOKEN;
use harness::process::Printed;
use serde_json::json;

use crate::scene::{NUMBERS, PRIVATE_KEY, Scene, resource, resource_with, secret, token_secret};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_server_would_refuse_is_reported_with_its_place() {
    let scene = Scene::with_secrets().await;
    let text = "\
apiVersion: waflows.dev/v1alpha1
kind: FlowsEncryptionKey
metadata: {name: storefront, namespace: messaging}
spec:
  privateKeySecretRef: {name: flows-key, key: private.pem}
  acessTokenSecretRef: {name: meta-token, key: token}
  phoneNumberIds: [106540352242922, \"107995438950512\", \"107995438950512\"]
";
    scene.write_text("storefront.yaml", text);
    let printed = scene.check(&["storefront.yaml", "secrets.yaml"], &[]);
    assert_eq!(printed.code, 1, "{printed:?}");
    for line in [
        "spec.accessTokenSecretRef is required",
        "spec.acessTokenSecretRef is an unknown field",
        "spec.phoneNumberIds[0] must be of type string, not an integer: put it in quotes",
        "spec.phoneNumberIds[2] is the same as item [1]; list it once",
    ] {
        assert!(printed.stdout.contains(&format!("storefront.yaml, document 1: {line}\n")), "{line}: {printed:?}");
    }
    assert_eq!(scene.emulator.counters().calls.total(), 0);

    scene.write("storefront.yaml", &[resource_with(&NUMBERS, json!({"publicKey": PRIVATE_KEY.as_str()}))]);
    let (code, report) = scene.report(&["storefront.yaml"], &[]);
    assert_eq!((code, &report["problems"][0]["path"]), (1, &json!("spec")), "{report}");
    assert!(report["problems"][0]["message"].as_str().unwrap().starts_with("exactly one of"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_and_standard_input_are_read_and_other_kinds_passed_over() {
    let scene = Scene::with_secrets().await;
    scene.write("a.json", &[resource("storefront", &NUMBERS[..1])]);
    scene.write_text("b.yml", "# nothing but a comment\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n");
    scene.write_text("notes.txt", "{ not: a manifest");
    let printed = scene.check(&[""], &[]);
    let summary = |printed: &Printed| printed.stdout.lines().last().unwrap_or_default().to_owned();
    assert_eq!((printed.code, summary(&printed).as_str()), (0, "1 resource, 1 number: 1 to be uploaded."));

    let list = json!({"apiVersion": "v1", "kind": "List", "items": [resource("a", &NUMBERS[..1]), resource("b", &NUMBERS[1..])]});
    let secrets = scene.path("secrets.yaml");
    let printed = scene.check_with(&["-f", "-", "-f", &secrets], list.to_string().as_bytes());
    assert_eq!((printed.code, summary(&printed).as_str()), (0, "2 resources, 3 numbers: 3 to be uploaded."));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_namespace_of_a_manifest_without_one_can_be_given() {
    let scene = Scene::with_secrets().await;
    let mut resource = resource("storefront", &NUMBERS[..1]);
    resource["metadata"].as_object_mut().unwrap().remove("namespace");
    scene.write("storefront.yaml", &[resource]);
    let files = ["storefront.yaml", "secrets.yaml"];
    assert_eq!(scene.first_number(&files, &[]).0, 2, "the Secrets are in messaging");
    assert_eq!(scene.first_number(&files, &["-n", "messaging"]).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_namespace_is_none() {
    let scene = Scene::with_secrets().await;
    let mut resource = resource("storefront", &NUMBERS[..1]);
    resource["metadata"]["namespace"] = "".into();
    scene.write("storefront.yaml", &[resource]);
    assert_eq!(scene.first_number(&["storefront.yaml", "secrets.yaml"], &["-n", "messaging"]).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_given_twice_is_reported_if_it_is_needed() {
    let scene = Scene::with_secrets().await;
    scene.write("storefront.yaml", &[resource("storefront", &NUMBERS)]);
    let other = |name: &str| [secret(name, "private.pem", "another"), secret("unrelated", "key", "value")];
    scene.write("more.yaml", &other("unrelated"));
    let files = ["storefront.yaml", "secrets.yaml", "more.yaml"];
    assert_eq!(scene.check(&files, &[]).code, 0);
    scene.write("more.yaml", &other("flows-key"));
    let (code, report) = scene.report(&files, &[]);
    assert_eq!(code, 1, "{report}");
    let message = report["problems"][0]["message"].as_str().unwrap();
    assert!(message.contains("more.yaml, document 1; keep one of the two"), "{message}");
    assert!(report["problems"][0]["origin"].as_str().unwrap().ends_with("secrets.yaml, document 1, Secret flows-key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_the_operator_does_not_select_is_reported() {
    let scene = Scene::with_secrets().await;
    let mut labelled = resource("labelled", &NUMBERS[..1]);
    labelled["metadata"]["labels"] = json!({"shard": "1"});
    // The other resource lists the same number, and would own it if the operator selected the resource.
    scene.write("storefront.yaml", &[resource("elsewhere", &NUMBERS[..1]), labelled]);
    let files = ["storefront.yaml", "secrets.yaml"];
    for (flags, says) in [
        (["--selector", "shard in (1,2)"], "--selector does not select its labels"),
        (["--namespaces", "shop,support"], "its namespace is not one of --namespaces"),
    ] {
        let (code, report) = scene.report(&files, &flags);
        assert_eq!(code, 1, "{report}");
        let resources = report["resources"].as_array().unwrap();
        let left_alone = resources.iter().find(|resource| resource["name"] == "elsewhere").unwrap();
        let number = &left_alone["phoneNumbers"][0];
        assert_eq!((&number["reason"], &number["action"]), (&json!("NotSelected"), &json!("None")), "{report}");
        assert!(number["message"].as_str().unwrap().contains(says), "{report}");
        let worked_on = resources.iter().find(|resource| resource["name"] == "labelled").unwrap();
        assert_eq!(worked_on["outcome"] == "Fine", flags[0] == "--selector", "{report}");
    }
    // A variable of the environment that is set and empty says nothing.
    assert_eq!(scene.report(&files, &["--namespaces", "", "--selector", ""]).1["problems"], json!([]));
    assert_eq!(scene.first_number(&files, &["--namespaces", " messaging ,"]).0, 1, "two resources, one number");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_the_api_server_would_refuse_is_reported_if_it_is_needed() {
    let scene = Scene::with_secrets().await;
    scene.write("storefront.yaml", &[resource("storefront", &NUMBERS)]);
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: NAME, namespace: messaging}\ndata: {private.pem: hush!}\n";
    scene.write_text("more.yaml", &secret.replace("NAME", "unrelated"));
    assert_eq!(scene.check(&["storefront.yaml", "secrets.yaml", "more.yaml"], &[]).code, 0);
    scene.write("secrets.yaml", &[token_secret(TOKEN)]);
    scene.write_text("more.yaml", &secret.replace("NAME", "flows-key"));
    let printed = scene.check(&["storefront.yaml", "secrets.yaml", "more.yaml"], &[]);
    assert_eq!(printed.code, 1, "{printed:?}");
    assert!(printed.stdout.contains("Secret flows-key: data.private.pem is not base64"), "{printed:?}");
    assert!(!printed.stdout.contains("hush"), "{printed:?}");
}
