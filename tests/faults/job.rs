//! The main job of the operator, behind two proxies: a key is put on numbers, rotated, and put back where it drifted.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use graph_emulator::{Config, Emulator, Token};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use crate::fault::{Action, Call, Fault, Leg};
use crate::openssl::{self, PASSPHRASE, openssl};
use crate::oracle::{self, Footprint, Uploads, differences};
use crate::proxy::Proxy;
use crate::world::{Operator, TOKEN, World, client, control_plane, new_namespace};
use crate::writes::Writes;

pub(crate) const NAME: &str = "storefront";
pub(crate) const NUMBERS: [&str; 3] = ["106540352242922", "107995438950512", "108811432100233"];
pub(crate) const APP_SECRET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
/// Waits short enough for a test, and long enough to tell a wait from none.
pub(crate) const FLAGS: [&str; 2] = ["--wait-scale", "0.02"];
/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Jobs at once for each core of the machine: most of their time they wait.
const JOBS_PER_CORE: usize = 4;

/// Jobs that may be under way at once, in all tests together.
pub(crate) fn at_once() -> usize {
    JOBS_PER_CORE * std::thread::available_parallelism().map_or(1, usize::from)
}

static TURNS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(at_once()));

/// An encrypted private key as users have it.
pub(crate) struct Key {
    pub(crate) pem: String,
    /// As the status has it.
    pub(crate) fingerprint: String,
}

impl Key {
    fn of(plain: &[u8]) -> Self {
        let pem = openssl("pkcs8 -topk8 -v2 aes-256-cbc -passout PASS", plain);
        let der = openssl("pkey -pubout -outform DER", plain);
        let digits: String = Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { pem: String::from_utf8(pem).unwrap(), fingerprint: format!("sha256:{digits}") }
    }
}

pub(crate) static OLD: LazyLock<Key> = LazyLock::new(|| Key::of(&openssl::KEY));
pub(crate) static NEW: LazyLock<Key> = LazyLock::new(|| Key::of(&openssl::OTHER_KEY));

/// The parts of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Applied,
    Rotated,
    Healed,
}

impl Stage {
    pub(crate) const ALL: [Self; 3] = [Self::Applied, Self::Rotated, Self::Healed];
}

/// What a run without faults comes to.
pub(crate) struct Reference {
    states: [Value; 3],
    pub(crate) uploads: Uploads,
    pub(crate) footprint: Footprint,
    pub(crate) writes: Vec<String>,
}

impl Reference {
    /// Made once for all tests.
    pub(crate) async fn get() -> &'static Self {
        static REFERENCE: OnceCell<Reference> = OnceCell::const_new();
        REFERENCE.get_or_init(Self::new).await
    }

    pub(crate) fn state(&self, stage: Stage) -> &Value {
        &self.states[stage as usize]
    }

    async fn new() -> Self {
        let job = Job::new().await;
        let mut states = Vec::new();
        for stage in Stage::ALL {
            job.begin(stage).await;
            job.world.wait(NAME, "done", |resource| is_done(resource, stage)).await;
            states.push(job.state().await);
        }
        // The last event comes after the last status, and before the next round, which writes a status and no event.
        job.look_again().await;
        let mut writes = job.writes.made();
        let of_the_look = writes.pop();
        assert!(of_the_look.is_some_and(|write| write.ends_with("/status")), "{writes:?}");
        job.rest().await;
        let footprint = Footprint::of(&job);
        Self { states: states.try_into().unwrap(), uploads: job.uploads(), footprint, writes }
    }
}

fn is_done(resource: &waflows_core::api::crd::FlowsEncryptionKey, stage: Stage) -> bool {
    use waflows_core::api::conditions::ConditionType;
    let status = resource.status.as_ref().unwrap();
    let fingerprint = if stage == Stage::Applied { &OLD.fingerprint } else { &NEW.fingerprint };
    let is_synced = stage != Stage::Healed || status.last_handled_sync_request.is_some();
    status.observed_generation == resource.metadata.generation
        && status.public_key_fingerprint.as_ref() == Some(fingerprint)
        && crate::world::condition_of(resource, ConditionType::Ready).0 == "True"
        && is_synced
}

/// An operator at work behind proxies.
pub(crate) struct Job {
    pub(crate) world: World,
    pub(crate) kubernetes: Proxy,
    pub(crate) graph: Proxy,
    pub(crate) writes: Arc<Writes>,
    kubeconfig: PathBuf,
    _folder: tempfile::TempDir,
    _turn: SemaphorePermit<'static>,
}

impl Job {
    /// Once it is this job's turn. Who has one must not wait for another.
    pub(crate) async fn new() -> Self {
        Self::under(&[], |_, _| {}).await
    }

    /// With further flags, where `{namespace}` stands for the job's namespace, and with faults that are there from the
    /// start: `set` gets the proxy of the API server and that of Meta.
    pub(crate) async fn under(flags: &[&str], set: impl FnOnce(&Proxy, &Proxy)) -> Self {
        let turn = TURNS.acquire().await.unwrap();
        let client = client().await;
        let namespace = new_namespace(&client).await;
        let emulator = Emulator::start(Config::default()).await.unwrap();
        emulator.set_token(TOKEN, Token { app_secret: Some(APP_SECRET.to_owned()), ..Token::default() });
        emulator.add_numbers(NUMBERS);
        let (cluster, writes) = (control_plane(), Arc::<Writes>::default());
        let kubernetes = Proxy::start(cluster.server_url(), Some(cluster.ca_certificate()), Arc::clone(&writes)).await;
        let graph = Proxy::start(emulator.base_url(), None, Arc::clone(&writes)).await;
        set(&kubernetes, &graph);
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, kubeconfig_for(&kubernetes.url, cluster.admin_token())).unwrap();
        let flags: Vec<_> =
            FLAGS.iter().chain(flags).map(|flag| if *flag == "{namespace}" { &namespace } else { *flag }).collect();
        let operator = Operator::start_at(&kubeconfig, &namespace, &graph.url, &flags, &[]);
        let world = World { client, namespace, emulator, operator };
        Self { world, kubernetes, graph, writes, kubeconfig, _folder: folder, _turn: turn }
    }

    pub(crate) fn proxy(&self, leg: Leg) -> &Proxy {
        match leg {
            Leg::Kubernetes => &self.kubernetes,
            Leg::Graph => &self.graph,
        }
    }

    /// Another process of the operator, in the place of the one that runs or ran.
    pub(crate) fn restart(&mut self) {
        self.restart_with(&FLAGS);
    }

    /// The same, with these flags.
    pub(crate) fn restart_with(&mut self, flags: &[&str]) {
        self.kill();
        self.writes.go_on();
        self.world.operator = Operator::start_at(&self.kubeconfig, &self.world.namespace, &self.graph.url, flags, &[]);
    }

    /// Kills the operator, and waits for its end.
    pub(crate) fn kill(&mut self) {
        self.world.operator.kill();
    }

    /// What users, and Meta, do at the beginning of a stage.
    pub(crate) async fn begin(&self, stage: Stage) {
        let world = &self.world;
        match stage {
            Stage::Applied => {
                world.set_secret("meta-token", "token", TOKEN).await;
                world.set_secret("meta-app", "secret", APP_SECRET).await;
                world.set_secret("flows-passphrase", "passphrase", PASSPHRASE).await;
                world.set_secret("flows-key", "private.pem", &OLD.pem).await;
                world.apply(NAME, spec(&NUMBERS[..2])).await.unwrap();
            }
            Stage::Rotated => world.set_secret("flows-key", "private.pem", &NEW.pem).await,
            Stage::Healed => {
                world.emulator.lose_signature(NUMBERS[0]).unwrap();
                world.apply(NAME, spec(&NUMBERS)).await.unwrap();
                world.request_sync(NAME, "now").await;
            }
        }
    }

    /// The resource, Meta and the Secrets' versions, without times and whatever else differs from run to run.
    pub(crate) async fn state(&self) -> Value {
        oracle::state(&self.world, NAME).await
    }

    /// Waits until the state is as expected, and else tells what differs.
    pub(crate) async fn settle(&self, expected: &Value) -> Result<(), String> {
        self.until(expected, || false).await
    }

    /// The same, or until something else holds.
    pub(crate) async fn until(&self, expected: &Value, other: impl Fn() -> bool) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            if other() {
                return Ok(());
            }
            match differences(expected, &self.state().await) {
                None => return Ok(()),
                Some(differences) if begun.elapsed() > PATIENCE => {
                    return Err(format!("{differences}\nlog:\n{}", self.world.operator.log()));
                }
                Some(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Has the operator look at everything once more, so that whatever it had to do is done. Returns what was asked for.
    pub(crate) async fn look_again(&self) -> String {
        static LOOKS: AtomicUsize = AtomicUsize::new(0);
        let look = format!("look {}", LOOKS.fetch_add(1, Ordering::Relaxed));
        self.world.request_sync(NAME, &look).await;
        self.world
            .wait(NAME, "looked at again", |resource| {
                let status = resource.status.as_ref().unwrap();
                status.last_handled_sync_request.as_ref() == Some(&look)
            })
            .await;
        look
    }

    /// Waits until no requests but the two watches are under way.
    pub(crate) async fn rest(&self) {
        let is_at_rest = || [self.kubernetes.open(), self.graph.open()] == [2, 0];
        self.world.wait_until("only the watches are under way", is_at_rest).await;
    }

    /// Has the operator list and watch anew: its watches lose what happens, and end with whatever is set next.
    pub(crate) async fn lose_watches(&self) {
        self.kubernetes.set(Fault { of: |call: &Call| call.is_watch, action: Action::LoseEvents });
        self.world.wait_until("both watches are lost", || self.kubernetes.lost() == 2).await;
    }

    /// Uploads that took effect, by number.
    pub(crate) fn uploads(&self) -> Uploads {
        oracle::uploads(&self.world.emulator)
    }

    /// All calls so far, and how often each was made.
    pub(crate) fn calls(&self) -> Vec<(String, usize)> {
        [self.kubernetes.counts(), self.graph.counts()].concat()
    }

    /// Reads of numbers so far.
    pub(crate) fn reads(&self) -> usize {
        usize::try_from(self.world.emulator.counters().calls.reads).unwrap()
    }

    /// Waits until the footprint is near that of a run without faults, and else tells what grew.
    pub(crate) async fn shrink_to(&self, reference: &Footprint) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            match oracle::growth(reference, &Footprint::of(self)) {
                None => return Ok(()),
                Some(growth) if begun.elapsed() > PATIENCE => return Err(growth),
                Some(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// All that is left to say once the job is done: whether it stays so when the operator looks once more, secrets told,
    /// leaks, and last, when nothing can follow any more, superfluous uploads.
    pub(crate) async fn verdict(&self, reference: &Reference) -> Result<(), String> {
        let look = self.look_again().await;
        let mut expected = reference.state(Stage::Healed).clone();
        expected["status"]["lastHandledSyncRequest"] = look.into();
        self.settle(&expected).await?;
        let told = oracle::told(&oracle::texts(&self.world).await, &oracle::secrets());
        told.map_or(Ok(()), Err)?;
        self.shrink_to(&reference.footprint).await?;
        oracle::superfluous(&reference.uploads, &self.uploads()).map_or(Ok(()), Err)
    }
}

/// A spec with all that is secret: an encrypted key, its passphrase, a token, an app secret.
pub(crate) fn spec(numbers: &[&str]) -> Value {
    json!({
        "privateKeySecretRef": {"name": "flows-key", "key": "private.pem"},
        "passphraseSecretRef": {"name": "flows-passphrase", "key": "passphrase"},
        "accessTokenSecretRef": {"name": "meta-token", "key": "token"},
        "appSecretRef": {"name": "meta-app", "key": "secret"},
        "phoneNumberIds": numbers,
    })
}

fn kubeconfig_for(server: &str, token: &str) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    });
    config.to_string()
}
