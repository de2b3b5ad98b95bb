//! "Rotate by hand" of docs/rotation.md, step by step and twice, while clients use the Flow.

use std::path::Path;
use std::process::Command;

use harness::{World, control_plane};
use k8s_openapi::ByteString;

use crate::OPERATOR;
use crate::flow::{Client, Endpoint};

const NUMBERS: [&str; 2] = ["106540352242922", "107995438950512"];

#[tokio::test(flavor = "multi_thread")]
async fn rotations_by_the_book_fail_no_request() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    let first = world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("private.pem"), &first.private_pem).unwrap();
    let mut users = Users { clients: NUMBERS.map(|number| (number, Client::new())), endpoint: Endpoint::start().await };
    users.endpoint.set_keys(&[&first.private_pem]);
    users.ping(&world).await;

    let (once, steps) = blocks();
    users.use_while_running(&world, folder.path(), &once).await;
    let mut fingerprints = vec![Some(first.fingerprint)];
    for rotation in 1..=2 {
        for step in &steps {
            users.use_while_running(&world, folder.path(), step).await;
            let refetches = users.refetches();
            let expected = if step.contains("retired") { rotation } else { refetches[0].min(rotation) };
            assert_eq!(refetches, [expected; 2], "clients with the old key get one 421, at the end: {step}");
        }
        let fingerprint = world.wait_ready("storefront").await.status.unwrap().public_key_fingerprint;
        assert!(!fingerprints.contains(&fingerprint), "the key is new");
        assert!(NUMBERS.iter().all(|id| world.at_meta(id) == (fingerprint.clone(), Some("VALID".into()))));
        assert_eq!(keys_of_the_endpoint(&world).await.len(), 1, "the endpoint forgets the old key");
        fingerprints.push(fingerprint);
    }
}

/// Clients that use the Flow, and the endpoint that they reach.
struct Users {
    clients: [(&'static str, Client); 2],
    endpoint: Endpoint,
}

impl Users {
    /// Runs a block of the page. The endpoint is then restarted with its Secret as it is.
    async fn use_while_running(&mut self, world: &World, folder: &Path, block: &str) {
        let mut commands = Command::new("bash");
        commands.args(["-euo", "pipefail", "-c", block]).current_dir(folder);
        commands.env("KUBECONFIG", control_plane().kubeconfig()).env("NAMESPACE", &world.namespace);
        let mut commands = commands.spawn().unwrap();
        let status = loop {
            match commands.try_wait().unwrap() {
                Some(status) => break status,
                None => self.ping(world).await,
            }
        };
        assert!(status.success(), "{status}: {block}");
        let keys = keys_of_the_endpoint(world).await;
        self.endpoint.set_keys(&keys.iter().map(String::as_str).collect::<Vec<_>>());
        self.ping(world).await;
    }

    async fn ping(&mut self, world: &World) {
        for (number, client) in &mut self.clients {
            let pinged = client.ping(world, number, &self.endpoint).await;
            assert_eq!(pinged, Ok(()), "a user of the Flow on {number} sees an error");
        }
    }

    fn refetches(&self) -> [usize; 2] {
        self.clients.each_ref().map(|(_, client)| client.refetches)
    }
}

async fn keys_of_the_endpoint(world: &World) -> Vec<String> {
    let secret = world.secrets().get("flow-endpoint").await.unwrap();
    let keys = secret.data.unwrap_or_default().into_values();
    keys.map(|ByteString(key)| String::from_utf8(key).unwrap()).collect()
}

/// The shell blocks of the section: the one that is run once, and the steps. They share a shell's variable, and have
/// kubectl as the tests have it.
fn blocks() -> (String, Vec<String>) {
    let page = include_str!("../../docs/rotation.md");
    let rotate = page.split_once("\n## Rotate by hand\n").expect("the section").1;
    let rotate = rotate.split_once("\nAn encrypted key").expect("what follows the steps").0;
    let program = control_plane().kubectl().get_program().to_str().unwrap().to_owned();
    let blocks =
        rotate.split("<!-- ").skip(1).map(|block| block.split_once("```sh\n").expect("a block behind its mark"));
    // The commands for the endpoint's own Deployment are for its owner.
    let blocks = blocks.filter(|(mark, _)| !mark.starts_with("elsewhere")).map(|(_, block)| {
        let commands = block.split_once("```").expect("its end").0;
        format!(
            "kubectl() {{ {program} -n \"$NAMESPACE\" \"$@\"; }}\n[ ! -e shell ] || . ./shell\n{commands}\n\
             [ -z \"${{new-}}\" ] || declare -p new > shell"
        )
    });
    let mut blocks: Vec<_> = blocks.collect();
    assert!(blocks.len() == 7 && blocks[4].contains("kubectl wait"), "{blocks:?}");
    (blocks.remove(0), blocks)
}
