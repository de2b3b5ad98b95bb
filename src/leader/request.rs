//! The requests for the Lease, and the interpretation of the answers.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Error};
use tokio::time::error::Elapsed;

use super::config::LeaseConfig;
use crate::apiserver::describe;

/// A request for the Lease.
#[derive(Debug, Clone)]
pub(super) enum Request {
    Read,
    Create(Lease),
    /// Replaces the Lease only if it still has the resource version in the metadata.
    Replace(Lease),
}

/// An answer that the election can use.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Found(Option<Lease>),
    Written(Lease),
    Conflict,
}

/// The reasons for an unusable answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(
        "the Lease {namespace}/{name} is forbidden: allow the ServiceAccount the verbs get, create and update on leases \
         of coordination.k8s.io in namespace {namespace} ({answer})"
    )]
    Forbidden { namespace: String, name: String, answer: String },
    #[error(
        "the Lease cannot be created: does the namespace {namespace} exist? Name another with --lease-namespace ({answer})"
    )]
    NoNamespace { namespace: String, answer: String },
    #[error("the API server refused the request for the Lease {namespace}/{name}: {answer}")]
    Refused { namespace: String, name: String, answer: String },
    #[error("the API server did not answer within {0:?}")]
    Timeout(Duration),
    #[error("{0}")]
    Unreachable(String),
}

impl Request {
    pub(super) async fn send(&self, api: &Api<Lease>, name: &str) -> kube::Result<Option<Lease>> {
        match self {
            Self::Read => api.get_opt(name).await,
            Self::Create(lease) => api.create(&PostParams::default(), lease).await.map(Some),
            Self::Replace(lease) => api.replace(name, &PostParams::default(), lease).await.map(Some),
        }
    }

    /// Interprets the result of [`Request::send`], which had the given `timeout`.
    pub(super) fn interpret(
        &self,
        answer: Result<kube::Result<Option<Lease>>, Elapsed>,
        timeout: Duration,
        lease: &LeaseConfig,
    ) -> Result<Answer, Trouble> {
        let (namespace, name) = (lease.namespace.clone(), lease.name.clone());
        match answer {
            Err(Elapsed { .. }) => Err(Trouble::Timeout(timeout)),
            Ok(Ok(found)) => Ok(match (self, found) {
                (Self::Create(_) | Self::Replace(_), Some(lease)) => Answer::Written(lease),
                (_, found) => Answer::Found(found),
            }),
            Ok(Err(error)) => match (self, &error) {
                (Self::Create(_) | Self::Replace(_), Error::Api(status)) if status.code == 409 => Ok(Answer::Conflict),
                (Self::Replace(_), Error::Api(status)) if status.code == 404 => Ok(Answer::Found(None)),
                (Self::Create(_), Error::Api(status)) if status.code == 404 => {
                    Err(Trouble::NoNamespace { namespace, answer: describe(&error) })
                }
                (_, Error::Api(status)) if status.code == 403 => {
                    Err(Trouble::Forbidden { namespace, name, answer: describe(&error) })
                }
                (_, Error::Api(_)) => Err(Trouble::Refused { namespace, name, answer: describe(&error) }),
                _ => Err(Trouble::Unreachable(describe(&error))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;
    use crate::leader::config::Timing;

    fn lease_config() -> LeaseConfig {
        LeaseConfig {
            namespace: "messaging".into(),
            name: "waflows-operator".into(),
            identity: "me".into(),
            timing: Timing::new(Duration::from_secs(15), Duration::from_secs(10)).unwrap(),
        }
    }

    fn refused(request: &Request, code: u16) -> Result<Answer, Trouble> {
        let status = Status::failure("said so", "Reason").with_code(code);
        request.interpret(Ok(Err(Error::Api(Box::new(status)))), Duration::from_secs(5), &lease_config())
    }

    #[test]
    fn a_faster_writer_is_no_trouble() {
        let (create, replace) = (Request::Create(Lease::default()), Request::Replace(Lease::default()));
        assert_eq!(refused(&create, 409).unwrap(), Answer::Conflict);
        assert_eq!(refused(&replace, 409).unwrap(), Answer::Conflict);
        assert_eq!(refused(&replace, 404).unwrap(), Answer::Found(None));
    }

    #[test]
    fn troubles_name_their_remedy() {
        let (create, replace) = (Request::Create(Lease::default()), Request::Replace(Lease::default()));
        for request in [&Request::Read, &create, &replace] {
            let forbidden = refused(request, 403).unwrap_err().to_string();
            for part in ["get, create and update", "coordination.k8s.io", "in namespace messaging", "said so"] {
                assert!(forbidden.contains(part), "{forbidden}");
            }
            assert!(matches!(refused(request, 500), Err(Trouble::Refused { .. })));
        }
        let no_namespace = refused(&create, 404).unwrap_err().to_string();
        assert!(no_namespace.contains("messaging") && no_namespace.contains("--lease-namespace"), "{no_namespace}");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_told_from_a_dead_line() {
        let timeout = Duration::from_secs(5);
        let elapsed = tokio::time::timeout(timeout, std::future::pending()).await;
        let trouble = Request::Read.interpret(elapsed, timeout, &lease_config()).unwrap_err();
        assert_eq!(trouble.to_string(), "the API server did not answer within 5s");

        let refused = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused");
        let trouble = Request::Read.interpret(Ok(Err(Error::Service(refused.into()))), timeout, &lease_config());
        let text = trouble.unwrap_err().to_string();
        assert_eq!(text, "connection refused");
    }
}
