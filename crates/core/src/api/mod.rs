//! The contract with users: the resource, its conditions, and the bounds of its texts.

pub mod conditions;
pub mod crd;
pub mod text;
