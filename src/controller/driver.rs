//! Drives a reconcile: executes the actions of the core's machine, and returns their results to it.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tracing::{Instrument, Span};
use waflows_core::reconcile::action::{Action, End, Event, StatusWrite};
use waflows_core::reconcile::machine::{CHECKPOINT_INTERVAL, Reconcile};
use waflows_core::store::object_key::ObjectKey;

use super::cluster_state::ClusterState;
use super::error::ReconcileError;
use super::fence::WriteFence;
use super::reads::{Caller, list_account, read_number};
use super::reconciler::Reconciler;
use super::report::report;
use super::shared_refusal;
use super::status_writer::{StatusWriter, WriteStatusError, Written};
use super::uploads::{self, Uploader};
use crate::metrics::{ReconcileOutcome, ReconcileTimer};
use crate::telemetry::spans;

/// Does what a reconcile asks for.
pub(super) struct Driver<'a> {
    reconciler: &'a Reconciler,
    key: &'a ObjectKey,
    fence: &'a WriteFence,
    begun: Timestamp,
    reconcile: Reconcile,
    caller: Option<Arc<Caller>>,
    /// None while a checkpoint is written.
    writer: Option<StatusWriter<'a>>,
    checkpoints: Interval,
    under_way: FuturesUnordered<BoxFuture<'a, Completed<'a>>>,
    /// The span of the calls: `observe`, then `execute`.
    span: Span,
    timer: Option<ReconcileTimer<'a>>,
    _reservation: Reservation<'a>,
}

/// What ran beside other things and is over.
enum Completed<'a> {
    Call(Box<Event>),
    Checkpoint(StatusWriter<'a>, Result<Written, WriteStatusError>),
}

/// What a reconcile has reserved until its status is stored.
struct Reservation<'a> {
    cluster: &'a ClusterState,
    key: &'a ObjectKey,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.cluster.store().finish_reconcile(self.key);
    }
}

impl<'a> Driver<'a> {
    /// A driver of a reconcile that was decided upon at the time `begun`.
    pub(super) fn new(
        reconciler: &'a Reconciler,
        key: &'a ObjectKey,
        fence: &'a WriteFence,
        reconcile: Reconcile,
        begun: Timestamp,
    ) -> Self {
        let writer = StatusWriter::new(reconciler, key, fence, Arc::clone(reconcile.stored()));
        Self {
            checkpoints: checkpoints(&reconcile),
            writer: Some(writer),
            caller: None,
            under_way: FuturesUnordered::new(),
            span: Span::none(),
            timer: Some(reconciler.metrics.reconcile()),
            _reservation: Reservation { cluster: &reconciler.cluster, key },
            reconciler,
            key,
            fence,
            begun,
            reconcile,
        }
    }

    /// Drives the reconcile to its end.
    ///
    /// # Errors
    /// When the API server does not answer or refuses: the reconcile is abandoned.
    pub(super) async fn run(mut self) -> Result<End, ReconcileError> {
        // A span is the child of the span in which it is made.
        self.span = spans::observe();
        loop {
            if !self.fence.is_valid() {
                self.reconcile.revoke();
            }
            match self.reconcile.next(Timestamp::now()) {
                Some(Action::Done(end)) => {
                    if end == End::Dropped {
                        self.note_end(ReconcileOutcome::Dropped);
                    }
                    return Ok(end);
                }
                Some(action) => self.act(action).await?,
                None => self.wait().await,
            }
        }
    }

    async fn act(&mut self, action: Action) -> Result<(), ReconcileError> {
        match action {
            Action::ReadSecrets => self.read_secrets().await?,
            Action::ListAccount { position, account_id } => {
                let (graph, caller) = (self.reconciler.graph.reader(), self.caller.clone());
                let listing = list_account(graph, caller, self.fence, position, account_id);
                self.start(listing.map(Event::AccountListed));
            }
            Action::ReadNumber { position, phone_number_id } => {
                let (graph, caller) = (self.reconciler.graph.reader(), self.caller.clone());
                let reading = read_number(graph, caller, self.fence, position, phone_number_id);
                self.start(reading.map(Event::NumberRead));
            }
            Action::ClaimNumbers => {
                // Many numbers take minutes to read.
                self.reconcile
                    .note_proof(self.reconciler.prober.proof(self.key, &self.reconcile.observation().resource));
                self.reconcile.claim_numbers(&mut self.reconciler.cluster.store(), Timestamp::now());
                self.span = spans::execute(self.reconcile.plan().uploads.len());
            }
            Action::Upload(upload) => self.start(self.uploader().upload(upload)),
            Action::ReadBack(read_back) => self.start(self.uploader().read_back(read_back)),
            Action::WriteStatus(write) => self.write_status(*write).await?,
            Action::Publish(notes) => {
                report(self.key, &self.reconcile, self.begun);
                self.reconciler.publisher.publish(&self.reconcile.observation().resource, &notes).await;
                self.handle(Event::Published);
            }
            Action::Done(_) => {}
        }
        Ok(())
    }

    /// Starts a call to Meta, which runs beside others.
    fn start(&self, call: impl Future<Output = Event> + Send + 'a) {
        self.under_way.push(call.map(|event| Completed::Call(Box::new(event))).instrument(self.span.clone()).boxed());
    }

    fn handle(&mut self, event: Event) {
        if let Some(outcome) = self.reconcile.handle(event, Timestamp::now()).cloned() {
            uploads::report(&self.reconciler.metrics, self.reconcile.observation(), &outcome);
        }
    }

    /// Waits until a call is over, or for the time of a checkpoint.
    async fn wait(&mut self) {
        tokio::select! {
            Some(completed) = self.under_way.next() => match completed {
                Completed::Call(event) => self.handle(*event),
                Completed::Checkpoint(writer, written) => self.end_checkpoint(writer, written),
            },
            _ = self.checkpoints.tick() => self.begin_checkpoint(),
        }
    }

    async fn read_secrets(&mut self) -> Result<(), ReconcileError> {
        let resource = &self.reconcile.observation().resource;
        let reading = self.reconciler.secrets.read(resource).instrument(self.span.clone());
        // Where the fence was revoked meanwhile, the reconcile is over before the Secrets are known.
        if let Some(opened) = self.fence.run(reading).await {
            let opened = opened?;
            let resource = self.reconcile.observation().resource_name();
            self.caller = opened.credentials.map(|credentials| Arc::new(Caller { credentials, resource }));
            let (resource, secrets) = (&self.reconcile.observation().resource, &opened.inputs.secrets);
            let known = self.reconciler.inspector.follow(self.key, resource, secrets, self.caller.as_ref(), self.fence);
            self.reconcile.note_token(known);
            self.handle(Event::SecretsRead(opened.inputs));
            if self.caller.as_deref().is_some_and(|caller| self.is_trusted(caller)) {
                self.reconcile.trust_credentials();
            }
            self.checkpoints = checkpoints(&self.reconcile);
        }
        Ok(())
    }

    /// Whether Meta has just answered calls with these credentials, and limits none of the numbers.
    fn is_trusted(&self, Caller { credentials, resource }: &Caller) -> bool {
        let numbers = self.reconcile.observation().resource.spec.phone_number_ids.iter().map(String::as_str);
        self.reconciler.graph.limiter().trusts(credentials, resource, numbers)
    }

    fn uploader(&self) -> Uploader<'a> {
        Uploader {
            graph: &self.reconciler.graph,
            cluster: &self.reconciler.cluster,
            prober: &self.reconciler.prober,
            key: self.key,
            fence: self.fence,
            caller: self.caller.clone(),
            observation: Arc::clone(self.reconcile.observation()),
        }
    }

    /// Calls under way are not left waiting for the API server: their answers would come too late.
    fn begin_checkpoint(&mut self) {
        let Some(mut writer) = self.writer.take() else { return };
        let status = self.reconcile.status_so_far(&mut self.reconciler.cluster.store(), Timestamp::now());
        let writing = async move {
            let written = writer.write(&status).await;
            Completed::Checkpoint(writer, written)
        };
        self.under_way.push(writing.boxed());
    }

    fn end_checkpoint(&mut self, writer: StatusWriter<'a>, written: Result<Written, WriteStatusError>) {
        match written {
            Ok(Written::Stored) => {
                self.reconciler.prober.follow(self.key, writer.resource());
                self.handle(Event::CheckpointStored(Arc::clone(writer.resource())));
            }
            Ok(Written::Dropped) => {}
            Err(error) => {
                tracing::warn!(resource = %self.key, %error, "the status of a long reconcile could not be written; the next write holds it too");
            }
        }
        self.writer = Some(writer);
    }

    async fn write_status(
        &mut self,
        StatusWrite { status, is_final, has_uploads }: StatusWrite,
    ) -> Result<(), ReconcileError> {
        let mut writer = loop {
            match self.writer.take() {
                Some(writer) => break writer,
                // A checkpoint is being written.
                None => self.wait().await,
            }
        };
        let written = if is_final {
            self.span = Span::none();
            shared_refusal::spread(&self.reconciler.cluster, self.key, &self.reconcile.observation().resource, &status);
            writer.write_until_stored(&status, has_uploads).await
        } else {
            writer.write(&status).await
        };
        let event = match written? {
            Written::Stored => {
                self.reconciler.prober.follow(self.key, writer.resource());
                if is_final {
                    let has_written = writer.has_written();
                    self.note_end(if has_written { ReconcileOutcome::Written } else { ReconcileOutcome::Unchanged });
                }
                Event::StatusStored(Arc::clone(writer.resource()))
            }
            Written::Dropped => Event::StatusDropped,
        };
        self.writer = Some(writer);
        self.handle(event);
        Ok(())
    }

    fn note_end(&mut self, outcome: ReconcileOutcome) {
        if let Some(timer) = self.timer.take() {
            timer.end(outcome);
        }
    }
}

fn checkpoints(reconcile: &Reconcile) -> Interval {
    let first = Instant::now() + reconcile.first_checkpoint();
    let mut checkpoints = tokio::time::interval_at(first, CHECKPOINT_INTERVAL);
    checkpoints.set_missed_tick_behavior(MissedTickBehavior::Delay);
    checkpoints
}
