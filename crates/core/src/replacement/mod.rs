//! May a valid key on a number be replaced? The rule, what a number holds, and what a rotation allows in one reconcile.

pub mod course;
pub mod decision;
pub mod held;
