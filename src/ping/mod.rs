//! The subcommand `ping`: asks endpoints whether they have the private half of a key.
//!
//! [`target`] and [`input`] read the command line, `crate::endpoint` asks, and [`report`] prints.

mod input;
mod report;
mod target;

use futures::future::join_all;
use rand_core::OsRng;
use waflows_probe::{AskWith, UnusableKey, encode};

pub use input::InputError;
pub use target::TargetError;

use crate::cli::PingArgs;
use crate::command_output::CommandOutput;
use crate::endpoint::client::{ProbeClient, Reply};
use crate::endpoint::explanation::Question;
use input::Input;
use report::Report;
use target::Target;

/// The reasons for which `ping` asks nothing.
#[derive(Debug, thiserror::Error)]
pub enum PingError {
    /// A target is not valid.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A file cannot be used.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] UnusableKey),
    /// TLS could not be set up.
    #[error("the HTTPS client could not be set up: {0}")]
    Http(#[from] reqwest::Error),
    /// The JSON cannot be written. Never in practice.
    #[error("writing JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Asks all targets at the same time.
///
/// # Errors
/// If the command line or a file is wrong. No target is asked then.
pub async fn run(args: &PingArgs) -> Result<CommandOutput, PingError> {
    let targets: Vec<_> = args.targets.iter().map(|text| Target::parse(text)).collect::<Result<_, _>>()?;
    let input = Input::read(args)?;
    let client = ProbeClient::new(input.roots.clone())?;
    let question =
        Question { key: input.key.as_ref().map(|key| *key.fingerprint()), is_signed: input.app_secret.is_some() };
    let replies = join_all(targets.into_iter().map(|target| ask(&client, &input, target))).await;
    let replies = replies.into_iter().collect::<Result<_, _>>()?;
    Ok(Report::new(question, replies).printout(args.output)?)
}

async fn ask(client: &ProbeClient, input: &Input, target: Target) -> Result<(Target, Reply), UnusableKey> {
    let key = input.key.as_ref().map_or(AskWith::UnknownKey, AskWith::Key);
    let (request, opener) = encode(key, input.app_secret.as_ref(), &mut OsRng)?;
    let reply = client.ask(target.url().clone(), &request, &opener).await;
    Ok((target, reply))
}
