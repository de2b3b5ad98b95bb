//! The subcommand `ready`: asks a running operator whether it is ready. The image has no shell and no curl, so `helm test` and
//! the health check of a container need it.

use std::time::Duration;

use reqwest::Url;

use crate::cli::ReadyArgs;
use crate::command_output::CommandOutput;
use crate::outbound;

const TIMEOUT: Duration = Duration::from_secs(5);
/// Between two attempts with `--wait`.
const PAUSE: Duration = Duration::from_millis(500);

/// The operator could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ReadyError {
    /// The HTTP client cannot be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Client(#[source] reqwest::Error),
    /// Nobody answers.
    #[error("{url} does not answer: {source}")]
    Silent {
        /// The page.
        url: Url,
        /// The last failure.
        source: reqwest::Error,
    },
}

/// Asks for the page, again and again for the time that `--wait` gives.
///
/// # Errors
/// If nobody answered the last time.
pub async fn run(args: &ReadyArgs) -> Result<CommandOutput, ReadyError> {
    // The operator is in the cluster, or on this machine: no proxy leads there.
    let client = outbound::builder().no_proxy().timeout(TIMEOUT).build().map_err(ReadyError::Client)?;
    let begun = tokio::time::Instant::now();
    loop {
        let answer = ask(&client, &args.url).await;
        let is_ready = answer.as_ref().is_ok_and(|output| output.exit_code == 0);
        if is_ready || begun.elapsed() >= args.wait.unwrap_or_default() {
            return answer;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask(client: &reqwest::Client, url: &Url) -> Result<CommandOutput, ReadyError> {
    let silent = |source: reqwest::Error| ReadyError::Silent { url: url.clone(), source: source.without_url() };
    let answer = client.get(url.clone()).send().await.map_err(silent)?;
    let status = answer.status();
    let text = answer.text().await.map_err(silent)?;
    let text = if text.ends_with('\n') { text } else { format!("{text}\n") };
    if status.is_success() {
        Ok(CommandOutput::new(text))
    } else {
        Ok(CommandOutput { text: format!("{status}\n{text}"), exit_code: 1 })
    }
}
