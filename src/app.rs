//! Starts and stops the operator: clients, controller, server, shutdown.

use std::sync::Arc;
use std::time::Duration;

use kube::client::ClientBuilder;
use kube::runtime::events::Reporter;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::limit::ConcurrencyLimitLayer;
use tower::util::MapResponseLayer;
use waflows_core::api::crd::{MAX_DURATION, MIN_CHECK_INTERVAL};
use waflows_core::schedule::backoff::Waits;
use waflows_core::store::store::Store;

use crate::cli::{EndpointArgs, GraphArgs, RunArgs};
use crate::controller::event_publisher::EventPublisher;
use crate::controller::inspector::Inspector;
use crate::controller::shared_secrets::SecretReader;
use crate::controller::status_writer::FIELD_MANAGER;
use crate::controller::{ClusterState, Controller, Reconciler, Watches};
use crate::endpoint::inquiry::Inquirer;
use crate::endpoint::prober::Prober;
use crate::endpoint::targets::Policy;
use crate::graph::call_limiter::{CallLimiter, Limits};
use crate::health::{self, Health};
use crate::leader::{self, Leader, Leadership, LeaseConfig, Timing};
use crate::metrics::Metrics;
use crate::scopes::{namespace_selector, namespaces, watched};
use crate::server::{Authorizer, Exposition, Listeners, Pages, Probes, Sources};
use crate::sieve::sieved;
use crate::telemetry::Traces;
use crate::{apiserver, graph, server, telemetry};

/// Timeout of a call to Meta. Shorter than the time between the end of a term and the earliest start of another leader.
const GRAPH_TIMEOUT: Duration = Duration::from_millis(4500);

/// Limit of concurrent requests to the API server. Each has its own connection. More requests would only wait in the
/// server.
const KUBERNETES_CONCURRENCY: usize = 16;

/// Read timeout of a request to the API server.
const KUBERNETES_TIMEOUT: Duration = Duration::from_secs(10);

/// Read timeout of a watch.
const WATCH_TIMEOUT: Duration = Duration::from_secs(300);

/// Connect timeout of a watch. A connection attempt during an outage of the API server must not outlast the outage.
const WATCH_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The reasons why the operator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log level is invalid.
    #[error(transparent)]
    Telemetry(#[from] telemetry::InvalidLogLevel),
    /// The environment variables for traces are invalid.
    #[error(transparent)]
    Traces(#[from] telemetry::SetupError),
    /// The HTTP address cannot be used, for example because another process has the port.
    #[error(transparent)]
    Listen(#[from] server::ListenError),
    /// The Graph client cannot be set up.
    #[error(transparent)]
    Graph(#[from] graph::ConfigError),
    /// No cluster is configured.
    #[error("no cluster to connect to: set KUBECONFIG, or run inside a cluster ({0})")]
    Kubeconfig(#[from] kube::config::InferConfigError),
    /// The Kubernetes client cannot be set up.
    #[error("the Kubernetes client could not be set up: {0}")]
    Client(#[from] kube::Error),
    /// The timing of the Lease cannot prevent two leaders at the same time.
    #[error(transparent)]
    Timing(#[from] leader::InvalidTiming),
    /// An upload that a leader began at the end of its term could arrive in the term of the next leader.
    #[error(
        "--lease-duration must be at least {needed:?} longer than --renew-deadline, not {margin:?}: a call to Meta that a \
         leader began may take that long"
    )]
    Margin {
        /// Lease duration minus renew deadline, as given.
        margin: Duration,
        /// The required difference.
        needed: Duration,
    },
    /// The interval would cause too many checks, or almost none.
    #[error(
        "--default-check-interval must be at least 1m and at most 720h (30 days), as checkInterval of a resource must, \
         not {0:?}"
    )]
    CheckInterval(Duration),
    /// Two flags choose the namespaces.
    #[error("--namespaces and --namespace-selector exclude each other: list the namespaces, or select them by labels")]
    TwoChoicesOfNamespaces,
    /// The signal handlers cannot be installed.
    #[error("cannot receive signals: {0}")]
    Signal(#[source] std::io::Error),
}

impl StartError {
    /// Whether only the command line is wrong. The exit code is then 2.
    pub fn is_wrong_usage(&self) -> bool {
        match self {
            Self::Telemetry(_)
            | Self::Timing(_)
            | Self::Margin { .. }
            | Self::CheckInterval(_)
            | Self::TwoChoicesOfNamespaces => true,
            Self::Graph(error) => match error {
                graph::ConfigError::NotHttps(_) | graph::ConfigError::NotABase(_) => true,
                graph::ConfigError::CaBundle { .. } | graph::ConfigError::Http(_) => false,
            },
            Self::Traces(_) | Self::Listen(_) | Self::Kubeconfig(_) | Self::Client(_) | Self::Signal(_) => false,
        }
    }
}

/// Runs the operator until SIGTERM or Ctrl-C.
///
/// # Errors
/// If a flag or the environment makes a start impossible.
pub async fn run(args: RunArgs) -> Result<(), StartError> {
    require_interval(&args)?;
    if namespace_selector(&args).is_some() && namespaces(&args) != [None] {
        return Err(StartError::TwoChoicesOfNamespaces);
    }
    let timing = timing(&args)?;
    let traces = Traces::from_env()?;
    telemetry::init(args.log_format, &args.log_level, traces.as_ref())?;
    let metrics = Arc::new(Metrics::default());
    let graph = graph_client(&args.graph, args.wait_scale, Arc::clone(&metrics))?;
    let listeners = Listeners::bind(args.http_address, args.metrics_address).await?;
    let stop = stop_on_signal().map_err(StartError::Signal)?;
    let kubernetes = kube::Config::infer().await?;
    let leadership = leadership(&args, timing, &kubernetes)?;
    let authorizer = authorizer(&args, &kubernetes)?;
    let controller = controller(&args, graph, metrics, kubernetes)?;

    tracing::info!(version = env!("CARGO_PKG_VERSION"), http_address = %listeners.http_address().unwrap_or(args.http_address), graph_url = %args.graph.graph_url, "started");
    if let Some(metrics_address) = listeners.metrics_address() {
        tracing::info!(%metrics_address, "metrics have an address of their own");
    }
    let leader = leadership.as_ref().map_or_else(Leader::alone, Leadership::leader);
    if let Some(leadership) = &leadership {
        let patience = health::PATIENCE.max(2 * args.lease_duration);
        controller.health.follow("the election", leadership.heartbeat(), patience);
    }
    let pages = Pages { authorizer, ..pages(&controller, &leader, args.metrics_per_resource) };
    let server = tokio::spawn(server::serve(listeners, pages, stop.clone()));
    controller.run(watched(&args), leader, stop).await;
    finish(leadership, server, traces).await;
    Ok(())
}

/// What the flags allow for requests to Flow endpoints.
pub fn endpoint_policy(args: &RunArgs) -> Policy {
    let EndpointArgs { endpoint_probes, endpoint_allowed_hosts, .. } = &args.endpoint;
    Policy {
        services: *endpoint_probes,
        allowed_hosts: endpoint_allowed_hosts.iter().filter(|host| !host.is_empty()).cloned().collect(),
        private_addresses: args.endpoint.endpoint_allow_private_addresses,
        host_network: args.endpoint.endpoint_allow_host_network,
        loopback: args.endpoint.endpoint_allow_loopback,
    }
}

/// Connects the parts of the controller.
fn controller(
    args: &RunArgs,
    graph: graph::Client,
    metrics: Arc<Metrics>,
    kubernetes: kube::Config,
) -> kube::Result<Controller> {
    let waits = Waits::scaled(args.wait_scale);
    let store = Store::new(&namespaces(args), waits.before_takeover());
    let store = if namespace_selector(args).is_some() { store.with_selected_namespaces() } else { store };
    let cluster = Arc::new(ClusterState::new(store));
    let health = Arc::new(Health::new(args.wait_scale));
    let client = client(&kubernetes)?;
    let reporter = Reporter { controller: FIELD_MANAGER.into(), instance: std::env::var("POD_NAME").ok() };
    let inquirer =
        Inquirer { client: client.clone(), policy: endpoint_policy(args), waits, metrics: Arc::clone(&metrics) };
    let prober = Arc::new(Prober::new(Arc::clone(&cluster), inquirer, waits, args.default_check_interval));
    let inspector = Arc::new(Inspector::new(Arc::clone(&cluster), graph.reader(), args.token_inspection));
    let watches = Watches {
        cluster: Arc::clone(&cluster),
        client: watch_client(kubernetes)?,
        health: Arc::clone(&health),
        metrics: Arc::clone(&metrics),
        prober: Arc::clone(&prober),
        inspector: Arc::clone(&inspector),
    };
    let reconciler = Reconciler {
        inspector,
        prober,
        secrets: SecretReader::new(client.clone(), Arc::clone(&cluster)),
        cluster,
        publisher: EventPublisher::new(client.clone(), reporter),
        client,
        graph,
        metrics,
        waits,
        default_check_interval: args.default_check_interval,
    };
    let concurrency = args.concurrency.get() as usize;
    Ok(Controller { watches: Arc::new(watches), reconciler: Arc::new(reconciler), health, concurrency })
}

/// Connects the pages with the parts of the controller that they show.
fn pages(controller: &Controller, leader: &Leader, per_resource: bool) -> Pages {
    let Reconciler { cluster, metrics, graph, .. } = &*controller.reconciler;
    let sources = Sources {
        cluster: Arc::clone(cluster),
        metrics: Arc::clone(metrics),
        graph: graph.clone(),
        leader: leader.clone(),
        per_resource,
    };
    let (cluster, metrics, health) = (Arc::clone(cluster), Arc::clone(metrics), Arc::clone(&controller.health));
    let probes = Probes { cluster, metrics, health };
    Pages { probes, leader: leader.clone(), metrics: Exposition::new(sources), authorizer: None }
}

/// Asks the API server who may read the metrics, if the flag says so. With a client of its own: scrapes do not take the
/// places of reconciles.
fn authorizer(args: &RunArgs, kubernetes: &kube::Config) -> kube::Result<Option<Authorizer>> {
    if !args.metrics_authorization {
        return Ok(None);
    }
    Ok(Some(Authorizer::new(apiserver::client(for_single_requests(kubernetes.clone()))?)))
}

/// Ends the process. No write is in progress any more: another replica may lead.
async fn finish(leadership: Option<Leadership>, server: JoinHandle<()>, traces: Option<Traces>) {
    if let Some(leadership) = leadership {
        leadership.release().await;
    }
    if let Err(error) = server.await {
        tracing::error!(%error, "the HTTP server failed");
    }
    tracing::info!("stopped");
    if let Some(traces) = traces {
        traces.finish().await;
    }
}

/// Checks the flag against the limits of a resource's `checkInterval`. Tests that shorten the waits may go below.
fn require_interval(args: &RunArgs) -> Result<(), StartError> {
    let interval = args.default_check_interval;
    if interval > MAX_DURATION || (interval < MIN_CHECK_INTERVAL && args.wait_scale >= 1.0) {
        return Err(StartError::CheckInterval(interval));
    }
    Ok(())
}

/// The timing of the election. A call to Meta that a leader began must end before another replica leads.
fn timing(args: &RunArgs) -> Result<Timing, StartError> {
    let timing = Timing::new(args.lease_duration, args.renew_deadline)?;
    if args.leader_election && timing.margin() < GRAPH_TIMEOUT {
        return Err(StartError::Margin { margin: timing.margin(), needed: GRAPH_TIMEOUT });
    }
    Ok(timing)
}

/// Joins the leader election. Without `--leader-election`, warns if another process leads.
fn leadership(args: &RunArgs, timing: Timing, kubernetes: &kube::Config) -> Result<Option<Leadership>, StartError> {
    let given = args.lease_namespace.clone().filter(|namespace| !namespace.is_empty());
    let lease = LeaseConfig {
        namespace: given.unwrap_or_else(|| leader::own_namespace(kubernetes)),
        name: args.lease_name.clone(),
        identity: leader::identity(),
        timing,
    };
    if args.leader_election {
        return Ok(Some(Leadership::start(lease, kubernetes.clone())?));
    }
    let client = apiserver::client(for_single_requests(kubernetes.clone()))?;
    tokio::spawn(async move { leader::warn_of_others(&client, &lease).await });
    Ok(None)
}

/// Configuration for single requests: with a read timeout and without retries. A reconcile retries by itself and must
/// not hang.
pub(crate) fn for_single_requests(mut config: kube::Config) -> kube::Config {
    config.read_timeout = Some(KUBERNETES_TIMEOUT);
    config.reset_reader_on_write = true;
    config.default_retry = false;
    config
}

/// Configuration for watches. The API server ends a watch after 290 s at the latest. If a watch is silent for longer,
/// its connection is dead and the watch is restarted. The caller retries, not the client: the client's backoff would
/// continue after the API server is back.
pub(crate) fn for_watches(mut config: kube::Config) -> kube::Config {
    config.connect_timeout = Some(WATCH_CONNECT_TIMEOUT);
    config.default_retry = false;
    config.read_timeout = Some(WATCH_TIMEOUT);
    config.reset_reader_on_write = true;
    config
}

/// Creates the client of a command that only reads.
pub(crate) fn graph_reader(args: &GraphArgs) -> Result<graph::Reader, StartError> {
    Ok(graph_client(args, 1.0, Arc::default())?.reader())
}

/// Creates the Graph API client from the flags.
pub(crate) fn graph_client(
    args: &GraphArgs,
    wait_scale: f64,
    metrics: Arc<Metrics>,
) -> Result<graph::Client, StartError> {
    let config = graph::Config {
        base_url: args.graph_url.clone(),
        api_version: args.graph_api_version.clone(),
        allow_http: args.allow_http_graph_url,
        ca_bundle: args.graph_ca_bundle.clone(),
        timeout: GRAPH_TIMEOUT,
    };
    let limits = Limits {
        requests_per_second: args.graph_requests_per_second.try_into().ok(),
        concurrency: args.graph_concurrency.try_into().ok(),
        wait_scale,
    };
    Ok(graph::Client::new(&config, Arc::new(CallLimiter::new(limits)), metrics)?)
}

/// Creates the client for single requests.
fn client(kubernetes: &kube::Config) -> kube::Result<kube::Client> {
    let builder = ClientBuilder::try_from(for_single_requests(kubernetes.clone()))?;
    let limit = ConcurrencyLimitLayer::new(KUBERNETES_CONCURRENCY);
    Ok(builder.with_layer(&apiserver::naming(kubernetes)).with_layer(&limit).build())
}

/// Creates the client for watches. It drops large metadata of tenants before the data is kept in memory.
fn watch_client(kubernetes: kube::Config) -> kube::Result<kube::Client> {
    let naming = apiserver::naming(&kubernetes);
    let builder = ClientBuilder::try_from(for_watches(kubernetes))?;
    Ok(builder.with_layer(&naming).with_layer(&MapResponseLayer::new(sieved)).build())
}

fn stop_on_signal() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let signal = signal()?;
    let stopping = stop.clone();
    tokio::spawn(async move {
        signal.await;
        tracing::info!("stopping");
        stopping.cancel();
    });
    Ok(stop)
}

/// Ends with SIGTERM or Ctrl-C.
#[cfg(unix)]
fn signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    })
}

/// Ends with Ctrl-C.
#[cfg(not(unix))]
fn signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a handler, Ctrl-C ends the process anyway.
        let _ = tokio::signal::ctrl_c().await;
    })
}
