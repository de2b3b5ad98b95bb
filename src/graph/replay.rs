//! Feeds an answer to the parser without a connection, for the fuzzer and tests.

use reqwest::Response;
use waflows_core::meta::Reported;

use super::call_limiter::{CallLimiter, Caller};
use super::client::redacted;
use super::exchange::receive;
use super::{CallError, Credentials, wire};

/// The result of a read of a phone number's key with this answer: as [`super::Client::read`], but without connection
/// and retries.
///
/// # Errors
/// If the answer refuses, or a hold is in force.
pub async fn read(
    answer: http::Response<Vec<u8>>,
    credentials: &Credentials,
    resource: &str,
    number: &str,
    limiter: &CallLimiter,
) -> Result<Reported, CallError> {
    let caller =
        Caller { credentials: credentials.id(), token: credentials.origin(), resource, phone_number_id: number };
    let permit = limiter.enter(caller).await.map_err(CallError::Held)?;
    let exchanged = receive(Response::from(answer), &credentials.redactor(), wire::read_answer).await;
    match permit.finish(exchanged.result.as_ref().err(), &exchanged.usage) {
        Some(hold) => Err(CallError::Held(hold)),
        None => exchanged.result.map(|reported| redacted(reported, credentials)).map_err(CallError::Failed),
    }
}
