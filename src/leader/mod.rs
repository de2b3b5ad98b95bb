//! Leader election on a Lease, with the timing of client-go: several replicas, one writer.
//!
//! - [`election`]: the decisions, as a state machine without clock or client;
//! - [`record`]: the fields of a Lease that the election reads and writes;
//! - [`config`]: Lease, identity and timing;
//! - [`term`]: the check that the rest of the process makes before every write;
//! - [`others`]: the warning of a process without leader election beside a leader.
//!
//! A process that lost the Lease competes again. Each period of leadership is a separate [`Term`]. Needs the verbs get,
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

/// The running candidate of this process. Dropping it stops the candidate without a release of the Lease, so that
/// others wait until work in progress must have ended.
#[derive(Debug)]
pub struct Leadership {
    leader: Leader,
    heartbeat: Arc<Heartbeat>,
    release: CancellationToken,
    task: JoinHandle<()>,
}

impl Leadership {
    /// Starts to compete, with a separate client: no request for the Lease may outlive the term.
    ///
    /// # Errors
    /// If the client cannot be set up.
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

    /// A handle that says whether this process leads.
    pub fn leader(&self) -> Leader {
        self.leader.clone()
    }

    /// The heartbeat of the election. It beats several times in each lease duration, whether or not the API server
    /// answers.
    pub fn heartbeat(&self) -> &Arc<Heartbeat> {
        &self.heartbeat
    }

    /// Releases the Lease, so that another replica need not wait for its expiry. Call this only when no write is in
    /// progress any more. Takes the renew deadline at most.
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
