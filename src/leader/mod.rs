//! Leader election on a Lease, with the timing of client-go: several replicas, one writer.
//!
//! - [`election`]: the decisions, as a state machine without clock or client;
//! - [`record`]: what it reads from a Lease and writes into one;
//! - [`config`]: which Lease, as whom, with which timing;
//! - [`term`]: what the rest of the process asks before it writes;
//! - [`others`]: what a process is told that has no part in an election, where others have one.
//!
//! A process that lost the Lease competes again; each time of leading is a [`Term`] of its own. Needs the verbs get,
//! create and update on leases of coordination.k8s.io in the Lease's namespace.

mod candidate;
pub mod config;
pub mod election;
mod others;
pub mod record;
mod request;
#[cfg(test)]
mod simulation;
pub mod term;

use std::sync::Arc;

use candidate::Candidate;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use config::{InvalidTiming, LeaseConfig, Timing, identity, own_namespace};
pub use others::warn_of_others;
pub use term::{Leader, Term};

use crate::apiserver;
use crate::health::Heartbeat;

/// This process's part in the election. Dropping it ends the part without giving the Lease back, so that others wait
/// for as long as work that is still under way may take.
#[derive(Debug)]
pub struct Leadership {
    leader: Leader,
    heartbeat: Arc<Heartbeat>,
    release: CancellationToken,
    task: JoinHandle<()>,
}

impl Leadership {
    /// Starts to compete, with a client of its own: no request about the Lease may outlive the term.
    ///
    /// # Errors
    /// When the client cannot be set up.
    pub fn start(lease: LeaseConfig, mut cluster: kube::Config) -> Result<Self, kube::Error> {
        cluster.default_retry = false;
        let client = apiserver::client(cluster)?;
        let (terms, term) = watch::channel(None);
        let release = CancellationToken::new();
        let heartbeat = Arc::new(Heartbeat::default());
        let candidate = Candidate::new(lease, client, terms, Arc::clone(&heartbeat));
        let task = tokio::spawn(candidate.run(release.clone()));
        Ok(Self { leader: Leader::new(term), heartbeat, release, task })
    }

    /// Whether this process leads, for whoever asks.
    pub fn leader(&self) -> Leader {
        self.leader.clone()
    }

    /// The pulse of the election: it beats several times in each lease duration, whether or not the API server answers.
    pub fn heartbeat(&self) -> &Arc<Heartbeat> {
        &self.heartbeat
    }

    /// Gives the Lease back, so that another replica need not wait for its end. To be called once no write is under
    /// way any more; takes the renew deadline at most.
    pub async fn release(mut self) {
        self.release.cancel();
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the election ended by itself");
        }
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        self.task.abort();
    }
}
