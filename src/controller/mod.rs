//! The controller: keeps an [`index`] of what exists, decides in a [`queue`] what is worked on next, and takes each
//! resource through a round of four steps:
//!
//! 1. [`observe`] does all reads, of Secrets and of Meta, into one value;
//! 2. [`plan`] turns that value into the uploads that are needed;
//! 3. [`execute`] makes them, and reads each number back;
//! 4. [`summarize`] says what they amount to: a status, events, and when to look again.
//!
//! Plan and summarize, and what they use ([`number`], [`schedule`]), are pure functions: time and
//! jitter come in as values.

mod attempts;
pub mod events;
pub mod execute;
pub mod hearsay;
pub mod index;
pub mod inputs;
pub mod known;
pub mod message;
pub mod number;
pub mod observe;
pub mod ownership;
pub mod permit;
pub mod plan;
mod probes;
pub mod publisher;
pub mod queue;
pub mod received;
pub mod reconcile;
pub mod schedule;
pub mod summarize;
pub mod trial;
pub mod verdict;
pub mod vitals;
pub mod watch;
pub mod writer;

#[cfg(test)]
mod tests;

pub use reconcile::{Context, run};
