//! Asks a business's Flow endpoint whether it has the private half of a key.
//!
//! [`client`] sends one probe of `waflows_probe`. [`obstacle`] names the reason for a missing answer. [`explanation`]
//! says what an outcome means and what helps.

pub mod client;
pub mod explanation;
pub mod inquiry;
pub mod obstacle;
pub mod prober;
pub mod targets;
