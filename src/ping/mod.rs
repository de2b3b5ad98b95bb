//! The subcommand `ping`: asks endpoints whether they have the private half of a key.
//!
//! [`target`] and [`input`] read the command line, [`resource`] looks up the endpoint of a resource, `crate::endpoint` asks,
//! and [`report`] prints.

mod error;
mod input;
mod report;
mod resource;
mod target;

use futures::future::join_all;
use reqwest::Url;
use waflows_probe::{AskWith, UnusableKey};

pub use error::PingError;
pub use input::InputError;
pub use target::TargetError;

use crate::cli::PingArgs;
use crate::command_output::CommandOutput;
use crate::endpoint::client::{ProbeClient, Reply};
use crate::endpoint::explanation::Question;
use input::Input;
use report::Report;
use resource::Asked;
use target::Target;

/// Asks all targets at the same time.
///
/// # Errors
/// If the command line, a file or a resource is wrong. No target is asked then.
pub async fn run(args: &PingArgs) -> Result<CommandOutput, PingError> {
    let targets: Vec<_> = args.targets.iter().map(|text| Target::parse(text)).collect::<Result<_, _>>()?;
    let input = Input::read(args)?;
    let asked = match resource_of(&targets)? {
        Some(name) => resource::ask(args, name, input).await?,
        None => ask_urls(args, &targets, &input).await?,
    };
    let question = Question { key: asked.key, is_signed: asked.is_signed };
    Ok(Report::new(question, asked.replies).output(args.output)?)
}

/// The name of the resource whose endpoint is asked.
fn resource_of(targets: &[Target]) -> Result<Option<&str>, PingError> {
    let name = targets.iter().find_map(|target| match target {
        Target::Resource(name) => Some(name.as_str()),
        Target::Url(_) => None,
    });
    match name {
        Some(name) if targets.len() > 1 => Err(PingError::NotAlone(format!("fek/{name}"))),
        name => Ok(name),
    }
}

async fn ask_urls(args: &PingArgs, targets: &[Target], input: &Input) -> Result<Asked, PingError> {
    if input.key.is_none() && !args.unknown_key {
        return Err(PingError::NothingToAsk);
    }
    let client = ProbeClient::new(input.roots.clone())?;
    let urls = targets.iter().filter_map(|target| match target {
        Target::Url(url) => Some((target.shown(), url)),
        Target::Resource(_) => None,
    });
    let replies = join_all(urls.map(|(shown, url)| ask(&client, input, shown, url))).await;
    let key = input.key.as_ref().map(|key| *key.fingerprint());
    let replies = replies.into_iter().collect::<Result<_, _>>()?;
    Ok(Asked { key, is_signed: input.app_secret.is_some(), replies })
}

async fn ask(client: &ProbeClient, input: &Input, shown: String, url: &Url) -> Result<(String, Reply), UnusableKey> {
    let key = input.key.as_ref().map_or(AskWith::UnknownKey, AskWith::Key);
    Ok((shown, client.ask(url, key, input.app_secret.as_ref()).await?))
}
