//! Manifests: where they come from, and what the API server would refuse.

use serde_json::json;

use crate::scene::{NUMBERS, PRIVATE_KEY, Scene, resource, resource_with};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_server_would_refuse_is_told_with_its_place() {
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
    assert_eq!((printed.code, printed.stdout.lines().count()), (0, 2), "{printed:?}");

    let list = json!({"apiVersion": "v1", "kind": "List", "items": [resource("a", &NUMBERS[..1]), resource("b", &NUMBERS[1..])]});
    let secrets = scene.path("secrets.yaml");
    let printed = scene.check_with(&["-f", "-", "-f", &secrets], list.to_string().as_bytes());
    assert_eq!((printed.code, printed.stdout.lines().count()), (0, 4), "{printed:?}");
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
async fn a_secret_that_the_api_server_would_refuse_is_told_if_it_is_needed() {
    let scene = Scene::with_secrets().await;
    scene.write("storefront.yaml", &[resource("storefront", &NUMBERS)]);
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: NAME, namespace: messaging}\ndata: {private.pem: hush!}\n";
    scene.write_text("more.yaml", &secret.replace("NAME", "unrelated"));
    assert_eq!(scene.check(&["storefront.yaml", "secrets.yaml", "more.yaml"], &[]).code, 0);
    scene.write_text("more.yaml", &secret.replace("NAME", "flows-key"));
    let printed = scene.check(&["storefront.yaml", "secrets.yaml", "more.yaml"], &[]);
    assert_eq!(printed.code, 1, "{printed:?}");
    assert!(printed.stdout.contains("Secret flows-key: data.private.pem is not base64"), "{printed:?}");
    assert!(!printed.stdout.contains("hush"), "{printed:?}");
}
