//! The subcommand `token`: what an access token may do, and until when.

mod report;

use jiff::Timestamp;
use waflows_core::meta::GraphError;

use crate::app::{StartError, graph_reader};
use crate::cli::TokenArgs;
use crate::command_output::CommandOutput;
use crate::given_credentials::{GivenCredentials, GivenCredentialsError};
use crate::graph::{is_not_its_own_judge, refuses_app};
use report::Report;

/// The name by which the rate limiter knows the caller.
const CALLER: &str = "token";

/// The reasons for which nothing is known of the token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There are no credentials.
    #[error(transparent)]
    Credentials(#[from] GivenCredentialsError),
    /// The Graph client cannot be set up.
    #[error(transparent)]
    Graph(#[from] StartError),
    /// Meta lets only the app ask.
    #[error(
        "Meta does not let this token ask about itself: give --app-id and --app-secret-file, or set appId and appSecretRef in \
         the resource, and the app asks. {}",
        .0.brief()
    )]
    NotItsOwnJudge(GraphError),
    /// Meta refuses the app.
    #[error(
        "Meta refuses the app, so nothing is known of the token: correct --app-secret-file and --app-id, or appSecretRef and \
         appId of the resource. {}",
        .0.brief()
    )]
    AppRefused(GraphError),
    /// Meta did not answer.
    #[error("Meta said nothing about the token: {0}")]
    NoAnswer(GraphError),
    /// The JSON cannot be written. Never in practice.
    #[error("writing JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Asks Meta about the token.
///
/// # Errors
/// If there are no credentials, or Meta tells nothing.
pub async fn run(args: &TokenArgs) -> Result<CommandOutput, TokenError> {
    let app_id = args.app_id.as_deref();
    let GivenCredentials { credentials, app } = GivenCredentials::read(&args.credentials, app_id).await?;
    let graph = graph_reader(&args.graph)?;
    match graph.inspect_token(&credentials, app.as_ref(), CALLER).await {
        Ok(facts) => Ok(Report::new(facts, Timestamp::now()).output(args.output)?),
        Err(error) if is_not_its_own_judge(&error) => Err(TokenError::NotItsOwnJudge(error.into())),
        Err(error) if refuses_app(&error) => Err(TokenError::AppRefused(error.into())),
        Err(error) => {
            let error = GraphError::from(error);
            if error.class.refuses_credentials() {
                return Ok(report::refused(&error, args.output)?);
            }
            Err(TokenError::NoAnswer(error))
        }
    }
}
