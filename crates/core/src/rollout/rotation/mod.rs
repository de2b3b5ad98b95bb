//! The phases of a rotation: what is known, which phase follows, and what each phase allows.

mod facts;
mod outlook;
mod phases;

pub use outlook::Outlook;
pub use phases::{concluded, course, is_overdue, is_soaking, needs_proof};
