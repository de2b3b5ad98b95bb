//! Requests, opened by others; answers, sealed by others.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod answers;
mod bytes;
mod endpoint;
mod openssl;
mod properties;
mod requests;
mod secrecy;
