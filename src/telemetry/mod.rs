//! The log, and traces where an endpoint for them is set.

mod correlation;
pub mod spans;
mod traces;

use std::io;

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::correlation::Correlated;
pub use self::traces::{SetupError, Traces};
use crate::cli::LogFormat;

/// Here kube logs every failed request as an error of its own, and every answer that it cannot read as a whole, which
/// may be a Secret. What failed, and what follows from it, is said where the request was made.
const KUBE_REQUESTS: &str = "kube_client::client";

/// The log cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("--log-level {0:?} is no level (error, warn, info, debug, trace) nor a list of target=level")]
pub struct InvalidLogLevel(String);

/// Sends the log to standard error, and spans to `traces`.
///
/// # Errors
/// When `level` cannot be read.
pub fn init(format: LogFormat, level: &str, traces: Option<&Traces>) -> Result<(), InvalidLogLevel> {
    let wanted: Targets = level.parse().map_err(|_| InvalidLogLevel(level.to_owned()))?;
    // Spans are for traces: without them they cost nothing, and log lines stay short.
    let filter = wanted.with_target(KUBE_REQUESTS, LevelFilter::OFF).with_target(spans::TARGET, LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let is_terminal = io::IsTerminal::is_terminal(&io::stderr());
    let log = match format {
        LogFormat::Text => lines.with_ansi(is_terminal).map_event_format(Correlated::text).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).map_event_format(Correlated::json).boxed(),
    };
    tracing_subscriber::registry().with(traces.map(Traces::layer)).with(log.with_filter(filter)).init();
    Ok(())
}
