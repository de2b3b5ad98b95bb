//! The log.

use std::io;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::LogFormat;

/// Here kube logs every failed request as an error of its own, and every answer that it cannot read as a whole, which
/// may be a Secret. What failed, and what follows from it, is said where the request was made.
const KUBE_REQUESTS: &str = "kube_client::client";

/// The log cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("--log-level {0:?} is no level (error, warn, info, debug, trace) nor a list of target=level")]
pub struct InvalidLogLevel(String);

/// Sends the log to standard error.
///
/// # Errors
/// When `level` cannot be read.
pub fn init(format: LogFormat, level: &str) -> Result<(), InvalidLogLevel> {
    let wanted: Targets = level.parse().map_err(|_| InvalidLogLevel(level.to_owned()))?;
    let filter = wanted.with_target(KUBE_REQUESTS, LevelFilter::OFF);
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Text => registry.with(layer.with_ansi(io::IsTerminal::is_terminal(&io::stderr()))).init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).init(),
    }
    Ok(())
}
