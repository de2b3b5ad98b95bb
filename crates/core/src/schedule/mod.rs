//! When work is due, and the backoff.

pub mod backoff;
pub mod due;
