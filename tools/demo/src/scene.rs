//! What the operator works between: an API server and the Graph API.

use std::net::SocketAddr;
use std::path::Path;

use control_plane::ControlPlane;
use graph_emulator::{Config, Emulator};
use kube::{Api, Client};
use waflows_core::api::crd::FlowsEncryptionKey;

use crate::error::Error;
use crate::shell::Shell;

/// The phone numbers of `examples/minimal.yaml`.
pub(crate) const NUMBERS: [&str; 3] = ["106540352242922", "107995438950512", "110200345501442"];
/// The only access token that the emulator takes.
pub(crate) const TOKEN: &str = "demo-access-token";

/// A running API server and a running emulator; both stop when this is dropped.
pub(crate) struct Scene {
    pub(crate) shell: Shell,
    pub(crate) client: Client,
    pub(crate) emulator: Emulator,
    pub(crate) cluster: ControlPlane,
}

impl Scene {
    /// Starts them, and installs the resource's definition.
    ///
    /// # Errors
    /// Where one of them does not start.
    pub(crate) async fn set_up() -> Result<Self, Error> {
        title("1. A real API server, and an emulator in place of Meta's Graph API");
        let cluster = tokio::task::spawn_blocking(ControlPlane::start).await??;
        println!("etcd, kube-apiserver and kube-controller-manager run; the API is at {}", cluster.server_url());

        let emulator = Emulator::start(Config::default()).await?;
        emulator.add_token(TOKEN);
        emulator.add_numbers(NUMBERS);
        println!("The emulator has {} numbers without key, at {}", NUMBERS.len(), emulator.base_url());

        let shell = Shell::new(cluster.kubeconfig())?;
        shell.run("kubectl apply -f crds/").await?;
        shell.run("kubectl wait --for=condition=Established crd/flowsencryptionkeys.waflows.dev --timeout=30s").await?;

        let config = harness::cluster::config(cluster.kubeconfig()).await?;
        let client = Client::try_from(config)
            .map_err(|source| Error::Kubernetes { doing: "setting up the Kubernetes client", source })?;
        Ok(Self { shell, client, emulator, cluster })
    }

    /// The resources in the namespace `default`.
    pub(crate) fn resources(&self) -> Api<FlowsEncryptionKey> {
        Api::default_namespaced(self.client.clone())
    }

    /// Shows what helps to find out why a step did not happen.
    pub(crate) async fn show_what_is_there(&self) {
        title("That step did not happen. What there is:");
        for line in ["kubectl get fek -o yaml", "kubectl events"] {
            if let Err(error) = self.shell.run(line).await {
                println!("{error}");
            }
        }
        for number in NUMBERS {
            println!("{}", self.describe(number));
        }
    }

    /// What the emulator holds for a number, in a line.
    pub(crate) fn describe(&self, phone_number_id: &str) -> String {
        let Some(number) = self.emulator.number(phone_number_id) else {
            return format!("{phone_number_id}  unknown");
        };
        let fingerprint = number.fingerprint.as_deref().unwrap_or("no key");
        let status = number.signature_status().unwrap_or("-");
        format!("{phone_number_id}  {status}  {fingerprint}  uploads: {}", number.uploads)
    }

    /// How to go on by hand. `log` is the log of the operator, which serves its pages at the address `operator`.
    pub(crate) fn explain(&self, log: &Path, operator: SocketAddr) {
        title("It stays up; in another terminal:");
        let kubectl = self.shell.kubectl();
        let graph = self.emulator.base_url();
        let number = NUMBERS[0];
        println!("export KUBECONFIG={}", self.cluster.kubeconfig().display());
        println!("alias kubectl={}", kubectl.display());
        println!("kubectl get fek -o wide --watch");
        println!("kubectl describe fek storefront");
        println!("tail -f {}", log.display());
        println!("curl http://{operator}/readyz");
        println!("\nThe emulator; support/graph-emulator/README.md has more:");
        println!("curl {graph}/_emulator/state");
        println!("curl {graph}/_emulator/numbers/{number}");
        println!("curl -X POST {graph}/_emulator/numbers/{number}/lose-signature");
        println!("curl -X POST {graph}/_emulator/numbers/{number}/foreign-key");
        println!("curl -X POST {graph}/_emulator/tokens/{TOKEN}/expire");
        println!("\nand have the operator look at once:");
        println!("kubectl annotate fek storefront waflows.dev/sync-requested-at=\"$(date -u +%FT%TZ)\" --overwrite");
        println!("\nCtrl-C here stops and removes everything.");
    }
}

/// The headline of a step.
pub(crate) fn title(text: &str) {
    println!("\n=== {text}");
}
