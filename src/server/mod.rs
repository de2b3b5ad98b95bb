//! HTTP server for probes and metrics.

mod authorization;
pub mod http;
pub mod metrics_page;
mod openmetrics;
pub mod probes;
mod process_metrics;
mod resource_metrics;

pub use authorization::Authorizer;
pub use http::{ListenError, Listeners, Pages, serve};
pub use metrics_page::{CONTENT_TYPE, Exposition, Sources};
pub use probes::Probes;
