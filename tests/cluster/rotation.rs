//! "Rotate" of docs/keys.md, step by step, while clients use the Flow.

use std::process::Command;

use crate::flow::{Client, Endpoint};
use crate::world::{TestKey, World, control_plane};

const NUMBERS: [&str; 2] = ["106540352242922", "107995438950512"];

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_by_the_book_fails_no_request() {
    let world = World::new(&NUMBERS).await;
    let old = world.set_default_secrets().await;
    world.apply("storefront", World::spec(&NUMBERS)).await.unwrap();
    world.wait_ready("storefront").await;
    let endpoint = Endpoint::start().await;
    endpoint.set_keys(&[&old.private_pem]);
    let mut clients = NUMBERS.map(|number| (number, Client::new()));
    ping(&world, &mut clients, &endpoint).await;

    // 1. The endpoint knows both keys.
    let new = TestKey::generate();
    endpoint.set_keys(&[&old.private_pem, &new.private_pem]);
    ping(&world, &mut clients, &endpoint).await;
    // 2. The Secret changes.
    world.set_secret("flows-key", "private.pem", &new.private_pem).await;
    ping(&world, &mut clients, &endpoint).await;
    // 3. The commands of the page, as they stand there. Clients go on meanwhile.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("private.pem"), &new.private_pem).unwrap();
    let mut waiting = Command::new("bash");
    waiting.args(["-euo", "pipefail", "-c", &commands()]).current_dir(folder.path());
    waiting.env("KUBECONFIG", control_plane().kubeconfig()).env("NAMESPACE", &world.namespace);
    let mut waiting = waiting.spawn().unwrap();
    let status = loop {
        match waiting.try_wait().unwrap() {
            Some(status) => break status,
            None => ping(&world, &mut clients, &endpoint).await,
        }
    };
    assert!(status.success(), "{status}");
    assert!(NUMBERS.iter().all(|id| world.at_meta(id) == (Some(new.fingerprint.clone()), Some("VALID".into()))));
    ping(&world, &mut clients, &endpoint).await;
    // 4. The old key goes; those who still hold its public half are told so once.
    endpoint.set_keys(&[&new.private_pem]);
    ping(&world, &mut clients, &endpoint).await;
    ping(&world, &mut clients, &endpoint).await;
    assert!(clients.iter().all(|(_, client)| client.refetches == 1), "nobody had to ask for the key before");
}

async fn ping(world: &World, clients: &mut [(&str, Client)], endpoint: &Endpoint) {
    for (number, client) in clients {
        let pinged = client.ping(world, number, endpoint).await;
        assert_eq!(pinged, Ok(()), "a user of the Flow on {number} sees an error");
    }
}

/// The shell block of the page that waits for the rotation, with kubectl as the tests have it.
fn commands() -> String {
    let page = include_str!("../../docs/keys.md");
    let rotate = page.split_once("## Rotate").expect("the section").1;
    let block = rotate.split_once("```sh\n").expect("a block").1.split_once("```").expect("its end").0;
    assert!(block.contains("kubectl wait"), "{block}");
    let kubectl = control_plane().kubectl();
    let program = kubectl.get_program().to_str().unwrap().to_owned();
    format!("kubectl() {{ {program} -n \"$NAMESPACE\" \"$@\"; }}\n{block}")
}
