//! Asks Meta what an access token may do, and until when.
//!
//! The inspected token is a parameter of the call, so it is part of the URL. Neither the log, nor a trace, nor an error ever
//! holds the query of a URL.

use reqwest::StatusCode;
use waflows_core::meta::{ErrorClass, GraphError};
use waflows_core::token::TokenFacts;

use super::client::{Client, Edge};
use super::credentials::{AppCredentials, Credentials};
use super::error::CallError;
use super::token_answer::token_answer;
use crate::metrics::Operation;

/// The name of the edge, which has no object.
const EDGE: &str = "debug_token";
/// Code of an error about a parameter. Meta gives this code to a token that may not ask about itself.
const INVALID_PARAMETER: i64 = 100;

impl Client {
    /// What the token may do, and until when: asked with the token itself, and with the app's own token if that is refused.
    ///
    /// The answer says nothing to the rate limiter about the token: nothing may rest on an inspection.
    ///
    /// # Errors
    /// If Meta refuses or does not answer, or a hold is in force. If Meta refuses the app, the class of the error is
    /// [`ErrorClass::AppSecretProof`]: the token may be good.
    pub async fn inspect_token(
        &self,
        credentials: &Credentials,
        app: Option<&AppCredentials>,
        resource: &str,
    ) -> Result<TokenFacts, CallError> {
        match (self.inspect_as(credentials, credentials, resource).await, app) {
            (Err(error), Some(app)) if is_not_its_own_judge(&error) => {
                let asker = app.token().redacting(credentials);
                self.inspect_as(&asker, credentials, resource).await.map_err(about_app)
            }
            (result, _) => result,
        }
    }

    async fn inspect_as(
        &self,
        asker: &Credentials,
        inspected: &Credentials,
        resource: &str,
    ) -> Result<TokenFacts, CallError> {
        let query = [("input_token", inspected.exposed_token())];
        let edge = Edge { operation: Operation::Inspect, id: EDGE, name: "", query: &query };
        let facts = self.call(&edge, asker, resource, Some, token_answer).await?;
        let reason = facts.reason.map(|reason| asker.redactor().redact(&reason));
        Ok(TokenFacts { reason, ..facts })
    }
}

/// An error of the app's own question. A refusal of the asker, or of the question, is about ID and secret of the app.
fn about_app(error: CallError) -> CallError {
    match error {
        CallError::Failed(error) if error.class == ErrorClass::Token || error.code == Some(INVALID_PARAMETER) => {
            CallError::Failed(GraphError { class: ErrorClass::AppSecretProof, ..error })
        }
        error => error,
    }
}

/// Whether Meta refuses the app with whose ID or secret it was asked.
pub fn refuses_app(error: &CallError) -> bool {
    matches!(error, CallError::Failed(error) if error.class == ErrorClass::AppSecretProof)
}

/// Whether Meta refuses that this token asks about itself. Source: Meta's answer, `(#100) You must provide an app access token,
/// or a user access token that is an owner or developer of the app`.
pub fn is_not_its_own_judge(error: &CallError) -> bool {
    let CallError::Failed(error) = error else { return false };
    error.code == Some(INVALID_PARAMETER)
        && error.class != ErrorClass::AppSecretProof
        && error.http_status != Some(StatusCode::UNAUTHORIZED.as_u16())
}
