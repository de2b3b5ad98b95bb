//! The API for users: the resource, its conditions, and the length limits of its texts.

pub mod conditions;
pub mod crd;
pub mod members;
pub mod text;
