//! `--unknown-key`: a key that nobody has.

use endpoint_emulator::Behaviour;
use serde_json::{Value, json};

use crate::scene::Scene;

fn ask(scene: &Scene, replica: usize) -> (i32, Value) {
    let printed = scene.ping(&[&scene.emulator.url(replica), "--unknown-key", "-o", "json"]);
    (printed.code, printed.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_421_is_right() {
    let scene = Scene::of(&[
        Behaviour::Right,
        Behaviour::Undecryptable(500),
        Behaviour::Page,
        Behaviour::Broken,
        Behaviour::Status(432),
    ])
    .await;
    for (replica, exit_code, outcome, words) in [
        (0, 0, "WrongKey", "fetch the key again. Nothing to do."),
        (1, 1, "BadStatus", "its Flows fail after a rotation. Make the endpoint catch"),
        (2, 1, "NotEncrypted", "HTTP 200 to a request that nobody can decrypt"),
        (3, 2, "Unreachable", "The connection broke"),
        (4, 1, "SignatureRefused", "--app-secret-file"),
    ] {
        let (code, said) = ask(&scene, replica);
        assert_eq!((code, &said["outcome"]), (exit_code, &json!(outcome)), "{said}");
        assert!(said["targets"][0]["message"].as_str().unwrap().contains(words), "{said}");
        assert!(said.get("publicKeyFingerprint").is_none(), "{said}");
    }
    assert!(scene.emulator.requests().iter().all(|request| request.opened_by.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_says_that_nobody_has_it() {
    let scene = Scene::new(1).await;
    let printed = scene.ping(&[&scene.emulator.url(0), "--unknown-key"]);
    assert!(printed.code == 0 && printed.stdout.starts_with("key      a key that nobody has\n"), "{printed:?}");
}
