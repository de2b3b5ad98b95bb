//! "Rotate" of docs/keys.md, step by step, while clients use the Flow.

use std::process::Command;

use crate::flow::{Client, Endpoint};
use crate::world::{World, control_plane};

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

    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("private.pem"), &old.private_pem).unwrap();
    for step in steps() {
        let mut commands = Command::new("bash");
        commands.args(["-euo", "pipefail", "-c", &step]).current_dir(folder.path());
        commands.env("KUBECONFIG", control_plane().kubeconfig()).env("NAMESPACE", &world.namespace);
        let mut commands = commands.spawn().unwrap();
        // Clients go on meanwhile.
        let status = loop {
            match commands.try_wait().unwrap() {
                Some(status) => break status,
                None => ping(&world, &mut clients, &endpoint).await,
            }
        };
        assert!(status.success(), "{status}: {step}");
        // The endpoint, as it is restarted with its new Secret.
        if step.contains("new.pem=") {
            let new = std::fs::read_to_string(file("private-2.pem")).unwrap();
            let knows_both = step.contains("old.pem=");
            endpoint.set_keys(&[old.private_pem.as_str(), new.as_str()][usize::from(!knows_both)..]);
            assert!(knows_both || clients.iter().all(|(_, client)| client.refetches == 0), "nobody had to ask before");
        }
        ping(&world, &mut clients, &endpoint).await;
    }
    let rotated = world.wait_ready("storefront").await.status.unwrap().public_key_fingerprint;
    assert_ne!(rotated.as_ref(), Some(&old.fingerprint));
    assert!(NUMBERS.iter().all(|id| world.at_meta(id) == (rotated.clone(), Some("VALID".into()))));
    ping(&world, &mut clients, &endpoint).await;
    assert!(clients.iter().all(|(_, client)| client.refetches == 1), "those who held the old key were told so once");
}

async fn ping(world: &World, clients: &mut [(&str, Client)], endpoint: &Endpoint) {
    for (number, client) in clients {
        let pinged = client.ping(world, number, endpoint).await;
        assert_eq!(pinged, Ok(()), "a user of the Flow on {number} sees an error");
    }
}

/// The shell blocks of the page's steps, with kubectl as the tests have it.
fn steps() -> Vec<String> {
    let page = include_str!("../../docs/keys.md");
    let rotate = page.split_once("\n## Rotate").expect("the section").1;
    let rotate = rotate.split_once("\nAn encrypted key").expect("what follows the steps").0;
    let program = control_plane().kubectl().get_program().to_str().unwrap().to_owned();
    let blocks = rotate.split("```sh ").skip(1).map(|block| block.split_once("```").expect("its end").0);
    // What is said of the endpoint's own Deployment is for its owner.
    let steps = blocks.filter(|block| !block.starts_with("elsewhere")).map(|block| {
        let commands = block.split_once('\n').expect("commands").1;
        format!("kubectl() {{ {program} -n \"$NAMESPACE\" \"$@\"; }}\n{commands}")
    });
    let steps: Vec<_> = steps.collect();
    assert!(steps.len() == 5 && steps[3].contains("kubectl wait"), "{steps:?}");
    steps
}
