//! Takes resources through the first steps of the operator's reconcile: read the Secrets, ask Meta, settle whose each number
//! is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use waflows_core::api::conditions::Reason;
use waflows_core::api::crd::FlowsEncryptionKey;
use waflows_core::api::members;
use waflows_core::number::Reading;
use waflows_core::observation::Observation;
use waflows_core::reconcile::action::{Action, Event};
use waflows_core::reconcile::claim_numbers::claim_numbers_if;
use waflows_core::reconcile::machine::{Reconcile, Settings};
use waflows_core::rollout::plan::plan;
use waflows_core::schedule::backoff::Waits;
use waflows_core::schedule::due::{Schedule, Work, due};
use waflows_core::store::object_key::ObjectKey;
use waflows_core::store::store::Store;

use super::assess::{Unknowns, assess};
use super::cluster::Cluster;
use super::manifests::SecretManifest;
use super::progress::Progress;
use super::report::{Problem, ResourceReport};
use crate::controller::fence::WriteFence;
use crate::controller::reads::{Caller, list_account, read_number};
use crate::controller::secrets::{self, Fetched, Opened};
use crate::graph;
use crate::leader::Leader;

/// Resources examined at once. Each makes up to eight calls at once, and `check` shares Meta's limits with the operator.
const PARALLEL_RESOURCES: usize = 4;
/// The operator's own default; another one changes nothing about a number that is read now.
const DEFAULT_CHECK_INTERVAL: Duration = Duration::from_secs(3600);

/// A resource to be checked.
pub(super) struct Subject {
    /// File and document, or `cluster`.
    pub(super) origin: String,
    pub(super) resource: Arc<FlowsEncryptionKey>,
}

/// Where Secrets are looked for: in the manifests first.
pub(super) struct Secrets {
    pub(super) manifests: HashMap<ObjectKey, SecretManifest>,
    pub(super) cluster: Option<Cluster>,
}

/// All that there is.
pub(super) struct CheckInput {
    pub(super) subjects: Vec<Subject>,
    /// Resources that are not to be checked and may own numbers all the same.
    pub(super) others: Vec<FlowsEncryptionKey>,
    pub(super) secrets: Secrets,
    pub(super) allow_missing_secrets: bool,
}

/// The results.
#[derive(Default)]
pub(super) struct Examined {
    pub(super) resources: Vec<ResourceReport>,
    pub(super) problems: Vec<Problem>,
}

/// A resource whose Secrets were read and whose numbers were asked for.
struct Observed {
    reconcile: Reconcile,
    unknowns: Unknowns,
    problems: Vec<Problem>,
}

/// Examines every subject; without asking Meta where there is no reader.
pub(super) async fn examine(input: &CheckInput, graph: Option<&graph::Reader>, progress: &Progress<'_>) -> Examined {
    let fence = WriteFence::new(CancellationToken::new(), Leader::alone().acquired().await);
    let resources = input.subjects.iter().map(|subject| &subject.resource).filter(|it| !it.spec.is_suspended());
    progress.begin(resources.map(|resource| members::count(resource)).sum());
    let observing = input.subjects.iter().map(|subject| observe(input, subject, graph, &fence, progress));
    let mut observed: Vec<Observed> = futures::stream::iter(observing).buffered(PARALLEL_RESOURCES).collect().await;
    settle_owners(input, &mut observed);
    let mut examined = Examined::default();
    for (subject, observed) in input.subjects.iter().zip(observed) {
        examined.resources.push(assess(&observed.reconcile, &subject.origin, &observed.unknowns));
        for problem in observed.problems {
            // Several resources may refer to the same Secret.
            if !examined.problems.contains(&problem) {
                examined.problems.push(problem);
            }
        }
    }
    examined
}

async fn observe(
    input: &CheckInput,
    subject: &Subject,
    graph: Option<&graph::Reader>,
    fence: &WriteFence,
    progress: &Progress<'_>,
) -> Observed {
    let resource = &subject.resource;
    let interval = resource.spec.check_interval_or(DEFAULT_CHECK_INTERVAL);
    let now = Timestamp::now();
    let mut unknowns =
        Unknowns { offline: graph.is_none(), allow_unseen: input.allow_missing_secrets, ..Unknowns::default() };
    let mut problems = Vec::new();
    let settings = Settings { interval, waits: Waits::default(), owes_status: false };
    let begin = |work| Reconcile::new(Arc::clone(resource), work, settings, now);
    if resource.spec.is_suspended() {
        return Observed { reconcile: begin(Work::default()), unknowns, problems };
    }
    let opened = input.secrets.open(resource, &mut unknowns, &mut problems).await;
    let mut work = Work::everything(resource);
    // Whether the operator would forget its waits, because of what a person changed.
    if let Schedule::Now(due) = due(resource, &opened.inputs.secrets, interval, now) {
        work.reset_backoff = due.reset_backoff;
    }
    let mut reconcile = begin(work);
    let credentials = opened.credentials;
    reconcile.next(now);
    reconcile.handle(Event::SecretsRead(opened.inputs), now);
    match graph.zip(credentials).filter(|_| reconcile.observation().can_ask()) {
        Some((graph, credentials)) => {
            let caller = Caller { credentials, resource: reconcile.observation().resource_name() };
            ask(&mut reconcile, graph, &Arc::new(caller), fence, progress).await;
        }
        None => progress.leave_out(members::count(resource)),
    }
    Observed { reconcile, unknowns, problems }
}

/// Asks Meta for all accounts and numbers. Everything that follows is foreseen, and not done.
async fn ask(
    reconcile: &mut Reconcile,
    graph: &graph::Reader,
    caller: &Arc<Caller>,
    fence: &WriteFence,
    progress: &Progress<'_>,
) {
    let mut under_way = FuturesUnordered::new();
    let mut known = reconcile.observation().numbers.len();
    loop {
        while let Some(action) = reconcile.next(Timestamp::now()) {
            let (graph, caller) = (graph.clone(), Some(Arc::clone(caller)));
            let call = match action {
                Action::ListAccount { position, account_id } => {
                    list_account(graph, caller, fence, position, account_id).map(Event::AccountListed).boxed()
                }
                Action::ReadNumber { position, phone_number_id } => {
                    read_number(graph, caller, fence, position, phone_number_id).map(Event::NumberRead).boxed()
                }
                _ => break,
            };
            under_way.push(call);
        }
        let found = reconcile.observation().numbers.len();
        progress.more(found.saturating_sub(known));
        known = known.max(found);
        let Some(event) = under_way.next().await else { return };
        if let Event::NumberRead(_) = event {
            progress.step();
        }
        reconcile.handle(event, Timestamp::now());
    }
}

impl Secrets {
    /// What the Secrets of a resource hold.
    async fn open(
        &self,
        resource: &FlowsEncryptionKey,
        unknowns: &mut Unknowns,
        problems: &mut Vec<Problem>,
    ) -> Opened {
        let namespace = resource.metadata.namespace.clone().unwrap_or_default();
        let mut found = Vec::new();
        for name in secrets::secret_names(resource) {
            let fetched = self.fetch(&namespace, &name, unknowns, problems).await;
            found.push((name, Arc::new(fetched)));
        }
        secrets::open(resource, found, None).await
    }

    /// A Secret; where it is not known whether there is one, `unknowns` says why.
    async fn fetch(
        &self,
        namespace: &str,
        name: &str,
        unknowns: &mut Unknowns,
        problems: &mut Vec<Problem>,
    ) -> Fetched {
        if let Some(manifest) = self.manifests.get(&ObjectKey::new(namespace, name)) {
            return match manifest.open() {
                Ok(secret) => Fetched::Found(secret.into()),
                Err(problem) => {
                    unknowns.unseen.insert(name.to_owned(), format!("Secret {namespace}/{name} is not valid."));
                    problems.push(problem);
                    Fetched::NotFound
                }
            };
        }
        let fetched = match &self.cluster {
            Some(cluster) => cluster.secret(namespace, name).await,
            None => Err(format!(
                "Secret {namespace}/{name} is not among the manifests: give it with -f, or look for it with --cluster."
            )),
        };
        match fetched {
            // Nowhere to be found: whether that is a failure is the user's to say.
            Ok(Fetched::NotFound) if unknowns.allow_unseen => {
                unknowns.unseen.insert(name.to_owned(), format!("Secret {namespace}/{name} does not exist yet."));
                Fetched::NotFound
            }
            Ok(fetched) => fetched,
            Err(why) => {
                unknowns.unseen.insert(name.to_owned(), why);
                Fetched::NotFound
            }
        }
    }
}

/// Settles whose each number is by the operator's own rules. Subjects that come first by age and name come first, since
/// all of them read their numbers at the same time.
fn settle_owners(input: &CheckInput, observed: &mut [Observed]) {
    let now = Timestamp::now();
    let mut store = Store::new(&[None], Duration::ZERO);
    for other in &input.others {
        store.apply_resource(other, now);
    }
    for subject in &input.subjects {
        store.apply_resource(&subject.resource, now);
    }
    let mut by_seniority: Vec<&mut Observed> = observed.iter_mut().collect();
    by_seniority.sort_by_key(|observed| {
        let metadata = &observed.reconcile.observation().resource.metadata;
        let created = metadata.creation_timestamp.as_ref().map_or(Timestamp::MAX, |time| time.0);
        (created, ObjectKey::of(metadata))
    });
    for Observed { reconcile, unknowns, .. } in by_seniority {
        reconcile.claim_numbers_by(|observation| claim(&mut store, observation, unknowns, now), plan, now);
    }
}

/// Claims numbers as the operator will, also those that are not read here.
fn claim(store: &mut Store, observation: &mut Observation, unknowns: &Unknowns, now: Timestamp) {
    // A key that comes from elsewhere is taken for a good one.
    let has_key = observation.inputs.as_ref().is_some_and(|inputs| match &inputs.key {
        Ok(_) => true,
        Err(reason) => reason.reason == Reason::SecretNotFound && !unknowns.unseen.is_empty(),
    });
    let may_claim = has_key && observation.refusal.is_none();
    claim_numbers_if(store, observation, now, |number| {
        may_claim && !matches!(&number.reading, Reading::Failed { error, .. } if error.class.refuses_number())
    });
}
