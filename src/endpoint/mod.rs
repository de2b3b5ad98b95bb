//! A business's Flow endpoint: does it have the private half of a key?
//!
//! [`client`] sends one probe of `waflows_probe` and says what came of it, [`obstacle`] why there was no answer, and
//! [`explanation`] what it means and what helps.

pub mod client;
pub mod explanation;
pub mod obstacle;
