//! Everything that decides, free of I/O: values go in, the time among them, and values come out.
//!
//! From the top down; nothing imports what stands above it:
//!
//! - [`reconcile`]: which of its numbers a resource may work on
//! - [`status`]: what users are told: conditions, messages, events
//! - [`rollout`]: which uploads are needed, and how a new key is tried on one number first
//! - [`store`]: the cached resources, Secrets' versions, and who claims which number
//! - [`observation`]: what a reconcile knows
//! - [`number`]: what one number's status becomes
//! - [`upload`]: why one is made, and what came of it
//! - [`schedule`]: when something is due
//! - [`meta`]: what Meta says
//! - [`endpoint`]: what a probe of a Flow endpoint can come to
//! - [`api`]: the `FlowsEncryptionKey` resource, its conditions and reasons

pub mod api;
pub mod endpoint;
pub mod meta;
pub mod number;
pub mod observation;
pub mod reconcile;
pub mod rollout;
pub mod schedule;
pub mod status;
pub mod store;
pub mod upload;

#[cfg(test)]
mod tests;
