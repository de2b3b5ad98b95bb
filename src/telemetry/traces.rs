//! The export of traces over OTLP. The standard environment variables configure it:
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

/// Each of these environment variables turns traces on.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const CERTIFICATES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
/// The only supported protocol.
const HTTP_PROTOBUF: &str = "http/protobuf";
/// How long a stopping process waits for its last spans to be sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);
/// Timeout of sending a batch: the specification's default.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// The reasons why traces cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The environment asks for an unsupported protocol.
    #[error(
        "{variable}={value} is not supported: set it to {HTTP_PROTOBUF}, and the endpoint to the collector's port for it (usually 4318)"
    )]
    Protocol {
        /// The environment variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// The file with certificate authorities cannot be read.
    #[error("{variable}={path}: {source}")]
    ReadCertificate {
        /// The environment variable.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: std::io::Error,
    },
    /// The HTTP client cannot be set up.
    #[error("the client for traces could not be set up: {0}")]
    Http(#[from] reqwest::Error),
    /// Another variable has an invalid value.
    #[error("traces could not be set up: {0}")]
    Exporter(#[from] ExporterBuildError),
}

/// The export of traces. A separate thread sends spans in batches.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Reads the environment variables. None if there is no endpoint, or traces are turned off.
    ///
    /// # Errors
    /// If a variable is invalid.
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

    /// The layer that exports the operator's spans, and the log lines in them.
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

    /// Sends the remaining spans.
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

/// The OTLP resource. `OTEL_RESOURCE_ATTRIBUTES` overrides the built-in attributes, `OTEL_SERVICE_NAME` overrides both.
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

/// An HTTP client that runs its requests on the runtime, because the thread that sends batches has no runtime.
#[derive(Debug)]
struct OnRuntime {
    client: reqwest::Client,
    runtime: Handle,
    /// Whether the current row of failures is already logged.
    has_failed: Arc<AtomicBool>,
}

impl HttpClient for OnRuntime {
    // The signature that the macro `async_trait` generates.
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

/// Logs each row of failures once. Spans that the collector does not accept are lost; nothing else is affected.
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
