//! The controller: keeps a store of what exists, decides in a [`queue`] what is worked on next, and takes each resource
//! through a round. What a round decides stands in `waflows_core`; here is what it does:
//!
//! 1. [`secrets`] and [`reads`] do all reads, of Secrets and of Meta, into one observation;
//! 2. [`uploads`] makes the uploads that are planned, and reads each number back;
//! 3. [`status_writer`] and [`event_publisher`] tell what came of it.

mod attempts;
pub mod context;
pub mod event_publisher;
pub mod fence;
pub mod hearsay;
pub mod partial_object;
pub mod queue;
pub mod reads;
pub mod reconcile;
pub mod run;
pub mod secrets;
pub mod status_writer;
pub mod uploads;
pub mod watch;

pub use context::Context;
pub use run::run;
