//! The decisions about resources and numbers, without I/O: functions of values, including the time.
//!
//! A module imports only modules below it in this list:
//!
//! - [`reconcile`]: the loop of a reconcile, and which of its numbers a resource may work on
//! - [`status`]: what users see: conditions, messages, events
//! - [`rollout`]: which uploads are needed, and how a new key goes to one number first, the canary
//! - [`queue`]: which resource is reconciled next
//! - [`store`]: the cached resources, the versions of Secrets, and which resource claims which number
//! - [`observation`]: the inputs of a reconcile
//! - [`discovery`]: which numbers of WhatsApp Business Accounts join a resource and leave it
//! - [`replacement`]: whether a valid key may be replaced, and what a rotation allows in one reconcile
//! - [`proof`]: what the probes of one resource's endpoint found
//! - [`number`]: the next status of one number
//! - [`token`]: what Meta tells of an access token
//! - [`upload`]: the reason and the result of an upload
//! - [`schedule`]: when work is due, and the backoff
//! - [`meta`]: Meta's answers
//! - [`api`]: the `FlowsEncryptionKey` resource, its conditions and reasons
//! - [`endpoint`]: the possible outcomes of a probe of a Flow endpoint

pub mod api;
pub mod discovery;
pub mod endpoint;
pub mod meta;
pub mod number;
pub mod observation;
pub mod proof;
pub mod queue;
pub mod reconcile;
pub mod replacement;
pub mod rollout;
pub mod schedule;
pub mod status;
pub mod store;
pub mod token;
pub mod upload;

#[cfg(test)]
mod tests;
