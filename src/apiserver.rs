//! Requests to the API server, and error texts for people.

use std::error::Error;
use std::io;

use kube::Client;
use kube::client::ClientBuilder;
use tower::BoxError;
use tower::util::MapErrLayer;

/// The API server gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("cannot reach the API server {server}: {}", reason(&**cause))]
struct Unreachable {
    server: String,
    #[source]
    cause: BoxError,
}

/// A client whose errors name the API server, for [`describe`].
///
/// # Errors
/// If the configuration is invalid, for example because a certificate cannot be read.
pub(crate) fn client(config: kube::Config) -> kube::Result<Client> {
    let naming = naming(&config);
    Ok(ClientBuilder::try_from(config)?.with_layer(&naming).build())
}

/// The layer that adds the name of the API server to a client's errors.
pub(crate) fn naming(config: &kube::Config) -> MapErrLayer<impl FnOnce(BoxError) -> BoxError + Clone + use<>> {
    let server = server(&config.cluster_url);
    MapErrLayer::new(move |cause: BoxError| -> BoxError {
        // Not a connection failure, but for example an error of the kubeconfig's credentials.
        if cause.is::<kube::Error>() { cause } else { Unreachable { server, cause }.into() }
    })
}

/// The address of the API server, without a password.
fn server(url: &http::Uri) -> String {
    let scheme = url.scheme_str().map(|scheme| format!("{scheme}://")).unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path = url.path().trim_end_matches('/');
    format!("{scheme}{}{port}{path}", url.host().unwrap_or_default())
}

/// The API server's message, without the dump of the answer that `kube::Error` adds. If there was no answer, the
/// reason.
pub(crate) fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} (HTTP status {})", status.message, status.code),
        kube::Error::Service(cause) if cause.is::<Unreachable>() => cause.to_string(),
        kube::Error::Service(cause) => reason(&**cause),
        other => with_causes(other),
    }
}

/// The deepest cause. The other errors in the chain add no information.
fn reason(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    loop {
        if let Some(rustls::Error::InvalidCertificate(why)) = deepest.downcast_ref() {
            let remedy = "compare server and certificate-authority of the kubeconfig";
            return format!("its certificate is not accepted ({why}); {remedy}");
        }
        let of_connection = deepest.downcast_ref::<io::Error>();
        if let Some(said) = of_connection.and_then(known) {
            return said;
        }
        // `io::Error::source` skips the error that it holds, so look at the held error, too.
        let held = of_connection.and_then(io::Error::get_ref).map(|held| held as &(dyn Error + 'static));
        match held.or_else(|| deepest.source()) {
            Some(cause) => deepest = cause,
            None => return deepest.to_string(),
        }
    }
}

/// Texts for connection failures whose own text is not readable for people.
fn known(error: &io::Error) -> Option<String> {
    match error.kind() {
        io::ErrorKind::TimedOut => Some("no answer in time".to_owned()),
        // The system's text, such as "connection refused", without the error number.
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => Some(error.kind().to_string()),
        _ => None,
    }
}

/// The text of an error with the texts of its causes.
fn with_causes(error: &kube::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// How a request to this server fails, in this time.
    async fn failure_within(server: &str, patience: Duration) -> String {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = kube::Config::new(server.parse().unwrap());
        config.default_retry = false;
        config.connect_timeout = Some(patience);
        config.read_timeout = Some(patience);
        describe(&client(config).unwrap().apiserver_version().await.unwrap_err())
    }

    async fn failure(server: &str) -> String {
        failure_within(server, Duration::from_secs(30)).await
    }

    #[tokio::test]
    async fn where_nobody_listens_the_address_and_the_refusal_are_told() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let expected = format!("cannot reach the API server https://{address}: connection refused");
        assert_eq!(failure(&format!("https://{address}")).await, expected);
        let expected = format!("cannot reach the API server http://{address}/k8s/a: connection refused");
        assert_eq!(failure(&format!("http://user:geheim@{address}/k8s/a/")).await, expected);
    }

    #[tokio::test]
    async fn silence_is_told() {
        // It takes connections and never answers.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let expected = format!("cannot reach the API server http://{address}: no answer in time");
        let said = failure_within(&format!("http://{address}"), Duration::from_millis(300)).await;
        assert_eq!(said, expected);
    }

    #[tokio::test]
    async fn a_server_that_speaks_no_tls_is_told() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            std::future::pending::<()>().await;
        });
        let said = failure(&format!("https://{address}")).await;
        serving.abort();
        let start = format!("cannot reach the API server https://{address}: received corrupt message");
        assert!(said.starts_with(&start), "{said}");
    }

    #[test]
    fn a_name_that_nobody_knows_is_told() {
        let unknown = io::Error::other("failed to lookup address information: Name or service not known");
        let cause = io::Error::other(io::Error::other(unknown));
        assert_eq!(reason(&cause), "failed to lookup address information: Name or service not known");
    }

    #[test]
    fn a_certificate_that_is_not_accepted_is_told_with_the_remedy() {
        let refused = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let refused = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, refused));
        let said = reason(&refused);
        assert!(said.contains("UnknownIssuer") && said.contains("certificate-authority"), "{said}");
    }

    #[test]
    fn an_answer_is_told_with_its_status() {
        let status = kube::core::Status::failure("secrets is forbidden", "Forbidden").with_code(403);
        assert_eq!(describe(&kube::Error::Api(Box::new(status))), "secrets is forbidden (HTTP status 403)");
    }
}
