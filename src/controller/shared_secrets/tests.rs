//! Which answers are shared, and for how long.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::poll;
use harness::objects::typed_spec;
use http::{Request, Response};
use kube::client::Body;
use kube::core::ObjectMeta;
use serde_json::json;
use tokio::sync::Semaphore;
use waflows_core::api::crd::SecretKeyRef;
use waflows_core::store::store::Store;

use super::*;

const NAMESPACE: &str = "messaging";
const SECRETS: [&str; 2] = ["flows-key", "meta-token"];

/// An API server whose Secrets all have the same version. Its answers wait for the gate, and tell the version of the
/// moment at which the request arrived.
struct Server {
    version: AtomicUsize,
    requests: AtomicUsize,
    gate: Semaphore,
}

impl Server {
    fn closed() -> Arc<Self> {
        Arc::new(Self { version: 1.into(), requests: 0.into(), gate: Semaphore::new(0) })
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    fn open(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS);
    }

    async fn answer(self: Arc<Self>, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let version = self.version.load(Ordering::Relaxed).to_string();
        let token = STANDARD.encode("EAAGm0PX4ZCpsBAO9ZBZAq0123456789");
        let name = request.uri().path().rsplit('/').next();
        let secret = json!({
            "metadata": {"name": name, "namespace": NAMESPACE, "uid": name, "resourceVersion": version},
            "data": {"token": token, "private.pem": token},
        });
        drop(self.gate.acquire().await);
        Ok(Response::new(secret.to_string().into_bytes().into()))
    }

    fn reader(self: &Arc<Self>) -> SecretReader {
        let server = Arc::clone(self);
        let service = tower::service_fn(move |request| Arc::clone(&server).answer(request));
        let reader = SecretReader::new(
            Client::new(service, NAMESPACE),
            Arc::new(ClusterState::new(Store::new(&[None], Duration::ZERO))),
        );
        self.change(&reader, 1);
        reader
    }

    /// All Secrets get this version, and the watch brings the events.
    fn change(&self, reader: &SecretReader, version: usize) {
        self.version.store(version, Ordering::Relaxed);
        for name in SECRETS.map(str::to_owned) {
            let metadata = ObjectMeta {
                namespace: Some(NAMESPACE.to_owned()),
                uid: Some(name.clone()),
                name: Some(name),
                resource_version: Some(version.to_string()),
                ..ObjectMeta::default()
            };
            reader.cluster.store().apply_secret(&metadata);
        }
    }
}

fn resource() -> FlowsEncryptionKey {
    let reference = |name: &str, key: &str| SecretKeyRef { name: name.to_owned(), key: key.to_owned() };
    let spec = typed_spec(
        reference(SECRETS[0], "private.pem"),
        reference(SECRETS[1], "token"),
        vec!["106540352242922".into()],
    );
    let mut resource = FlowsEncryptionKey::new("storefront", spec);
    resource.metadata.namespace = Some(NAMESPACE.to_owned());
    resource
}

/// Lets a read go on until it has sent its requests.
async fn until_asked<F: Future>(mut read: Pin<&mut F>, server: &Server) {
    while server.requests() < SECRETS.len() {
        assert!(poll!(read.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
}

fn versions(opened: &Opened) -> Vec<&str> {
    opened.inputs.secrets.iter().map(|secret| secret.resource_version.as_str()).collect()
}

#[tokio::test]
async fn a_request_under_way_is_shared() {
    let (server, resource) = (Server::closed(), resource());
    let reader = server.reader();
    let mut first = pin!(reader.read(&resource));
    until_asked(first.as_mut(), &server).await;
    let mut second = pin!(reader.read(&resource));
    assert!(poll!(second.as_mut()).is_pending());
    server.open();
    let (first, second) = futures::try_join!(first, second).unwrap();
    assert_eq!((versions(&first), versions(&second)), (vec!["1"; 2], vec!["1"; 2]));
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn an_answer_older_than_an_event_is_not_shared() {
    let (server, resource) = (Server::closed(), resource());
    let reader = server.reader();
    let mut first = pin!(reader.read(&resource));
    until_asked(first.as_mut(), &server).await;
    server.change(&reader, 2);
    let mut second = pin!(reader.read(&resource));
    assert!(poll!(second.as_mut()).is_pending());
    assert_eq!(server.requests(), 2, "the second read waits for the requests of the first");
    server.open();
    let (first, second) = futures::try_join!(first, second).unwrap();
    assert_eq!((versions(&first), versions(&second)), (vec!["1"; 2], vec!["2"; 2]));
    assert_eq!(server.requests(), 4);
}

#[tokio::test]
async fn a_request_under_way_outlives_the_read_that_began_it() {
    let (server, resource) = (Server::closed(), resource());
    let reader = server.reader();
    let mut first = Box::pin(reader.read(&resource));
    until_asked(first.as_mut(), &server).await;
    let mut second = pin!(reader.read(&resource));
    assert!(poll!(second.as_mut()).is_pending());
    drop(first);
    server.open();
    assert_eq!(versions(&second.await.unwrap()), ["1"; 2]);
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn credentials_are_shared_while_they_are_used_and_their_secret_stays_the_same() {
    let (server, resource) = (Server::closed(), resource());
    server.open();
    let reader = server.reader();
    let used = reader.read(&resource).await.unwrap().credentials.unwrap();
    let shared = reader.read_credentials(&resource).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&used, &shared) && server.requests() == 2);
    // The key is read, the credentials are not.
    let opened = reader.read(&resource).await.unwrap();
    assert_eq!((versions(&opened), server.requests()), (vec!["1"; 2], 3));

    server.change(&reader, 2);
    let changed = reader.read_credentials(&resource).await.unwrap().unwrap();
    assert!(!Arc::ptr_eq(&used, &changed) && server.requests() == 4);
}

#[tokio::test]
async fn nothing_of_a_secret_is_kept() {
    let (server, resource) = (Server::closed(), resource());
    server.open();
    let reader = server.reader();
    let opened = reader.read(&resource).await.unwrap();
    assert!(locked(&reader.fetches).values().all(|fetch| fetch.upgrade().is_none()), "contents outlive the read");
    drop(opened);
    let is_used = |(credentials, _): &LiveCredentials| credentials.strong_count() > 0;
    assert!(!locked(&reader.credentials).values().any(is_used), "credentials outlive the reconcile");
    reader.read(&resource).await.unwrap();
    assert_eq!(server.requests(), 4);
}
