//! The export of traces over OTLP, set up by the usual variables of the environment:
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

use super::spans;

/// Either of these turns traces on.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const CERTIFICATES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
/// The only protocol that is spoken.
const HTTP_PROTOBUF: &str = "http/protobuf";
/// The most that a stopping process waits for its last spans to be sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);
/// Bound on sending a batch; the specification's default.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why traces cannot be exported as the environment asks.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The protocol is another one.
    #[error(
        "{variable}={value} is not supported: set it to {HTTP_PROTOBUF}, and the endpoint to the collector's port for it (usually 4318)"
    )]
    Protocol {
        /// The variable of the environment.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// The file with certificate authorities cannot be read.
    #[error("{variable}={path}: {source}")]
    ReadCertificate {
        /// The variable of the environment.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// The HTTP client cannot be set up.
    #[error("the client for traces could not be set up: {0}")]
    Http(#[from] reqwest::Error),
    /// Another variable has a value that makes no sense.
    #[error("traces could not be set up: {0}")]
    Exporter(#[from] ExporterBuildError),
}

/// The export of traces. Spans are sent in batches, by a thread of their own.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// What the environment asks for: none where it names no endpoint, or turns traces off.
    ///
    /// # Errors
    /// When it asks for something that cannot be done.
    pub fn from_env() -> Result<Option<Self>, SetupError> {
        let is_off = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || set("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        if is_off || first_set(ENDPOINTS).is_none() {
            return Ok(None);
        }
        if let Some((variable, value)) = first_set(PROTOCOLS).filter(|(_, value)| value != HTTP_PROTOBUF) {
            return Err(SetupError::Protocol { variable, value });
        }
        let client = OnRuntime { client: client()?, runtime: Handle::current(), has_failed: Arc::default() };
        let exporter = SpanExporter::builder().with_http().with_http_client(client).build()?;
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build();
        Ok(Some(Self { provider }))
    }

    /// Takes in the operator's spans, and what it logs in them.
    pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        let filter = Targets::new()
            .with_target(spans::TARGET, LevelFilter::INFO)
            .with_target("waflows_operator", LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("waflows-operator"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter)
    }

    /// Sends what is left.
    pub async fn finish(self) {
        let finished = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(FLUSH_TIMEOUT)).await;
        if let Ok(Err(error)) = finished {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

fn set(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.trim().is_empty())
}

fn first_set<const N: usize>(variables: [&'static str; N]) -> Option<(&'static str, String)> {
    variables.into_iter().find_map(|variable| Some((variable, set(variable)?)))
}

fn client() -> Result<reqwest::Client, SetupError> {
    let mut builder = reqwest::Client::builder().timeout(EXPORT_TIMEOUT);
    if let Some((variable, path)) = first_set(CERTIFICATES) {
        let path = PathBuf::from(path);
        let pem = std::fs::read(&path).map_err(|source| SetupError::ReadCertificate { variable, path, source })?;
        builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(&pem)?);
    }
    Ok(builder.build()?)
}

/// `OTEL_RESOURCE_ATTRIBUTES` goes before what is known here, `OTEL_SERVICE_NAME` before both.
fn resource() -> Resource {
    let known = [
        KeyValue::new("service.name", env!("CARGO_PKG_NAME")),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
    ];
    let pod = set("POD_NAME").map(|name| KeyValue::new("k8s.pod.name", name));
    let builder = Resource::builder_empty()
        .with_attributes(known.into_iter().chain(pod))
        .with_detector(Box::new(EnvResourceDetector::new()));
    match set("OTEL_SERVICE_NAME") {
        Some(name) => builder.with_service_name(name).build(),
        None => builder.build(),
    }
}

/// A client whose work is done by the runtime: the thread that sends batches has none.
#[derive(Debug)]
struct OnRuntime {
    client: reqwest::Client,
    runtime: Handle,
    /// What stands in the log already.
    has_failed: Arc<AtomicBool>,
}

impl HttpClient for OnRuntime {
    // As the macro `async_trait` writes it.
    fn send_bytes<'a, 'b>(&'a self, request: Request<Bytes>) -> BoxFuture<'b, Result<Response<Bytes>, HttpError>>
    where
        'a: 'b,
        Self: 'b,
    {
        let (client, has_failed) = (self.client.clone(), Arc::clone(&self.has_failed));
        let sending = self.runtime.spawn(async move {
            let answer = client.send_bytes(request).await;
            report(&has_failed, &answer);
            answer
        });
        async move { sending.await? }.boxed()
    }
}

/// Once for each row of failures. What is not taken is lost, and nothing else suffers.
fn report(has_failed: &AtomicBool, answer: &Result<Response<Bytes>, HttpError>) {
    let failure = match answer {
        Ok(answer) if answer.status().is_success() => None,
        Ok(answer) => Some(format!("HTTP status {}", answer.status())),
        Err(error) => Some(error.to_string()),
    };
    let had_failed = has_failed.swap(failure.is_some(), Ordering::Relaxed);
    match failure {
        Some(error) if !had_failed => tracing::warn!(error, "traces could not be sent; those that follow are tried"),
        None if had_failed => tracing::info!("traces are sent again"),
        Some(_) | None => {}
    }
}
