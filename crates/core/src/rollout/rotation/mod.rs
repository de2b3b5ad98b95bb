//! The replacement of a valid key by another: the rule, the phases, and what each phase allows.

mod course;
pub mod decision;
mod facts;
mod held;
mod outlook;
mod phases;

pub use course::{Course, Direction};
pub use outlook::Outlook;
pub use phases::{concluded, course, is_overdue, is_soaking, needs_proof};
