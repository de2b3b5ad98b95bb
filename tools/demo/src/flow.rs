//! A Flow endpoint of two pods, and customers who use the Flow all the time.

use std::time::Duration;

use endpoint_emulator::{Emulator, KeyChange};
use harness::FlowService;
use whatsapp_clients::{Config, Counts, Traffic};

use crate::error::Error;
use crate::scene::{NUMBERS, Scene};
use crate::wait;

/// The pods of the endpoint.
const PODS: u8 = 2;
/// The token of the customers' clients, for reads of the keys.
const CLIENT_TOKEN: &str = "demo-client-token";
const CLIENTS: usize = 9;
const REQUESTS_PER_SECOND: f64 = 30.0;
/// More than the demo makes; with `--keep` the traffic goes on until here.
const REQUEST_LIMIT: u64 = 100_000;

/// A running endpoint, and running clients.
pub(crate) struct Flow {
    endpoint: Emulator,
    traffic: Traffic,
}

impl Flow {
    /// An endpoint with the private key in this file, as the pods of a Service `flows`.
    ///
    /// # Errors
    /// Where it does not start, or the API server refuses its objects.
    pub(crate) async fn set_up(scene: &Scene, key: &str) -> Result<Self, Error> {
        let endpoint = Emulator::start(endpoint_emulator::Config { replicas: PODS, ..Default::default() }).await?;
        endpoint.set_keys_everywhere(&[&scene.shell.read(key)?], KeyChange::Now)?;
        let namespace = scene.client.default_namespace().to_owned();
        let service = FlowService { client: scene.client.clone(), namespace, port: endpoint.address(0).port() };
        let served = service.serve(1..=PODS).await;
        served.map_err(|source| Error::Kubernetes { doing: "creating the Service flows and its pods", source })?;
        scene.emulator.add_token(CLIENT_TOKEN);
        let traffic = Traffic::start(Config {
            seed: 1,
            graph_url: scene.emulator.base_url().to_owned(),
            token: CLIENT_TOKEN.to_owned(),
            numbers: NUMBERS.map(str::to_owned).to_vec(),
            targets: (0..usize::from(PODS)).map(|pod| endpoint.url(pod)).collect(),
            app_secret: None,
            clients: CLIENTS,
            requests_per_second: REQUESTS_PER_SECOND,
            request_limit: REQUEST_LIMIT,
        })?;
        let flow = Self { endpoint, traffic };
        let warm = async || Ok(flow.traffic.is_warm().then_some(()));
        wait::until("every client has used every number", warm).await?;
        Ok(flow)
    }

    /// Gives each pod the private keys in these files, after a time of its own.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub(crate) fn load(&self, scene: &Scene, files: &[&str], after: [Duration; PODS as usize]) -> Result<(), Error> {
        let pems = files.iter().map(|file| scene.shell.read(file)).collect::<Result<Vec<_>, _>>()?;
        let pems: Vec<_> = pems.iter().map(String::as_str).collect();
        for (pod, after) in after.into_iter().enumerate() {
            self.endpoint.set_keys(pod, &pems, KeyChange::After(after))?;
        }
        Ok(())
    }

    /// What the customers saw so far.
    pub(crate) fn counts(&self) -> Counts {
        self.traffic.counts()
    }

    /// What the customers saw since these counts.
    pub(crate) fn since(&self, before: &Counts) -> Counts {
        let now = self.counts();
        Counts {
            requests: now.requests - before.requests,
            wrong_key: now.wrong_key - before.wrong_key,
            refreshed: now.refreshed - before.refreshed,
            failures: now.failures - before.failures,
        }
    }

    /// Waits for so many more requests, and returns what the customers saw meanwhile.
    ///
    /// # Errors
    /// Where the traffic has ended.
    pub(crate) async fn go_on_for(&self, requests: u64) -> Result<Counts, Error> {
        let before = self.counts();
        let done = async || Ok((self.since(&before).requests >= requests).then_some(()));
        wait::until(format!("{requests} more requests of customers"), done).await?;
        Ok(self.since(&before))
    }
}
