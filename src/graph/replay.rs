//! An answer that came over no connection: the fuzzer and tests hand one to the code that reads Meta's.

use reqwest::Response;
use waflows_core::meta::Reported;

use super::client::redacted;
use super::exchange::receive;
use super::pacing::{CallLimiter, Caller};
use super::{CallError, Credentials, wire};

/// What a GET of a phone number's key comes to that Meta answers like this: as [`super::Client::read`], but for the
/// connection and for repeating the call.
///
/// # Errors
/// When the answer refuses, or a pause is in force.
pub async fn read(
    answer: http::Response<Vec<u8>>,
    credentials: &Credentials,
    resource: &str,
    number: &str,
    pacing: &CallLimiter,
) -> Result<Reported, CallError> {
    let caller =
        Caller { credentials: credentials.id(), token: credentials.origin(), resource, phone_number_id: number };
    let pass = pacing.enter(caller).await.map_err(CallError::Paused)?;
    let exchanged = receive(Response::from(answer), &credentials.redactor(), wire::read_answer).await;
    match pass.finish(exchanged.result.as_ref().err(), &exchanged.usage) {
        Some(pause) => Err(CallError::Paused(pause)),
        None => exchanged.result.map(|reported| redacted(reported, credentials)).map_err(CallError::Failed),
    }
}
