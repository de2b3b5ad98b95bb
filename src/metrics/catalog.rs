//! The list of all metrics: name, type, unit, labels and meaning. The table in `docs/metrics.md` is generated from this
//! file.

use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use waflows_core::api::crd::{NumberState, RotationPhase};
use waflows_core::endpoint::ProbeOutcome;
use waflows_core::meta::{ErrorClass, HoldScope};
use waflows_core::upload::UploadReason;

use super::labels::{Operation, ReconcileOutcome, UploadResult, Watched};

/// One metric.
#[derive(Debug)]
pub struct Descriptor {
    /// The name without unit and suffix.
    pub(crate) name: &'static str,
    /// Counter, gauge, histogram or info.
    pub(crate) kind: MetricType,
    /// The unit, which is part of the name.
    pub(crate) unit: Option<Unit>,
    /// The labels.
    pub labels: &'static [Label],
    /// Meaning: the HELP text on the page, and the text in `docs/metrics.md`.
    pub help: &'static str,
}

/// One label.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// The name.
    pub name: &'static str,
    /// The possible values.
    pub values: Values,
}

/// The values of a label.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// A fixed set of values.
    OneOf(fn() -> Vec<&'static str>),
    /// An unlimited set. The text follows the label name in `docs/metrics.md`, such as `of the resource`.
    Open(&'static str),
}

impl Descriptor {
    /// The name in queries. For a histogram, without `_bucket`, `_sum` and `_count`.
    pub fn full_name(&self) -> String {
        let unit = self.unit.as_ref().map(|unit| format!("_{}", unit.as_str())).unwrap_or_default();
        let suffix = match self.kind {
            MetricType::Counter => "_total",
            MetricType::Info => "_info",
            MetricType::Gauge | MetricType::Histogram | MetricType::Unknown => "",
        };
        format!("{}{unit}{suffix}", self.name)
    }

    /// The type, such as `counter`.
    pub fn kind(&self) -> &str {
        self.kind.as_str()
    }

    /// The unit, such as `seconds`.
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_ref().map(Unit::as_str)
    }
}

const fn counter(name: &'static str, labels: &'static [Label], help: &'static str) -> Descriptor {
    Descriptor { name, kind: MetricType::Counter, unit: None, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [Label], help: &'static str) -> Descriptor {
    Descriptor { name, kind: MetricType::Gauge, unit: None, labels, help }
}

const fn seconds(name: &'static str, kind: MetricType, labels: &'static [Label], help: &'static str) -> Descriptor {
    Descriptor { name, kind, unit: Some(Unit::Seconds), labels, help }
}

const fn bytes(name: &'static str, help: &'static str) -> Descriptor {
    Descriptor { name, kind: MetricType::Gauge, unit: Some(Unit::Bytes), labels: &[], help }
}

const fn one_of(name: &'static str, values: fn() -> Vec<&'static str>) -> Label {
    Label { name, values: Values::OneOf(values) }
}

const fn open(name: &'static str, values: &'static str) -> Label {
    Label { name, values: Values::Open(values) }
}

/// The phases of a rotation that is not over.
fn phases() -> Vec<&'static str> {
    RotationPhase::ALL.into_iter().filter(|phase| !phase.is_over()).map(RotationPhase::as_str).collect()
}

const NAMESPACE: Label = open("namespace", "of the resource");
const NAME: Label = open("name", "of the resource");
/// A scrape may overwrite `namespace`, which is also a label of the target.
const RESOURCE_NAMESPACE: Label = open("resource_namespace", "the same as `namespace`; no scrape overwrites it");
const REASON: Label = open("reason", "of the condition `Ready`, see [conditions](conditions.md#reasons)");
const OPERATION: Label = one_of("operation", || Operation::ALL.map(Operation::as_str).to_vec());
const SCOPE: Label = one_of("scope", || HoldScope::ALL.map(HoldScope::as_str).to_vec());

pub(crate) static BUILD: Descriptor = Descriptor {
    name: "waflows_build",
    kind: MetricType::Info,
    unit: None,
    labels: &[open("version", "of the operator")],
    help: "The version that runs; always 1.",
};
pub(crate) static LEADER: Descriptor =
    gauge("waflows_leader", &[], "Whether this replica leads: 1 or 0; always 1 without leader election.");
pub(crate) static RECONCILE_DURATION: Descriptor = seconds(
    "waflows_reconcile_duration",
    MetricType::Histogram,
    &[one_of("outcome", || ReconcileOutcome::ALL.map(ReconcileOutcome::as_str).to_vec())],
    "Duration of reconciles by outcome: the status was written, had not changed, could not be read or written, or was dropped because another process wrote first. A reconcile that finds nothing due is not counted.",
);
pub(crate) static GRAPH_REQUESTS: Descriptor = counter(
    "waflows_graph_requests",
    &[OPERATION, one_of("outcome", || ["ok", "cancelled"].into_iter().chain(ErrorClass::NAMES).collect())],
    "Requests to Meta's Graph API by outcome.",
);
pub(crate) static GRAPH_REQUEST_DURATION: Descriptor = seconds(
    "waflows_graph_request_duration",
    MetricType::Histogram,
    &[OPERATION],
    "Duration of requests to Meta's Graph API, from sending to the end of the answer.",
);
pub(crate) static UPLOADS: Descriptor = counter(
    "waflows_uploads",
    &[
        one_of("reason", || UploadReason::ALL.map(UploadReason::as_str).to_vec()),
        one_of("result", || UploadResult::ALL.map(UploadResult::as_str).to_vec()),
    ],
    "Uploads of a public key by reason and result. The result is what the number held when it was read back: the key with a valid signature, something else, or the upload itself failed. Uploads that a hold postponed are not counted.",
);
pub(crate) static PHONE_NUMBERS: Descriptor = gauge(
    "waflows_phone_numbers",
    &[NAMESPACE, NAME, RESOURCE_NAMESPACE, one_of("state", || NumberState::ALL.map(NumberState::as_str).to_vec())],
    "Phone numbers by state; states without numbers have no series, except Valid.",
);
pub(crate) static RESOURCE_READY: Descriptor = gauge(
    "waflows_resource_ready",
    &[NAMESPACE, NAME, RESOURCE_NAMESPACE, REASON],
    "The condition Ready of the resource: 1 True, 0 False, -1 Unknown.",
);
pub(crate) static RESOURCES: Descriptor = gauge(
    "waflows_resources",
    &[one_of("ready", || vec!["True", "False", "Unknown"]), REASON],
    "Resources by their condition Ready and its reason.",
);
pub(crate) static LAST_CHECK: Descriptor = seconds(
    "waflows_resource_last_check_timestamp",
    MetricType::Gauge,
    &[NAMESPACE, NAME, RESOURCE_NAMESPACE],
    "The oldest of the last successful reads of the resource's phone numbers, in Unix time; absent until each number was read once.",
);
pub(crate) static NEXT_CHECK: Descriptor = seconds(
    "waflows_resource_next_check_timestamp",
    MetricType::Gauge,
    &[NAMESPACE, NAME, RESOURCE_NAMESPACE],
    "When the operator asks Meta next, in Unix time; absent while nothing is planned.",
);
pub(crate) static KEY: Descriptor = seconds(
    "waflows_resource_key_timestamp",
    MetricType::Gauge,
    &[NAMESPACE, NAME, RESOURCE_NAMESPACE],
    "When the operator first saw the resource's current key, in Unix time; absent until it has one.",
);
pub(crate) static SUSPENDED: Descriptor = seconds(
    "waflows_resource_suspended_timestamp",
    MetricType::Gauge,
    &[NAMESPACE, NAME, RESOURCE_NAMESPACE],
    "When the resource was suspended, in Unix time; absent while the resource is not suspended.",
);
pub(crate) static ROTATION_PHASE: Descriptor = seconds(
    "waflows_resource_rotation_phase_start_timestamp",
    MetricType::Gauge,
    &[NAMESPACE, NAME, RESOURCE_NAMESPACE, one_of("phase", phases)],
    "When the phase of the resource's rotation began, in Unix time; absent without a rotation, and once the rotation is over.",
);
pub(crate) static TOKEN_END: Descriptor = seconds(
    "waflows_resource_token_end_timestamp",
    MetricType::Gauge,
    &[NAMESPACE, NAME, RESOURCE_NAMESPACE],
    "When the resource's access token ends, in Unix time; absent if the resource has no `status.token`, if the token never ends, or if Meta does not tell.",
);
pub(crate) static TOKENS_REFUSED: Descriptor = gauge(
    "waflows_tokens_refused",
    &[],
    "Access tokens that Meta refuses now, also for their app secret proof; one for each Secret and key.",
);
pub(crate) static REFUSED_RESOURCES: Descriptor = gauge(
    "waflows_refused_resources",
    &[NAMESPACE, RESOURCE_NAMESPACE, open("secret", "that holds the access token")],
    "Resources whose access token or app secret proof Meta refuses now; absent where there are none, and with `--metrics-per-resource=false`.",
);
pub(crate) static GRAPH_PAUSED: Descriptor = gauge(
    "waflows_graph_paused",
    &[SCOPE],
    "Active holds by scope: a token that Meta refuses or limits, a business account (WABA), a resource, or a number.",
);
pub(crate) static GRAPH_PAUSE_REMAINING: Descriptor = seconds(
    "waflows_graph_pause_remaining",
    MetricType::Gauge,
    &[SCOPE],
    "Time until the longest of these holds ends.",
);
pub(crate) static QUEUE_DEPTH: Descriptor =
    gauge("waflows_queue_depth", &[], "Resources that wait in the work queue; 0 on a replica that does not lead.");
pub(crate) static QUEUE_OLDEST: Descriptor = seconds(
    "waflows_queue_oldest",
    MetricType::Gauge,
    &[],
    "The longest time that a resource has waited in the work queue; 0 on a replica that does not lead.",
);
pub(crate) static WATCH_RESTARTS: Descriptor = counter(
    "waflows_watch_restarts",
    &[one_of("watch", || Watched::ALL.map(Watched::as_str).to_vec())],
    "Failed watches of the API server; the operator retries each.",
);
pub(crate) static ENDPOINT_PROBES: Descriptor = counter(
    "waflows_endpoint_probes",
    &[one_of("outcome", || ProbeOutcome::ALL.map(ProbeOutcome::as_str).to_vec())],
    "Requests to Flow endpoints that were encrypted with the key of a resource, by outcome. Requests with a key that nobody has are not counted.",
);
pub(crate) static ENDPOINT_READY: Descriptor = gauge(
    "waflows_resource_endpoint_ready",
    &[
        NAMESPACE,
        NAME,
        RESOURCE_NAMESPACE,
        open("reason", "of the condition `EndpointReady`, see [conditions](conditions.md#reasons)"),
    ],
    "The condition EndpointReady of the resource: 1 True, 0 False, -1 Unknown; absent without `spec.endpoint`.",
);
pub(crate) static AVAILABLE: Descriptor = gauge(
    "waflows_resource_available",
    &[
        NAMESPACE,
        NAME,
        RESOURCE_NAMESPACE,
        open("reason", "of the condition `Available`, see [conditions](conditions.md#reasons)"),
    ],
    "The condition Available of the resource: 1 True, 0 False, -1 Unknown; absent without `spec.endpoint`.",
);
pub(crate) static ENDPOINT_RECOVERS: Descriptor = gauge(
    "waflows_resource_endpoint_recovers_clients",
    &[NAMESPACE, NAME, RESOURCE_NAMESPACE],
    "Whether every target of the endpoint answers 421 to a request that it cannot open: 1 or 0; absent where this is not known.",
);
pub(crate) static CPU: Descriptor =
    seconds("process_cpu", MetricType::Counter, &[], "Processor time used by the process, in user and system mode.");
pub(crate) static RESIDENT_MEMORY: Descriptor = bytes("process_resident_memory", "Physical memory of the process.");
pub(crate) static VIRTUAL_MEMORY: Descriptor = bytes("process_virtual_memory", "Address space of the process.");
pub(crate) static OPEN_FDS: Descriptor = gauge("process_open_fds", &[], "Open file descriptors.");
pub(crate) static MAX_FDS: Descriptor = gauge("process_max_fds", &[], "Limit of open file descriptors.");
pub(crate) static START_TIME: Descriptor =
    seconds("process_start_time", MetricType::Gauge, &[], "When the process started, in Unix time.");

/// All metrics, in the order of the page.
pub static ALL: [&Descriptor; 32] = [
    &BUILD,
    &LEADER,
    &RECONCILE_DURATION,
    &GRAPH_REQUESTS,
    &GRAPH_REQUEST_DURATION,
    &UPLOADS,
    &PHONE_NUMBERS,
    &RESOURCE_READY,
    &RESOURCES,
    &LAST_CHECK,
    &NEXT_CHECK,
    &KEY,
    &SUSPENDED,
    &ENDPOINT_READY,
    &AVAILABLE,
    &ENDPOINT_RECOVERS,
    &ROTATION_PHASE,
    &TOKEN_END,
    &TOKENS_REFUSED,
    &REFUSED_RESOURCES,
    &GRAPH_PAUSED,
    &GRAPH_PAUSE_REMAINING,
    &QUEUE_DEPTH,
    &QUEUE_OLDEST,
    &WATCH_RESTARTS,
    &ENDPOINT_PROBES,
    &CPU,
    &RESIDENT_MEMORY,
    &VIRTUAL_MEMORY,
    &OPEN_FDS,
    &MAX_FDS,
    &START_TIME,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_helps_are_sentences() {
        for (position, metric) in ALL.iter().enumerate() {
            assert!(metric.help.ends_with('.') && !metric.help.contains(['\n', '\\']), "{}", metric.help);
            assert!(ALL[..position].iter().all(|other| other.full_name() != metric.full_name()), "{metric:?}");
        }
    }
}
