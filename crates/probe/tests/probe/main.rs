//! Requests that other programs decrypt, and answers that other programs encrypt.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod answers;
mod bytes;
mod endpoint;
mod openssl;
mod properties;
mod requests;
mod secrecy;
