//! Waits until resources are Ready, and ends at once for one that needs a person.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};
use waflows_core::store::object_key::ObjectKey;

use super::changes::{Change, changes};
use super::error::VerbError;
use super::resource::Resource;
use super::selection::Selection;

/// After this time without any sign of an operator, the user learns so.
const SILENCE: Duration = Duration::from_secs(15);

/// How the wait for a resource ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// Every number holds the key.
    Ready,
    /// A person must act: what the resource says.
    Stalled(String),
    /// Nobody works on the resource: why, and what helps.
    Hopeless(String),
    /// The time is over.
    TimedOut(String),
}

/// The resources to wait for. Those with a request count only after the operator has handled it.
pub(super) type Wanted = BTreeMap<ObjectKey, Option<String>>;

/// The wait, as far as it has come.
struct Wait<T> {
    wanted: Wanted,
    /// The resources that were seen and are still waited for.
    last: BTreeMap<ObjectKey, Resource>,
    patience: Duration,
    tell: T,
}

/// Waits, and tells each end as it comes.
///
/// # Errors
/// If the resources cannot be watched.
pub(super) async fn wait<T>(selection: &Selection, wanted: Wanted, patience: Duration, tell: T) -> Result<(), VerbError>
where
    T: FnMut(&ObjectKey, Option<Resource>, End) -> Result<(), VerbError>,
{
    let (begun, deadline) = (Instant::now(), Instant::now() + patience);
    let mut warning = Some(begun + SILENCE).filter(|at| *at < deadline);
    let mut events = changes(selection).boxed();
    let mut wait = Wait { wanted, last: BTreeMap::new(), patience, tell };
    while !wait.wanted.is_empty() {
        match timeout_at(warning.unwrap_or(deadline), events.next()).await {
            Ok(None) => break,
            Ok(Some(change)) => wait.learn(change?)?,
            Err(_) if warning.take().is_some() => wait.warn(),
            Err(_) => wait.give_up()?,
        }
    }
    Ok(())
}

impl<T> Wait<T>
where
    T: FnMut(&ObjectKey, Option<Resource>, End) -> Result<(), VerbError>,
{
    fn learn(&mut self, change: Change) -> Result<(), VerbError> {
        match change {
            Change::Seen(resource) => {
                let Some(request) = self.wanted.get(&resource.key) else { return Ok(()) };
                let key = resource.key.clone();
                match end(&resource, request.as_deref()) {
                    Some(end) => {
                        self.wanted.remove(&key);
                        (self.tell)(&key, Some(*resource), end)?;
                    }
                    None => drop(self.last.insert(key, *resource)),
                }
            }
            Change::Gone(key) if self.wanted.remove(&key).is_some() => (self.tell)(&key, None, gone())?,
            Change::Gone(_) => {}
            Change::Listed => {
                let missing: Vec<_> = self.wanted.keys().filter(|key| !self.last.contains_key(*key)).cloned().collect();
                for key in missing {
                    self.wanted.remove(&key);
                    (self.tell)(&key, None, gone())?;
                }
            }
        }
        Ok(())
    }

    /// Tells the user if there was no sign of an operator yet.
    fn warn(&self) {
        let has_reacted = |(key, request): (&ObjectKey, &Option<String>)| {
            self.last.get(key).is_some_and(|resource| has_reacted(resource, request.as_deref()))
        };
        if !self.wanted.iter().any(has_reacted) {
            eprintln!("waflows-operator: {}", silence(SILENCE));
        }
    }

    fn give_up(&mut self) -> Result<(), VerbError> {
        for (key, request) in std::mem::take(&mut self.wanted) {
            let resource = self.last.remove(&key);
            let why = overdue(resource.as_ref(), request.as_deref(), self.patience);
            (self.tell)(&key, resource, End::TimedOut(why))?;
        }
        Ok(())
    }
}

/// The end of the wait, as far as the resource tells. None while the operator may still make it Ready.
fn end(resource: &Resource, request: Option<&str>) -> Option<End> {
    if resource.is_leaving {
        return Some(gone());
    }
    if resource.is_suspended {
        let name = &resource.key.name;
        let why = format!("it is suspended: nobody looks at its numbers; next: waflows-operator resume {name}");
        return Some(End::Hopeless(why));
    }
    match has_reacted(resource, request) {
        true if resource.is_ready() => Some(End::Ready),
        true if resource.is_stalled => Some(End::Stalled(format!("{}: {}", resource.reason, resource.message))),
        _ => None,
    }
}

/// Whether the conditions are about the newest generation, and were made after the request.
fn has_reacted(resource: &Resource, request: Option<&str>) -> bool {
    resource.is_current
        && request.is_none_or(|request| is_handled(request, resource.last_handled_sync_request.as_deref()))
}

/// Whether the operator has handled a request, or a later one of somebody else. Requests of this program are times.
pub(super) fn is_handled(request: &str, handled: Option<&str>) -> bool {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    handled.is_some_and(|handled| {
        handled == request || time(handled).zip(time(request)).is_some_and(|(handled, request)| handled >= request)
    })
}

fn gone() -> End {
    End::Hopeless("it was deleted".to_owned())
}

fn silence(patience: Duration) -> String {
    format!(
        "no operator has reacted for {} s: see whether one runs and watches this namespace (waflows-operator version)",
        patience.as_secs()
    )
}

fn overdue(resource: Option<&Resource>, request: Option<&str>, patience: Duration) -> String {
    match resource {
        Some(resource) if has_reacted(resource, request) => {
            format!("not Ready within {} s; {}: {}", patience.as_secs(), resource.reason, resource.message)
        }
        _ => silence(patience),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resource(ready: &str, stalled: bool, handled: &str, generation: i64, suspend: bool) -> Resource {
        let condition = |kind: &str, status: &str| {
            json!({"type": kind, "status": status, "reason": "NumberRefused", "message": "Correct it.",
                "lastTransitionTime": "2026-11-27T10:00:00Z"})
        };
        let mut conditions = vec![condition("Ready", ready)];
        conditions.extend(stalled.then(|| condition("Stalled", "True")));
        let object = json!({
            "metadata": {"name": "storefront", "namespace": "shop", "generation": generation},
            "spec": {"accessTokenSecretRef": {"name": "a", "key": "b"}, "phoneNumberIds": ["1"], "suspend": suspend},
            "status": {"observedGeneration": 2, "lastHandledSyncRequest": handled, "conditions": conditions},
        });
        Resource::of(serde_json::from_value(object).unwrap())
    }

    #[test]
    fn a_later_request_stands_for_an_earlier_one() {
        let [earlier, later] = ["2026-11-27T10:00:00Z", "2026-11-27T10:00:01.5Z"];
        assert!(is_handled(earlier, Some(earlier)) && is_handled(earlier, Some(later)));
        assert!(!is_handled(later, Some(earlier)) && !is_handled(later, None));
        assert!(is_handled("now", Some("now")) && !is_handled("now", Some(later)) && !is_handled(later, Some("now")));
    }

    #[test]
    fn only_what_the_operator_says_about_the_request_and_the_generation_counts() {
        let stalled = Some(End::Stalled("NumberRefused: Correct it.".into()));
        for (resource, request, expected) in [
            (resource("True", false, "now", 2, false), Some("now"), Some(End::Ready)),
            (resource("True", false, "before", 2, false), Some("now"), None),
            (resource("True", false, "before", 2, false), None, Some(End::Ready)),
            (resource("True", false, "now", 3, false), Some("now"), None),
            (resource("False", true, "now", 2, false), Some("now"), stalled.clone()),
            (resource("False", true, "before", 2, false), Some("now"), None),
            (resource("False", true, "before", 2, false), None, stalled),
            (resource("False", false, "now", 2, false), Some("now"), None),
        ] {
            assert_eq!(end(&resource, request), expected, "{resource:?}");
        }
        assert!(
            matches!(end(&resource("True", false, "", 2, true), None), Some(End::Hopeless(why)) if why.contains("resume"))
        );
    }
}
