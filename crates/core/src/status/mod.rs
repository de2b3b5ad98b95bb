//! What users see of a resource: its status and its events.

pub mod events;
pub mod inputs;
pub mod number_message;
pub mod ready;
pub mod summarize;
