//! The task that carries out the actions of the election on a real API server.

use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::config::LeaseConfig;
use super::election::{Action, Election, Outcome};
use super::others::OF_AN_OPERATOR;
use super::record::{Claim, Record};
use super::request::{Answer, Request, Trouble};
use super::term::Term;
use crate::health::Heartbeat;

pub(super) struct Candidate {
    lease: LeaseConfig,
    api: Api<Lease>,
    election: Election,
    /// The Lease object behind the election's record. Writes keep the fields of others.
    object: Lease,
    /// Origin of the election's clock.
    origin: Instant,
    terms: watch::Sender<Option<Term>>,
    heartbeat: Arc<Heartbeat>,
    /// The guard cancels the term even if this task ends unexpectedly.
    term: Option<(Term, DropGuard)>,
    /// The last logged trouble. It is not logged again.
    trouble: Option<Trouble>,
    other_holder: Option<String>,
}

impl Candidate {
    pub(super) fn new(
        lease: LeaseConfig,
        client: Client,
        terms: watch::Sender<Option<Term>>,
        heartbeat: Arc<Heartbeat>,
    ) -> Self {
        Self {
            api: Api::namespaced(client, &lease.namespace),
            election: Election::new(lease.identity.clone(), lease.timing),
            lease,
            object: Lease::default(),
            origin: Instant::now(),
            terms,
            heartbeat,
            term: None,
            trouble: None,
            other_holder: None,
        }
    }

    /// Competes for the Lease until `release` is cancelled, then releases the Lease.
    pub(super) async fn run(mut self, release: CancellationToken) {
        loop {
            self.heartbeat.beat();
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
        lease.metadata.name = Some(self.lease.name.clone());
        label(&mut lease);
        claim.write_to(&mut lease);
        lease
    }

    fn replacement(&self, version: String, claim: Claim) -> Lease {
        let mut lease = self.object.clone();
        lease.metadata.resource_version = Some(version);
        // A Lease of an earlier version has no label.
        label(&mut lease);
        claim.write_to(&mut lease);
        lease
    }

    async fn request(&mut self, request: Request) {
        let sent = self.now();
        let seizes = self.election.other_holder().is_some();
        let timeout = self.election.request_timeout(sent);
        // kube logs every failed request as an error, too. One log line is enough.
        let sending = request.send(&self.api, &self.lease.name).with_subscriber(NoSubscriber::default());
        let answer = tokio::time::timeout(timeout, sending).await;
        let outcome = match request.interpret(answer, timeout, &self.lease) {
            Ok(answer) => {
                self.report_recovery();
                self.take_in(answer)
            }
            Err(trouble) => {
                self.report(trouble);
                Outcome::Failed
            }
        };
        self.election.handle(outcome, sent, self.now());
        self.lead(seizes);
        self.report_holder();
    }

    fn take_in(&mut self, answer: Answer) -> Outcome {
        match answer {
            Answer::Found(None) => Outcome::Found(None),
            Answer::Found(Some(lease)) => {
                self.object = lease;
                Outcome::Found(Some(Record::from(&self.object)))
            }
            Answer::Written(lease) => {
                self.object = lease;
                Outcome::Written(Record::from(&self.object))
            }
            Answer::Conflict => Outcome::Conflict,
        }
    }

    /// Begins a term or extends it. `seizes`: another holder had the Lease until now and did not release it.
    fn lead(&mut self, seizes: bool) {
        let Some(until) = self.election.leads_until().map(|until| self.origin + until) else {
            return;
        };
        if let Some((term, _)) = &self.term {
            term.prolong(until);
            return;
        }
        let term = Term::new(Some(until), seizes.then(Instant::now));
        self.term = Some((term.clone(), term.lost().clone().drop_guard()));
        self.terms.send_replace(Some(term));
        tracing::info!(lease = %self.lease, identity = self.lease.identity, "leading");
    }

    fn step_down(&mut self) {
        self.terms.send_replace(None);
        self.term = None;
        tracing::info!(lease = %self.lease, holder = self.election.other_holder(), "no longer leading");
    }

    /// Logs each kind of trouble in a row once.
    fn report(&mut self, trouble: Trouble) {
        if self.trouble.as_ref().map(discriminant) != Some(discriminant(&trouble)) {
            tracing::warn!(lease = %self.lease, error = %trouble, "the election cannot go on, and is tried again");
        }
        self.trouble = Some(trouble);
    }

    fn report_recovery(&mut self) {
        if self.trouble.take().is_some() {
            tracing::info!(lease = %self.lease, "the election goes on");
        }
    }

    fn report_holder(&mut self) {
        let holder = self.election.other_holder();
        if holder != self.other_holder.as_deref() {
            if let Some(holder) = holder {
                tracing::info!(lease = %self.lease, holder, "another replica leads");
            }
            self.other_holder = holder.map(str::to_owned);
        }
    }
}

/// Adds the label by which other operators find the Lease.
fn label(lease: &mut Lease) {
    let labels = lease.metadata.labels.get_or_insert_default();
    labels.insert(OF_AN_OPERATOR.0.to_owned(), OF_AN_OPERATOR.1.to_owned());
}
