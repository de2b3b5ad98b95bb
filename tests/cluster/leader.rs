//! Leader election on real Leases.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use control_plane::ControlPlane;
use harness::cluster::{config, create_namespace};
use harness::wait::{PATIENCE, look};
use harness::{control_plane, kubectl};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt};
use waflows_operator::leader::{Leader, Leadership, LeaseConfig, Term, Timing, identity};

const NAME: &str = "waflows-operator";

/// Leases that are over soon.
fn short() -> Timing {
    Timing::new(Duration::from_millis(2000), Duration::from_millis(1400)).unwrap()
}

/// Leases that outlast the patience of any test.
fn long() -> Timing {
    Timing::new(Duration::from_secs(600), Duration::from_secs(10)).unwrap()
}

/// A namespace for Leases.
struct Place {
    cluster: kube::Config,
    leases: Api<Lease>,
    namespace: String,
}

impl Place {
    async fn new() -> Self {
        Self::on(control_plane()).await
    }

    async fn on(control_plane: &ControlPlane) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let namespace = format!("leader-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let cluster = cluster(control_plane.kubeconfig()).await;
        let client = Client::try_from(cluster.clone()).unwrap();
        create_namespace(&client, &namespace).await.unwrap();
        Self { cluster, leases: Api::namespaced(client, &namespace), namespace }
    }

    fn config(&self, timing: Timing) -> LeaseConfig {
        LeaseConfig { namespace: self.namespace.clone(), name: NAME.to_owned(), identity: identity(), timing }
    }

    fn candidate(&self, timing: Timing) -> Candidate {
        Candidate::start(self.config(timing), self.cluster.clone())
    }

    async fn lease(&self) -> Option<Lease> {
        self.leases.get_opt(NAME).await.unwrap()
    }

    async fn spec(&self) -> LeaseSpec {
        self.lease().await.and_then(|lease| lease.spec).expect("the Lease exists")
    }

    async fn create(&self, lease: Lease) {
        self.leases.create(&PostParams::default(), &lease).await.unwrap();
    }

    /// Waits until the Lease was written `times` times.
    async fn writes(&self, times: usize) {
        for _ in 0..times {
            let before = self.lease().await.and_then(|lease| lease.resource_version());
            wait("written", async || self.lease().await.and_then(|lease| lease.resource_version()) != before).await;
        }
    }
}

struct Candidate {
    identity: String,
    leadership: Leadership,
    leader: Leader,
}

impl Candidate {
    fn start(config: LeaseConfig, cluster: kube::Config) -> Self {
        let identity = config.identity.clone();
        let leadership = Leadership::start(config, cluster).unwrap();
        Self { identity, leader: leadership.leader(), leadership }
    }

    async fn acquired(&self) -> Term {
        tokio::time::timeout(PATIENCE, self.leader.acquired()).await.expect("the Lease is acquired")
    }
}

async fn cluster(kubeconfig: &Path) -> kube::Config {
    config(kubeconfig).await.unwrap()
}

async fn wait(what: &str, condition: impl AsyncFn() -> bool) {
    assert!(look(async || condition().await.then_some(())).await.is_some(), "not {what}");
}

fn held_by(holder: Option<&str>, spec: LeaseSpec) -> Lease {
    let labels = Some(BTreeMap::from([("team".to_owned(), "messaging".to_owned())]));
    Lease {
        metadata: ObjectMeta { name: Some(NAME.to_owned()), labels, ..ObjectMeta::default() },
        spec: Some(LeaseSpec { holder_identity: holder.map(str::to_owned), ..spec }),
    }
}

#[tokio::test]
async fn a_lease_is_created_and_renewed() {
    let place = Place::new().await;
    let candidate = place.candidate(short());
    candidate.acquired().await;
    let first = place.spec().await;
    assert_eq!(first.holder_identity.as_ref(), Some(&candidate.identity));
    assert_eq!((first.lease_duration_seconds, first.lease_transitions), (Some(2), Some(0)));

    place.writes(3).await;
    let now = place.spec().await;
    assert!(now.renew_time > first.renew_time);
    assert_eq!(LeaseSpec { renew_time: None, ..now }, LeaseSpec { renew_time: None, ..first });
}

#[tokio::test]
async fn a_released_lease_changes_hands_at_once() {
    let place = Place::new().await;
    let first = place.candidate(long());
    let term = first.acquired().await;
    let second = place.candidate(long());
    place.writes(2).await;
    assert!(!second.leader.is_leader() && first.leader.is_leader());

    first.leadership.release().await;
    assert!(!term.is_current() && term.lost().is_cancelled() && !first.leader.is_leader());
    second.acquired().await;
    let spec = place.spec().await;
    assert_eq!(spec.holder_identity, Some(second.identity));
    assert_eq!((spec.lease_duration_seconds, spec.lease_transitions), (Some(600), Some(1)));

    second.leadership.release().await;
    let spec = place.spec().await;
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_duration_seconds), (Some(""), Some(1)));
}

#[tokio::test]
async fn the_lease_of_a_holder_that_vanished_is_taken_when_it_is_over() {
    let place = Place::new().await;
    let first = place.candidate(short());
    first.acquired().await;
    let second = place.candidate(short());
    place.writes(1).await;
    let (gone, view) = (first.identity, first.leader);
    drop(first.leadership);
    wait("over for the first", async || !view.is_leader()).await;
    assert_eq!(place.spec().await.holder_identity, Some(gone));

    second.acquired().await;
    let spec = place.spec().await;
    assert_eq!((spec.holder_identity, spec.lease_transitions), (Some(second.identity), Some(1)));
}

#[tokio::test]
async fn a_deleted_lease_is_created_again_by_its_holder() {
    let place = Place::new().await;
    let first = place.candidate(long());
    let term = first.acquired().await;
    let second = place.candidate(long());
    // Meanwhile the second candidate reads the Lease, too.
    place.writes(2).await;
    let uid = place.lease().await.unwrap().uid();
    place.leases.delete(NAME, &DeleteParams::default()).await.unwrap();
    wait("created again", async || place.lease().await.is_some_and(|lease| lease.uid() != uid)).await;
    assert_eq!(place.spec().await.holder_identity, Some(first.identity));
    assert!(term.is_current() && !second.leader.is_leader());
}

#[tokio::test]
async fn leases_of_others_are_taken_by_what_they_say_and_not_by_their_clocks() {
    let far = |seconds| Some(MicroTime(jiff::Timestamp::from_second(seconds).unwrap()));
    let nothing = LeaseSpec::default();
    let future = LeaseSpec {
        lease_duration_seconds: Some(1),
        renew_time: far(8_000_000_000),
        lease_transitions: Some(7),
        ..LeaseSpec::default()
    };
    for (holder, spec, transitions) in [(None, nothing.clone(), 1), (Some(""), nothing, 1), (Some("other"), future, 8)]
    {
        let place = Place::new().await;
        place.create(held_by(holder, spec)).await;
        let candidate = place.candidate(short());
        candidate.acquired().await;
        let lease = place.lease().await.unwrap();
        assert_eq!(lease.labels().get("team").map(String::as_str), Some("messaging"), "what others keep there stays");
        assert_eq!(lease.spec.unwrap().lease_transitions, Some(transitions));
    }

    let place = Place::new().await;
    let past = LeaseSpec { lease_duration_seconds: Some(600), renew_time: far(0), ..LeaseSpec::default() };
    place.create(held_by(Some("other"), past)).await;
    let candidate = place.candidate(short());
    // In the time in which another Lease was acquired and renewed, a candidate would have taken this one.
    let elsewhere = Place::new().await;
    elsewhere.candidate(short()).acquired().await;
    assert!(!candidate.leader.is_leader());
    assert_eq!(place.spec().await.holder_identity.as_deref(), Some("other"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_renew_does_not_lead_until_the_api_server_is_back() {
    let control_plane = ControlPlane::start().unwrap();
    let place = Place::on(&control_plane).await;
    let candidate = place.candidate(short());

    let term = candidate.acquired().await;
    control_plane.stop_api_server().unwrap();
    tokio::time::timeout(PATIENCE, term.lost().cancelled()).await.expect("the term ends");
    assert!(!term.is_current() && !candidate.leader.is_leader());
    control_plane.start_api_server().unwrap();
    candidate.acquired().await;
    assert!(!term.is_current(), "a term does not come back");

    let term = candidate.acquired().await;
    control_plane.pause_api_server().unwrap();
    tokio::time::timeout(PATIENCE, term.lost().cancelled()).await.expect("the term ends while nothing answers");
    assert!(!candidate.leader.is_leader());
    control_plane.resume_api_server().unwrap();
    candidate.acquired().await;
    assert_eq!(place.spec().await.lease_transitions, Some(0), "nobody else held it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_race_never_both_lead() {
    for _ in 0..20 {
        let place = Place::new().await;
        let candidates = [place.candidate(short()), place.candidate(short())];
        let views = candidates.each_ref().map(|candidate| candidate.leader.clone());
        let watching = tokio::spawn(async move {
            let [first, second] = views;
            loop {
                // Asked again, because the Lease may have changed hands between the two questions.
                assert!(!(first.is_leader() && second.is_leader() && first.is_leader()), "both lead");
                tokio::task::yield_now().await;
            }
        });
        let [first, second] = candidates;
        let (winner, other) = tokio::select! {
            _ = first.acquired() => (first, second),
            _ = second.acquired() => (second, first),
        };
        winner.leadership.release().await;
        other.acquired().await;
        other.leadership.release().await;
        watching.abort();
        assert!(watching.await.unwrap_err().is_cancelled(), "both led");
    }
}

#[tokio::test]
async fn three_verbs_in_one_namespace_are_enough_and_are_waited_for() {
    let place = Place::new().await;
    let run = |arguments: &[&str]| kubectl(control_plane(), &[&["--namespace", &place.namespace], arguments].concat());
    run(&["create", "serviceaccount", "candidate"]);
    let token = run(&["create", "token", "candidate"]);
    let kubeconfig = control_plane().kubeconfig_for_token(token.trim()).unwrap();
    let candidate = Candidate::start(place.config(short()), cluster(&kubeconfig).await);
    // Once someone else has acquired and renewed the Lease, this candidate has been refused.
    let permitted = place.candidate(short());
    permitted.acquired().await;
    place.writes(2).await;
    permitted.leadership.release().await;
    assert!(!candidate.leader.is_leader());

    run(&["create", "role", "leader", "--verb=get,create,update", "--resource=leases.coordination.k8s.io"]);
    let account = format!("--serviceaccount={}:candidate", place.namespace);
    run(&["create", "rolebinding", "leader", "--role=leader", &account]);
    candidate.acquired().await;
    place.leases.delete(NAME, &DeleteParams::default()).await.unwrap();
    wait("created again", async || place.lease().await.is_some()).await;
    candidate.leadership.release().await;
}
