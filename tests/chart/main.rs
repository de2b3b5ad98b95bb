//! The Helm chart: rendered by Helm, applied to a real API server.
//!
//! There are no nodes, so no pod runs. Where the operator has to work, its binary runs here, with the arguments and the
//! environment of the rendered Deployment and a token of the rendered ServiceAccount.

// `json!` goes one deeper for every value of the longest object.
#![recursion_limit = "512"]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

mod admission;
mod alerts;
mod chart;
mod cluster;
mod dashboard;
mod definition;
mod endpoints;
mod install;
mod lifecycle;
mod metrics;
mod night;
mod olm;
mod pod;
mod replicas;
mod rules;
mod scene;
mod schema;
mod scrape;
mod timeline;
mod tools;
mod users;
mod values;
