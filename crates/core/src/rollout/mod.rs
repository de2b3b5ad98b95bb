//! The rollout of a key to the numbers of a resource.

pub mod canary;
pub mod outcome;
pub mod plan;
pub mod progress;
pub mod rotation;
pub mod uploads;
