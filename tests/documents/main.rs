//! What the documents show is true: every example is accepted by a real API server, beside the real definitions of the
//! other operators' resources that it uses.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod examples;
