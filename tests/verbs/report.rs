//! `report`: what a bug report needs, and no credential of the cluster.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::GzDecoder;
use harness::secrecy::{encoded, plain_and_encoded};
use harness::storefront::{self, APP_SECRET, FLAGS, NAME, NUMBERS, OLD, PASSPHRASE};
use harness::{TOKEN, World, control_plane, kubectl};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use crate::OPERATOR;
use crate::scene::verb;

/// Name and text of each file.
fn files(archive: &[u8]) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    let read = |entry: std::io::Result<tar::Entry<_>>| {
        let mut entry: tar::Entry<GzDecoder<&[u8]>> = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (entry.path().unwrap().display().to_string(), text)
    };
    archive.entries().unwrap().map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_holds_what_helps_and_no_credential_of_the_cluster() {
    let world = World::with_flags(OPERATOR, &NUMBERS, &FLAGS).await;
    storefront::want_proof(&world.emulator);
    world.set_secret("flows-key", "private.pem", &OLD.pem).await;
    world.set_secret("flows-passphrase", "passphrase", PASSPHRASE).await;
    world.set_secret("meta-token", "token", TOKEN).await;
    world.set_secret("meta-app", "secret", APP_SECRET).await;
    // As `kubectl apply` stores manifests, and as others misplace secrets.
    let manifest = json!({"data": {"token": encoded(TOKEN)}}).to_string();
    let mut resource = harness::objects::resource(NAME, storefront::spec(&NUMBERS));
    resource["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/last-applied-configuration": manifest, "note": PASSPHRASE});
    let apply = |object: &serde_json::Value| {
        let arguments = ["apply", "--server-side", "-n", &world.namespace, "-f", "-"];
        let applied = harness::cluster::try_kubectl(control_plane(), &arguments, &object.to_string());
        assert!(applied.is_success(), "{applied:?}");
    };
    apply(&resource);
    world.wait_ready(NAME).await;
    let uploaded = harness::wait::look(async || {
        world.events().await.into_iter().find(|event| event.reason.as_deref() == Some("KeyUploaded"))
    });
    uploaded.await.expect("an event");
    apply(&json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "flows", "labels": {"app.kubernetes.io/name": "waflows-operator"}},
        "spec": {"selector": {"matchLabels": {"app": "report"}}, "template": {"metadata": {"labels": {"app": "report"}},
            "spec": {"containers": [{"name": "operator", "image": "waflows-operator:0.1.0", "args": ["run"], "env": [
                {"name": "HTTPS_PROXY", "value": format!("http://user:{APP_SECRET}@proxy:3128")},
                {"name": "META_TOKEN", "value": TOKEN}]}]}}},
    }));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.tar.gz");
    let arguments = ["report", "--file", file.to_str().unwrap(), "-n", &world.namespace];
    let printed = verb(&arguments);
    assert!(printed.code == 0 && printed.stdout.contains("no credential"), "{printed:?}");
    let files = files(&std::fs::read(&file).unwrap());
    let resource = &files[&format!("waflows-report/resources/{}/{NAME}.yaml", world.namespace)];
    assert!(resource.contains("AllNumbersValid") && resource.contains("publicKeyFingerprint"), "{resource}");
    let all = files.values().cloned().collect::<String>();
    assert!(all.contains("KeyUploaded"), "events are there: {:?}", files.keys());
    assert!(all.contains("/flows-passphrase, resource version"), "{:?}", files.keys());
    assert!(files.contains_key(&format!("waflows-report/operator/deployments/{}/flows.yaml", world.namespace)));

    let secrets: Api<Secret> = Api::all(world.client.clone());
    let secrets = secrets.list(&ListParams::default()).await.unwrap().items;
    let values = secrets.into_iter().flat_map(|secret| secret.data.unwrap_or_default()).map(|(_, value)| value.0);
    let values = values.filter_map(|value| String::from_utf8(value).ok());
    // A word such as "correct horse" of another test is no credential. Lines of keys are credentials.
    let lines = values.flat_map(|value| value.lines().map(str::to_owned).chain([value.clone()]).collect::<Vec<_>>());
    let searched: Vec<_> = plain_and_encoded(lines.filter(|line| line.len() > 10 && !line.starts_with("-----")))
        .into_iter()
        .chain(storefront::secrets())
        .collect();
    assert!(searched.len() > 20);
    for secret in searched {
        let found = files.iter().find(|(_, text)| text.contains(&secret));
        assert!(found.is_none(), "{secret} is in {}", found.unwrap().0);
    }
    let again = verb(&arguments);
    assert!(again.code == 2 && again.stderr.contains("exists"), "nothing is overwritten: {again:?}");
    kubectl(control_plane(), &["-n", &world.namespace, "delete", "deployment", "flows"]);
}
