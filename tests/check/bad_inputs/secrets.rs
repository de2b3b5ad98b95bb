//! Secrets that are not there, or not as they must be.

use serde_json::{Value, json};

use super::page::Row;
use super::{FILES, NUMBERS, Scene, TOKEN, resource_with, token_secret};
use crate::scene::{PRIVATE_KEY, resource, secret};

pub(super) async fn rows() -> Vec<Row> {
    let scene = Scene::new().await;
    let good = || secret("flows-key", "private.pem", &PRIVATE_KEY);
    let with = |fields: Value| {
        let mut secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "flows-key", "namespace": "messaging"}});
        secret.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        secret
    };
    let judge = |input: &str, key: &[Value]| {
        let secrets = [key, &[token_secret(TOKEN)]].concat();
        scene.judge_resource(input, resource_with(&NUMBERS[..1], json!({})), &secrets, &["--offline"])
    };
    let mut elsewhere = good();
    elsewhere["metadata"]["namespace"] = "other".into();
    let mut rows = vec![
        judge("a Secret that was not given", &[]).by_check(),
        judge("a Secret in another namespace", &[elsewhere]).by_check(),
        judge("a Secret without entries", &[with(json!({}))]),
        judge("a Secret with another entry", &[secret("flows-key", "tls.key", &PRIVATE_KEY)]),
        judge("a Secret that is given twice", &[good(), good()]),
        judge("text under data that is not base64", &[with(json!({"data": {"private.pem": "hush!"}}))]),
        judge("a number under stringData", &[with(json!({"stringData": {"private.pem": 815}}))]),
        judge("a list under stringData", &[with(json!({"stringData": ["private.pem"]}))]),
    ];
    scene.write(FILES[0], &[resource("storefront", &NUMBERS[..1])]);
    scene.write(FILES[1], &[good(), token_secret(TOKEN)]);
    rows.push(
        scene.judge("a namespace that the operator does not work in", &FILES, &["--namespaces", "shop"]).by_check(),
    );
    rows.push(scene.judge("labels that the operator does not select", &FILES, &["--selector", "shard=1"]).by_check());
    rows
}
