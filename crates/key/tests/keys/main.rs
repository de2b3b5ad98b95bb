//! Reading keys: what OpenSSL writes, what people make of it, and what is refused with which words.
//!
//! All fixtures are made by the `openssl` command line at test time; no key is stored.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a failed expectation fails the test")]

mod certificates;
mod disguise;
mod forge;
mod inspection;
mod openssl;
mod passphrases;
mod private_keys;
mod properties;
mod public_keys;
mod refusals;
mod secrecy;
