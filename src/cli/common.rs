//! Formats of output, and what several commands have in common.

use clap::ValueEnum;

/// Group heading in `--help`.
pub(super) const KUBERNETES: &str = "Kubernetes";

/// Output formats of `inspect`, `ping`, `token` and `version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Table,
    /// For machines: one JSON object.
    Json,
}

/// Formats of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object per line.
    Json,
}
