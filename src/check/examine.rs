//! Takes resources through the first steps of the operator's round: read the Secrets, ask Meta, settle whose each number
//! is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use waflows_core::api::conditions::Reason;
use waflows_core::api::crd::{FlowsEncryptionKey, Mode};
use waflows_core::number::Reading;
use waflows_core::observation::Observation;
use waflows_core::schedule::backoff::Waits;
use waflows_core::schedule::due::{Due, Work, due};
use waflows_core::store::object_key::ObjectKey;
use waflows_core::store::store::Store;

use super::assess::{Unknowns, assess};
use super::cluster::Cluster;
use super::manifests::SecretManifest;
use super::progress::Progress;
use super::report::{Problem, ResourceReport};
use crate::controller::fence::WriteFence;
use crate::controller::reads;
use crate::controller::secrets::{self, Fetched};
use crate::graph;
use crate::leader::Leader;

/// Resources examined at once.
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
pub(super) struct Scene {
    pub(super) subjects: Vec<Subject>,
    /// Resources that are not to be checked and may own numbers all the same.
    pub(super) others: Vec<FlowsEncryptionKey>,
    pub(super) secrets: Secrets,
    pub(super) allow_missing_secrets: bool,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Examined {
    pub(super) resources: Vec<ResourceReport>,
    pub(super) problems: Vec<Problem>,
}

/// A resource whose Secrets were read and whose numbers were asked for.
struct Observed {
    observation: Observation,
    gaps: Unknowns,
    problems: Vec<Problem>,
}

/// Examines every subject; without asking Meta where there is no reader.
pub(super) async fn examine(scene: &Scene, graph: Option<&graph::Reader>, progress: &Progress<'_>) -> Examined {
    let fence = WriteFence::new(CancellationToken::new(), Leader::alone().acquired().await);
    let specs = scene.subjects.iter().map(|subject| &subject.resource.spec).filter(|spec| !spec.is_suspended());
    progress.begin(specs.map(|spec| spec.phone_number_ids.len()).sum());
    let observing = scene.subjects.iter().map(|subject| observe(scene, subject, graph, &fence, progress));
    let mut observed: Vec<Observed> = futures::stream::iter(observing).buffered(PARALLEL_RESOURCES).collect().await;
    settle_owners(scene, &mut observed);
    let mut examined = Examined::default();
    for (subject, observed) in scene.subjects.iter().zip(observed) {
        examined.resources.push(assess(&observed.observation, &subject.origin, &observed.gaps));
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
    scene: &Scene,
    subject: &Subject,
    graph: Option<&graph::Reader>,
    fence: &WriteFence,
    progress: &Progress<'_>,
) -> Observed {
    let resource = &subject.resource;
    let interval = resource.spec.check_interval_or(DEFAULT_CHECK_INTERVAL);
    let now = Timestamp::now();
    let agenda = Work { inputs: true, numbers: resource.spec.phone_number_ids.clone(), reset_backoff: false };
    let mut observation = Observation::new(Arc::clone(resource), agenda, interval, Waits::default(), now);
    let mut gaps =
        Unknowns { offline: graph.is_none(), allow_unseen: scene.allow_missing_secrets, ..Unknowns::default() };
    let mut problems = Vec::new();
    if resource.spec.is_suspended() {
        return Observed { observation, gaps, problems };
    }
    let namespace = resource.metadata.namespace.clone().unwrap_or_default();
    let mut found = Vec::new();
    for name in secrets::secret_names(resource) {
        let fetched = scene.secrets.fetch(&namespace, &name, &mut gaps, &mut problems).await;
        found.push((name, fetched));
    }
    let opened = secrets::open(resource, found).await;
    let inputs = opened.inputs;
    // Whether the operator would forget its waits, because of what a person changed.
    if let Due::Now(due) = due(resource, &inputs.secrets, interval, now) {
        observation.agenda.reset_backoff = due.reset_backoff;
    }
    observation.inputs = Some(inputs);
    let credentials = opened.credentials.filter(|_| observation.can_ask());
    if let Some((graph, credentials)) = graph.zip(credentials) {
        let readings = reads::readings(&observation, credentials, graph, fence).inspect(|_| progress.step());
        let readings: Vec<_> = readings.collect().await;
        observation.note(&readings, Timestamp::now());
    } else {
        progress.leave_out(resource.spec.phone_number_ids.len());
    }
    Observed { observation, gaps, problems }
}

impl Secrets {
    /// A Secret; where it is not known whether there is one, `gaps` says why.
    async fn fetch(&self, namespace: &str, name: &str, gaps: &mut Unknowns, problems: &mut Vec<Problem>) -> Fetched {
        if let Some(manifest) = self.manifests.get(&ObjectKey::new(namespace, name)) {
            return match manifest.open() {
                Ok(secret) => Fetched::Found(secret.into()),
                Err(problem) => {
                    gaps.unseen.insert(name.to_owned(), format!("Secret {namespace}/{name} is not valid."));
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
            Ok(Fetched::NotFound) if gaps.allow_unseen => {
                gaps.unseen.insert(name.to_owned(), format!("Secret {namespace}/{name} does not exist yet."));
                Fetched::NotFound
            }
            Ok(fetched) => fetched,
            Err(why) => {
                gaps.unseen.insert(name.to_owned(), why);
                Fetched::NotFound
            }
        }
    }
}

/// Settles whose each number is by the operator's own rules. Subjects that come first by age and name come first, since
/// all of them read their numbers at the same time.
fn settle_owners(scene: &Scene, observed: &mut [Observed]) {
    let now = Timestamp::now();
    let mut store = Store::new(&[None], Duration::ZERO);
    for other in &scene.others {
        store.apply_resource(other, now);
    }
    for subject in &scene.subjects {
        store.apply_resource(&subject.resource, now);
    }
    let mut by_seniority: Vec<&mut Observed> = observed.iter_mut().collect();
    by_seniority.sort_by_key(|observed| {
        let metadata = &observed.observation.resource.metadata;
        let created = metadata.creation_timestamp.as_ref().map_or(Timestamp::MAX, |time| time.0);
        (created, ObjectKey::of(metadata))
    });
    for observed in by_seniority {
        claim(&mut store, observed, now);
    }
}

fn claim(store: &mut Store, observed: &mut Observed, now: Timestamp) {
    let observation = &mut observed.observation;
    let resource = Arc::clone(&observation.resource);
    if resource.spec.mode != Mode::Enforce || resource.spec.is_suspended() {
        return;
    }
    let key = ObjectKey::of(&resource.metadata);
    // A key that comes from elsewhere is taken for a good one.
    let may_have_key = observation.inputs.as_ref().is_some_and(|inputs| match &inputs.key {
        Ok(_) => true,
        Err(verdict) => verdict.reason == Reason::SecretNotFound && !observed.gaps.unseen.is_empty(),
    });
    let wanted = observation.expected();
    for number in &mut observation.numbers {
        let is_refused = matches!(&number.reading, Reading::Failed { error, .. } if error.class.refuses_number());
        let id = &number.before.phone_number_id;
        number.ownership = if may_have_key && !is_refused && observation.refusal.is_none() {
            store.claim(id, &key, wanted, now)
        } else {
            store.owner(id, &key, wanted, now)
        };
    }
}
