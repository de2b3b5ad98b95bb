//! Tests of the key parser: formats of OpenSSL, damage by copying, and refusals with their messages.
//!
//! The `openssl` command line makes all fixtures at test time. No key is stored.

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
