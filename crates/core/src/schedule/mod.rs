//! When something is due.

pub mod backoff;
pub mod due;
