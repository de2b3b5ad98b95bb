//! API servers that are not there, or refuse. A stub plays them. `tests/cluster` has a real API server.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use graph_emulator::{Config, Emulator};
use serde_json::{Value, json};

use super::page::{Caught, Row};
use super::verdict;
use crate::process::run_with;
use crate::scene::{NUMBERS, resource};

/// What the stub does.
#[derive(Clone, Copy)]
enum Server {
    /// It does not know the kind.
    WithoutDefinition,
    /// Resources may not be listed.
    Closed,
    /// Resources may be listed, Secrets not read.
    WithoutSecrets(StatusCode),
}

/// A kubeconfig for a server, with `messaging` as its namespace.
pub(super) fn kubeconfig(server: &str) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "stub", "cluster": {"server": server}}],
        "users": [{"name": "stub", "user": {}}],
        "contexts": [{"name": "stub", "context": {"cluster": "stub", "user": "stub", "namespace": "messaging"}}],
        "current-context": "stub",
    })
    .to_string()
}

pub(super) async fn rows() -> Vec<Row> {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let secrets = |status| Server::WithoutSecrets(status);
    let absent = format!("http://{}", stub(secrets(StatusCode::NOT_FOUND)).await);
    let impostor = Emulator::start(Config { tls: true, ..Config::default() }).await.unwrap();
    vec![
        row("nobody listens", &format!("https://{nobody}"), &[]),
        row("a certificate of an unknown authority", impostor.base_url(), &[]),
        row("a server that speaks no TLS", &absent.replace("http:", "https:"), &[]),
        row("a cluster without the definition", &format!("http://{}", stub(Server::WithoutDefinition).await), &[]),
        row("resources that one may not list", &format!("http://{}", stub(Server::Closed).await), &[]),
        row("the same, with -A", &format!("http://{}", stub(Server::Closed).await), &["-A"]),
        row("a name that no resource has", &absent, &["support"]),
        row("a namespace without resources", &absent, &["-n", "empty"]),
        row("a Secret that is not there", &absent, &[]),
        row("a Secret that one may not read", &format!("http://{}", stub(secrets(StatusCode::FORBIDDEN)).await), &[]),
        row(
            "a Secret that the API server fails to give",
            &format!("http://{}", stub(secrets(StatusCode::INTERNAL_SERVER_ERROR)).await),
            &[],
        ),
    ]
}

/// What `check` says on the cluster, without Meta.
fn row(input: &str, server: &str, arguments: &[&str]) -> Row {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), kubeconfig(server)).unwrap();
    let arguments = [&["check", "--offline", "-o", "json"], arguments].concat();
    let printed = run_with(&arguments, file.path());
    match serde_json::from_str(&printed.stdout) {
        Ok(report) => {
            let (_, message) = verdict(&report);
            Row::new(input, Caught::Check, &message)
        }
        Err(_) => Row::new(input, Caught::Check, &printed.stderr),
    }
}

/// Serves until the test ends.
async fn stub(server: Server) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(move |request: Request| async move { answer(server, request.uri().path()) });
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

fn answer(server: Server, path: &str) -> Response {
    let about_secrets = path.contains("/secrets/");
    match server {
        Server::WithoutDefinition => (StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
        Server::Closed => refused(
            StatusCode::FORBIDDEN,
            "flowsencryptionkeys.waflows.dev is forbidden: User \"ann\" cannot list resource",
        ),
        Server::WithoutSecrets(status) if about_secrets => {
            let name = path.rsplit('/').next().unwrap_or_default();
            refused(status, &format!("secrets \"{name}\": no answer to this"))
        }
        Server::WithoutSecrets(_) => {
            let items: Vec<Value> =
                if path.contains("/empty/") { Vec::new() } else { vec![resource("storefront", &NUMBERS[..1])] };
            let list = json!({"apiVersion": "waflows.dev/v1alpha1", "kind": "FlowsEncryptionKeyList",
                "metadata": {"resourceVersion": "1"}, "items": items});
            list.to_string().into_response()
        }
    }
}

fn refused(status: StatusCode, message: &str) -> Response {
    let body = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "message": message,
        "reason": status.canonical_reason().unwrap_or_default().replace(' ', ""), "code": status.as_u16()});
    (status, body.to_string()).into_response()
}
