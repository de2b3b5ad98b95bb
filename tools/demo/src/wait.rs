//! Waiting for what must happen, each time with a limit and a sentence that says what was expected.

use std::time::Duration;

use harness::status;
use kube::Api;
use kube::runtime::wait::await_condition;
use waflows_core::api::crd::FlowsEncryptionKey;

use crate::error::Error;

const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// Bounds a step that waits.
pub(crate) async fn within<T>(
    expected: impl Into<String>,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let result = tokio::time::timeout(LIMIT, step).await;
    result.map_err(|_| Error::NotSeen { expected: expected.into(), limit: LIMIT })?
}

/// Watches a resource until `condition` holds, and returns it as it is then.
pub(crate) async fn for_resource(
    resources: &Api<FlowsEncryptionKey>,
    name: &str,
    expected: impl Into<String>,
    condition: impl Fn(&FlowsEncryptionKey) -> bool,
) -> Result<FlowsEncryptionKey, Error> {
    let expected = expected.into();
    let met = |resource: Option<&FlowsEncryptionKey>| resource.is_some_and(&condition);
    let watch = async {
        let seen = await_condition(resources.clone(), name, met).await;
        let seen = seen.map_err(|source| Error::Watch { name: name.to_owned(), source })?;
        seen.ok_or_else(|| Error::NotSeen { expected: expected.clone(), limit: LIMIT })
    };
    within(expected.clone(), watch).await
}

/// Asks again and again until there is an answer.
pub(crate) async fn until<T>(
    expected: impl Into<String>,
    probe: impl AsyncFn() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    within(expected, async {
        loop {
            if let Some(answer) = probe().await? {
                return Ok(answer);
            }
            tokio::time::sleep(POLL).await;
        }
    })
    .await
}

/// Whether the resource is Ready as it is now written.
pub(crate) fn is_ready(resource: &FlowsEncryptionKey) -> bool {
    status::is_ready(status::conditions_of(resource), resource.metadata.generation)
}
