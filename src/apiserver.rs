//! Failures of the API server, said for people.

/// What the API server says, without the dump of its answer that `kube::Error` adds.
pub(crate) fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} (HTTP status {})", status.message, status.code),
        other => other.to_string(),
    }
}
