//! The subcommand `numbers`: which numbers a WhatsApp Business Account has, and what each holds.
//!
//! The token only reads: the calls go through a [`graph::Reader`], which cannot upload. [`report`] prints.

mod report;

use futures::StreamExt;
use waflows_core::discovery::listing::ListedNumber;
use waflows_core::meta::{GraphError, Reported};
use waflows_core::status::accounts::remedy;

use crate::app::{StartError, graph_reader};
use crate::cli::NumbersArgs;
use crate::command_output::{ACTION_NEEDED, CommandOutput};
use crate::given_credentials::{GivenCredentials, GivenCredentialsError};
use crate::graph::{self, Credentials};
use report::{Held, NumberReport, Report};

/// Numbers that are read at the same time.
const PARALLEL_READS: usize = 8;
/// The name by which the rate limiter knows the caller.
const CALLER: &str = "numbers";

/// The reasons for which the numbers are not known.
#[derive(Debug, thiserror::Error)]
pub enum NumbersError {
    /// There are no credentials.
    #[error(transparent)]
    Credentials(#[from] GivenCredentialsError),
    /// The Graph client cannot be set up.
    #[error(transparent)]
    Graph(#[from] StartError),
    /// Meta did not list the numbers, and waiting may help.
    #[error("the numbers of WhatsApp Business Account {account} could not be listed: {error}")]
    NoAnswer {
        /// The ID.
        account: String,
        /// Meta's answer.
        error: Box<GraphError>,
    },
    /// The JSON cannot be written. Never in practice.
    #[error("writing JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Lists the numbers, and reads each one that is connected.
///
/// # Errors
/// If there are no credentials, or Meta does not answer.
pub async fn run(args: &NumbersArgs) -> Result<CommandOutput, NumbersError> {
    let GivenCredentials { credentials, .. } = GivenCredentials::read(&args.credentials, None).await?;
    let graph = graph_reader(&args.graph)?;
    let account = &args.business_account;
    let listed = match graph.list_numbers(&credentials, CALLER, account).await {
        Ok(listed) => listed,
        Err(error) => return refused(account, error.into()),
    };
    let reading = listed.into_iter().map(|number| report_of(&graph, &credentials, number));
    let numbers = futures::stream::iter(reading).buffered(PARALLEL_READS).collect().await;
    Ok(Report { business_account_id: account.clone(), numbers }.output(args.output)?)
}

async fn report_of(graph: &graph::Reader, credentials: &Credentials, number: ListedNumber) -> NumberReport {
    let held = if number.is_connected() {
        Some(match graph.read(credentials, CALLER, &number.id).await {
            Ok(reported) => Held::of(&reported),
            Err(error) => Held::Unknown(error.into()),
        })
    } else {
        None
    };
    NumberReport { number, held }
}

impl Held {
    fn of(reported: &Reported) -> Self {
        Self::Known { key: reported.key, signature_status: reported.signature_status.clone() }
    }
}

/// A person must act: exit code 1, with what helps.
fn refused(account: &str, error: GraphError) -> Result<CommandOutput, NumbersError> {
    let credentials = error.class.refuses_credentials().then(|| error.class.remedy()).flatten();
    match remedy(&error).or(credentials.map(str::to_owned)) {
        Some(remedy) => {
            let text = format!("WhatsApp Business Account {account}: {remedy}. {}\n", error.brief());
            Ok(CommandOutput { text, exit_code: ACTION_NEEDED })
        }
        None => Err(NumbersError::NoAnswer { account: account.to_owned(), error: Box::new(error) }),
    }
}
