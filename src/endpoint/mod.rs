//! Asks a business's Flow endpoint whether it has the private half of a key.
//!
//! [`targets`] says where the requests for an endpoint go, or why there are none. [`client`] sends one probe of
//! `waflows_probe`. [`obstacle`] names the reason for a missing answer. [`explanation`] says what an outcome means and
//! what helps. [`prober`] asks again and again, and [`inquiry`] asks all targets of one resource once.
//!
//! [`prober`] decides when an endpoint is asked, and keeps the proofs. [`inquiry`] asks all targets of one endpoint once.
//!
//! A tenant directs these requests. So [`policy`] is checked first, then each address: [`address`] has the rules,
//! [`service`] and [`pods`] check what the API server says ([`cluster`]), [`host`] checks names ([`lookup`]).

mod address;
pub mod client;
mod cluster;
pub mod explanation;
mod host;
pub mod inquiry;
pub mod lookup;
mod objects;
pub mod obstacle;
mod pods;
pub mod policy;
pub mod prober;
mod refusal;
mod service;
pub mod target;
pub mod targets;
