//! The operator's process.

use std::time::{Duration, Instant};

use harness::http;
use supervised::{Process, free_address};

use crate::error::Error;
use crate::usage::Usage;
use crate::world::World;

const POLL: Duration = Duration::from_millis(5);
/// Nothing is expected to take this long.
const PATIENCE: Duration = Duration::from_secs(900);

/// Flags that lift the limits of requests to Meta: the figures show what the operator itself can do.
pub(crate) const UNBOUNDED: [&str; 6] =
    ["--graph-requests-per-second", "0", "--graph-concurrency", "0", "--concurrency", "128"];

/// A running operator, stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Operator {
    process: Process,
    address: String,
    pub(crate) started: Instant,
}

impl Operator {
    /// Starts it in a world, with further flags.
    pub(crate) fn start(world: &World, flags: &[&str]) -> Result<Self, Error> {
        let address = free_address().map_err(Error::io("looking for a free port"))?.to_string();
        let arguments = ["run", "--graph-url", world.graph.url(), "--http-address", &address];
        let ca_file = world.graph.ca_file().map(|file| ("WAFLOWS_GRAPH_CA_BUNDLE", file.as_os_str()));
        let plain = if ca_file.is_none() { ["--allow-http-graph-url"].as_slice() } else { &[] };
        let arguments = arguments.iter().chain(plain).chain(flags);
        let environment: Vec<_> = ca_file.into_iter().chain([("KUBECONFIG", world.kubeconfig.as_os_str())]).collect();
        let started = Instant::now();
        let process = Process::start(&world.operator, arguments, &environment);
        let process = process.map_err(Error::io(format!("starting {}", world.operator.display())))?;
        Ok(Self { process, address, started })
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Result<Usage, Error> {
        Usage::of(self.process.process_id())
    }

    /// What it has used once its memory is at rest; false if it does not come to rest.
    pub(crate) async fn usage_at_rest(&self) -> Result<(Usage, bool), Error> {
        Usage::at_rest(self.process.process_id()).await
    }

    /// Waits until `/readyz` answers 200: everything is listed.
    pub(crate) async fn until_ready(&mut self) -> Result<Duration, Error> {
        let address = self.address.clone();
        self.during("the operator answers 200 at /readyz", async {
            while !http::is_ready(&address).await {
                tokio::time::sleep(POLL).await;
            }
            Ok(())
        })
        .await?;
        Ok(self.started.elapsed())
    }

    /// Waits for something that takes the operator to happen.
    pub(crate) async fn during<T>(
        &mut self,
        expected: &str,
        step: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let process = &mut self.process;
        let ended = async {
            while matches!(process.ended(), Ok(None)) {
                tokio::time::sleep(POLL).await;
            }
        };
        let outcome = tokio::select! {
            result = tokio::time::timeout(PATIENCE, step) => Some(result),
            () = ended => None,
        };
        match outcome {
            Some(Ok(result)) => result,
            Some(Err(_)) => {
                let log = self.process.log_tail();
                Err(Error::NotSeen { expected: expected.to_owned(), limit: PATIENCE, log })
            }
            None => Err(Error::OperatorEnded { log: self.process.log_tail() }),
        }
    }

    /// Asks it to stop, and waits for that.
    pub(crate) fn stop(self) -> Result<(), Error> {
        self.process.stop().map(drop).map_err(Error::io("stopping the operator"))
    }
}
