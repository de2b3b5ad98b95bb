//! The task that does what the election says, on a real API server.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::config::LeaseConfig;
use super::election::{Action, Election, Outcome};
use super::record::{Claim, Record};
use super::term::Term;
use super::trouble::{Request, Trouble, interpret};

pub(super) struct Candidate {
    lease: LeaseConfig,
    api: Api<Lease>,
    election: Election,
    /// The object of the election's record: what others keep in it is written back.
    object: Lease,
    /// Origin of the election's clock.
    origin: Instant,
    terms: watch::Sender<Option<Term>>,
    /// Cancels the current term when dropped, hence also where the task ends unasked.
    term: Option<(Term, DropGuard)>,
    /// What the log was told last.
    trouble: Option<Trouble>,
    holder: Option<String>,
}

impl Candidate {
    pub(super) fn new(lease: LeaseConfig, client: Client, terms: watch::Sender<Option<Term>>) -> Self {
        Self {
            api: Api::namespaced(client, &lease.namespace),
            election: Election::new(lease.identity.clone(), lease.timing),
            lease,
            object: Lease::default(),
            origin: Instant::now(),
            terms,
            term: None,
            trouble: None,
            holder: None,
        }
    }

    /// Competes until `release` is cancelled, then gives the Lease back.
    pub(super) async fn run(mut self, release: CancellationToken) {
        loop {
            if release.is_cancelled() {
                self.election.release(self.now());
            }
            match self.election.next(self.now(), Timestamp::now()) {
                Action::Wait(until) => self.wait(until, &release).await,
                Action::StepDown => self.step_down(),
                Action::Done => return,
                Action::Read => self.request(Request::Read).await,
                Action::Create(claim) => self.request(Request::Create(self.new_lease(claim))).await,
                Action::Replace { version, claim } => {
                    self.request(Request::Replace(self.replacement(version, claim))).await;
                }
            }
        }
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    async fn wait(&self, until: Duration, release: &CancellationToken) {
        tokio::select! {
            () = tokio::time::sleep_until(self.origin + until) => {}
            () = release.cancelled(), if !release.is_cancelled() => {}
        }
    }

    fn new_lease(&self, claim: Claim) -> Lease {
        let mut lease = Lease::default();
        lease.metadata = ObjectMeta { name: Some(self.lease.name.clone()), ..ObjectMeta::default() };
        claim.write_to(&mut lease);
        lease
    }

    fn replacement(&self, version: String, claim: Claim) -> Lease {
        let mut lease = self.object.clone();
        lease.metadata.resource_version = Some(version);
        claim.write_to(&mut lease);
        lease
    }

    async fn request(&mut self, request: Request) {
        let sent = self.now();
        let timeout = self.election.request_timeout(sent);
        // kube logs every failed request as an error of its own; once is enough.
        let answer = tokio::time::timeout(timeout, self.send(&request)).with_subscriber(NoSubscriber::default()).await;
        let (outcome, object) = match interpret(&request, answer, &self.lease, timeout) {
            Ok(answered) => {
                self.report_recovery();
                answered
            }
            Err(trouble) => {
                self.report(trouble);
                (Outcome::Failed, None)
            }
        };
        self.object = object.unwrap_or_default();
        self.election.handle(outcome, sent, self.now());
        self.publish();
    }

    async fn send(&self, request: &Request) -> kube::Result<Option<Lease>> {
        match request {
            Request::Read => self.api.get_opt(&self.lease.name).await,
            Request::Create(lease) => self.api.create(&PostParams::default(), lease).await.map(Some),
            Request::Replace(lease) => {
                self.api.replace(&self.lease.name, &PostParams::default(), lease).await.map(Some)
            }
        }
    }
}
