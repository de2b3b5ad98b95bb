//! The main job of the operator, behind two proxies: a key is put on numbers, rotated, and put back where it drifted.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use fault_proxy::{Action, Call, Fault, Proxy, Writes};
use graph_emulator::Config;
use harness::cluster::kubeconfig_of;
use harness::state::{self, Uploads, differences};
use harness::storefront::{APP_SECRET, FLAGS, NAME, NEW, NUMBERS, OLD, PASSPHRASE, secrets, spec, want_proof};
use harness::wait::PATIENCE;
use harness::{Launch, TOKEN, World, client, condition_of, control_plane, emulator, new_namespace, secrecy};
use serde_json::Value;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::FlowsEncryptionKey;

use crate::OPERATOR;
use crate::oracle::{self, Footprint};

/// The wait between two looks at the state. A look takes several requests.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Jobs at once for each core of the machine. Jobs mostly wait.
const JOBS_PER_CORE: usize = 4;

/// Jobs that may be under way at once, in all tests together.
pub(crate) fn at_once() -> usize {
    JOBS_PER_CORE * std::thread::available_parallelism().map_or(1, usize::from)
}

static TURNS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(at_once()));

/// The two connections of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leg {
    /// To the API server.
    Kubernetes,
    /// To Meta.
    Graph,
}

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

/// The results of a run without faults.
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
        // The last event comes after the last status and before the next reconcile. That one writes a status, no event.
        job.look_again().await;
        let mut writes = job.writes.made();
        let of_the_look = writes.pop();
        assert!(of_the_look.is_some_and(|write| write.ends_with("/status")), "{writes:?}");
        job.rest().await;
        let footprint = Footprint::of(&job);
        Self { states: states.try_into().unwrap(), uploads: job.uploads(), footprint, writes }
    }
}

fn is_done(resource: &FlowsEncryptionKey, stage: Stage) -> bool {
    let status = resource.status.as_ref().unwrap();
    let fingerprint = if stage == Stage::Applied { &OLD.fingerprint } else { &NEW.fingerprint };
    let is_synced = stage != Stage::Healed || status.last_handled_sync_request.is_some();
    status.observed_generation == resource.metadata.generation
        && status.public_key_fingerprint.as_ref() == Some(fingerprint)
        && condition_of(resource, ConditionType::Ready).0 == "True"
        && is_synced
}

/// An operator at work behind proxies.
pub(crate) struct Job {
    pub(crate) world: World,
    pub(crate) kubernetes: Proxy,
    pub(crate) graph: Proxy,
    pub(crate) writes: Arc<Writes>,
    _folder: tempfile::TempDir,
    _turn: SemaphorePermit<'static>,
}

impl Job {
    /// Waits until it is this job's turn. A test that has a job must not wait for another.
    pub(crate) async fn new() -> Self {
        Self::under(&[], |_, _| {}).await
    }

    /// With further flags, in which `{namespace}` becomes the job's namespace, and with faults from the start. `set`
    /// gets the proxy of the API server and that of Meta.
    pub(crate) async fn under(flags: &[&str], set: impl FnOnce(&Proxy, &Proxy)) -> Self {
        let turn = TURNS.acquire().await.unwrap();
        let client = client().await;
        let namespace = new_namespace(&client).await;
        let emulator = emulator::start(Config::default(), &NUMBERS).await;
        want_proof(&emulator);
        let (cluster, writes) = (control_plane(), Arc::<Writes>::default());
        let kubernetes = Proxy::start(cluster.server_url(), Some(cluster.ca_certificate()), Arc::clone(&writes)).await;
        let graph = Proxy::start(emulator.base_url(), None, Arc::clone(&writes)).await;
        set(&kubernetes, &graph);
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, kubeconfig_of(&kubernetes.url, cluster.admin_token())).unwrap();
        let flags: Vec<_> =
            FLAGS.iter().chain(flags).map(|flag| if *flag == "{namespace}" { &namespace } else { *flag }).collect();
        let launch = Launch::new(OPERATOR, &kubeconfig, &graph.url);
        let operator = launch.start(&namespace, &flags);
        let world = World { client, namespace, emulator, launch, operator };
        Self { world, kubernetes, graph, writes, _folder: folder, _turn: turn }
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
        self.world.operator = self.world.another(flags);
    }

    /// Kills the operator, and waits for its end.
    pub(crate) fn kill(&mut self) {
        self.world.operator.kill();
    }

    /// Does what users and Meta do at the beginning of a stage.
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
        state::state(&self.world, NAME).await
    }

    /// Waits for the expected state. The error says what differs.
    pub(crate) async fn settle(&self, expected: &Value) -> Result<(), String> {
        self.until(expected, || false).await
    }

    /// The same, or until the condition `other` holds.
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
                Some(_) => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    /// Makes the operator look at everything once more, so that all its work is done. Returns the request.
    pub(crate) async fn look_again(&self) -> String {
        static LOOKS: AtomicUsize = AtomicUsize::new(0);
        let look = format!("look {}", LOOKS.fetch_add(1, Ordering::Relaxed));
        self.world.sync(NAME, &look).await;
        look
    }

    /// Waits until no requests but the two watches are under way.
    pub(crate) async fn rest(&self) {
        let is_at_rest = || [self.kubernetes.open(), self.graph.open()] == [2, 0];
        self.world.wait_until("only the watches are under way", is_at_rest).await;
    }

    /// Makes the operator list and watch anew: its watches lose all events, and end with the next change of the fault.
    pub(crate) async fn lose_watches(&self) {
        self.kubernetes.set(Fault { of: |call: &Call| call.is_watch, action: Action::LoseEvents });
        self.world.wait_until("both watches are lost", || self.kubernetes.lost() == 2).await;
    }

    /// Uploads that took effect, by number.
    pub(crate) fn uploads(&self) -> Uploads {
        state::uploads(&self.world.emulator)
    }

    /// All calls so far, and how often each was made.
    pub(crate) fn calls(&self) -> Vec<(String, usize)> {
        [self.kubernetes.counts(), self.graph.counts()].concat()
    }

    /// Reads of numbers so far.
    pub(crate) fn reads(&self) -> usize {
        usize::try_from(self.world.emulator.counters().calls.reads).unwrap()
    }

    /// Waits until the footprint is near that of a run without faults. The error says what grew.
    pub(crate) async fn shrink_to(&self, reference: &Footprint) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            match oracle::growth(reference, &Footprint::of(self)) {
                None => return Ok(()),
                Some(growth) if begun.elapsed() > PATIENCE => return Err(growth),
                Some(_) => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    /// The checks after the job: the state stays when the operator looks once more, no secret is leaked, and the
    /// process holds no more than before. The last check is that of superfluous uploads, when no upload can follow any
    /// more.
    pub(crate) async fn verdict(&self, reference: &Reference) -> Result<(), String> {
        let look = self.look_again().await;
        let mut expected = reference.state(Stage::Healed).clone();
        expected["status"]["lastHandledSyncRequest"] = look.into();
        self.settle(&expected).await?;
        let leak = secrecy::find_leak(&secrecy::texts(&self.world).await, &secrets());
        leak.map_or(Ok(()), Err)?;
        self.shrink_to(&reference.footprint).await?;
        oracle::superfluous(&reference.uploads, &self.uploads()).map_or(Ok(()), Err)
    }
}
