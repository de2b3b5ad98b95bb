//! What users see of a resource: its status and its events.

pub mod accounts;
pub mod endpoint;
pub mod events;
mod input_condition;
pub mod number;
pub mod ready;
mod rotation;
pub mod secrets;
pub mod summarize;
pub mod token;
