//! What a reconcile is about: [`machine`] takes it from the first read to the last write.

pub mod action;
mod announcement;
pub mod claim_numbers;
pub mod machine;
pub(crate) mod reads;
pub mod work_due;
