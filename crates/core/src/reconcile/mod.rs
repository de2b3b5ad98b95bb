//! What a reconcile is about.

pub mod machine;
pub mod ownership;
