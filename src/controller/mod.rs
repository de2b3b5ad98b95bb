//! The controller: keeps a store of what exists and a [`queue`] of what is reconciled next, and takes each resource through a
//! reconcile. The decisions are in `waflows_core`; this module acts. [`driver`] asks the core what may start, and starts it:
//!
//! 1. [`shared_secrets`] and [`reads`] read the Secrets, and the numbers at Meta;
//! 2. [`uploads`] uploads the key, and reads each number back;
//! 3. [`status_writer`] and [`event_publisher`] store and publish the results.

mod attempts;
pub mod cluster_state;
mod driver;
mod error;
pub mod event_publisher;
pub mod fence;
pub mod inspector;
pub mod partial_object;
pub mod queue;
pub mod reads;
pub mod reconcile;
pub mod reconciler;
mod report;
pub mod run;
pub mod secrets;
pub mod shared_refusal;
pub mod shared_secrets;
pub mod status_writer;
pub mod uploads;
pub mod watch;

pub use cluster_state::ClusterState;
pub use reconciler::Reconciler;
pub use run::Controller;
pub use watch::Watches;
