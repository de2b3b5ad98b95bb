//! The log, and traces if an endpoint for traces is set.

mod correlation;
pub mod spans;
mod traces;

use std::io;

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use self::correlation::Correlated;

pub use self::traces::{SetupError, Traces};
use crate::cli::LogFormat;

/// Log target that is switched off. kube logs every failed request here, and every answer that it cannot parse, which
/// may be a whole Secret. The code that makes a request logs its failure.
const KUBE_REQUESTS: &str = "kube_client::client";

/// The log level is invalid.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no level (error, warn, info, debug, trace) and no target with its level, such as kube=debug")]
pub struct InvalidLogLevel(String);

/// Parses levels: each follows its target, and at most one without a target applies to all others.
///
/// # Errors
/// If the text is invalid. Without this check, a misspelt level would count as a target, and the rest of the log would
/// be silent.
pub fn levels(text: &str) -> Result<Targets, InvalidLogLevel> {
    let text: String = text.split_whitespace().collect();
    for part in text.split(',') {
        let (target, level) = part.split_once('=').map_or((None, part), |(target, level)| (Some(target), level));
        let is_level = !level.is_empty() && level.parse::<LevelFilter>().is_ok();
        if target == Some("") || !is_level {
            return Err(InvalidLogLevel(part.to_owned()));
        }
    }
    let levels: Targets = text.parse().map_err(|_| InvalidLogLevel(text))?;
    Ok(if levels.default_level().is_none() { levels.with_default(LevelFilter::INFO) } else { levels })
}

/// Sends the log to standard error, and spans to `traces`.
///
/// # Errors
/// If `level` is invalid.
pub fn init(format: LogFormat, level: &str, traces: Option<&Traces>) -> Result<(), InvalidLogLevel> {
    let wanted = levels(level)?;
    // Spans are only for traces. Without them, log lines stay short.
    let filter = wanted.with_target(KUBE_REQUESTS, LevelFilter::OFF).with_target(spans::TARGET, LevelFilter::OFF);
    let registry = tracing_subscriber::registry();
    match traces {
        // A filter of the whole, not of the log alone: then a span that nobody records costs nothing.
        None => registry.with(filter).with(lines(format)).init(),
        Some(traces) => registry.with(traces.layer()).with(lines(format).with_filter(filter)).init(),
    }
    Ok(())
}

/// The log, in lines on standard error.
fn lines<S: Subscriber + for<'a> LookupSpan<'a>>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync> {
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let is_terminal = io::IsTerminal::is_terminal(&io::stderr());
    match format {
        LogFormat::Text => lines.with_ansi(is_terminal).map_event_format(Correlated::text).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).map_event_format(Correlated::json).boxed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for text in ["loud", "", "info,", "info,loud", "kube", "kube=loud", "=debug", "info;debug"] {
            assert!(levels(text).is_err(), "{text}");
        }
        for text in ["info", "DEBUG", "info,kube=debug", "off", "kube=off, warn"] {
            levels(text).unwrap();
        }
    }

    #[test]
    fn a_level_for_a_target_leaves_the_others_at_info() {
        assert_eq!(levels("kube=debug").unwrap().default_level(), Some(LevelFilter::INFO));
        assert_eq!(levels("warn,kube=debug").unwrap().default_level(), Some(LevelFilter::WARN));
    }
}
