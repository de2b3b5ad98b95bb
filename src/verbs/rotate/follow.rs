//! Follows a rotation, phase by phase.

use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::time::{Instant, timeout_at};
use waflows_core::api::crd::{RotationPhase as Phase, RotationStatus};

use super::super::changes::{Change, changes};
use super::super::error::VerbError;
use super::super::paint::Paint;
use super::super::resource::Resource;
use super::super::selection::Selection;
use super::super::waiting::is_handled;
use crate::command_output::{ACTION_NEEDED, CommandOutput, NO_VERDICT};
use crate::table::wrapped;

/// What ends the following.
#[derive(Debug, Clone)]
pub(super) enum Goal {
    /// The numbers hold the key with this fingerprint.
    Key {
        fingerprint: String,
        /// Also the overlap must be over.
        through_overlap: bool,
        /// When an earlier rotation to the same key began. What the status says of that one is no news.
        former: Option<Time>,
        /// Why the key was unusable before. The same is no news.
        former_fault: Option<String>,
    },
    /// The operator has handled this value of the annotation `waflows.dev/proceed-requested-at`.
    Proceeded(String),
    /// The operator has handled this value of the annotation `waflows.dev/abort-requested-at`.
    Aborted(String),
}

/// A state of the rotation: its words, and the exit code if it is the end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    words: String,
    end: Option<u8>,
}

/// Prints each step until the goal is reached, a person must act, or the time is over.
///
/// # Errors
/// If the resource cannot be watched.
pub(super) async fn follow(
    selection: &Selection,
    goal: &Goal,
    patience: Duration,
    paint: Paint,
) -> Result<CommandOutput, VerbError> {
    let deadline = Instant::now() + patience;
    let mut events = changes(selection).boxed();
    let mut last = None;
    loop {
        let change = match timeout_at(deadline, events.next()).await {
            Ok(Some(change)) => change?,
            Ok(None) | Err(_) => break,
        };
        let step = match change {
            Change::Seen(resource) => step(&resource, goal),
            Change::Gone(key) => Step { words: format!("{key} was deleted"), end: Some(ACTION_NEEDED) },
            Change::Listed => continue,
        };
        if last.as_ref() != Some(&step) {
            let needs_person = step.end == Some(ACTION_NEEDED);
            let lines = wrapped(&step.words, 0).into_iter().map(|line| paint.line(line, needs_person) + "\n");
            CommandOutput::new(lines.collect()).print()?;
        }
        if let Some(exit_code) = step.end {
            return Ok(CommandOutput { text: String::new(), exit_code });
        }
        last = Some(step);
    }
    let what = match goal {
        Goal::Key { .. } => "Not over within {} s. The rotation goes on without you",
        Goal::Proceeded(_) | Goal::Aborted(_) => {
            "The operator has not handled the request within {} s. It will, as soon as key and token are usable"
        }
    };
    let what = what.replace("{}", &patience.as_secs().to_string());
    let text = format!("{what}: waflows-operator status {}\n", selection.names.join(" "));
    Ok(CommandOutput { text, exit_code: NO_VERDICT })
}

impl Step {
    fn wait(words: impl Into<String>) -> Self {
        Self { words: words.into(), end: None }
    }

    fn end(words: impl Into<String>, exit_code: u8) -> Self {
        Self { words: words.into(), end: Some(exit_code) }
    }
}

/// What the resource tells of the rotation now.
fn step(resource: &Resource, goal: &Goal) -> Step {
    let rotation = resource.rotation.as_ref();
    let (request, handled) = match goal {
        Goal::Key { fingerprint, through_overlap, former, former_fault } => {
            let rotation = rotation.filter(|it| it.to == *fingerprint && Some(&it.started_time) != former.as_ref());
            return match rotation {
                Some(rotation) => step_of(resource, rotation, *through_overlap),
                None => step_without(resource, fingerprint, former_fault.as_deref()),
            };
        }
        Goal::Proceeded(request) => (request, rotation.and_then(|it| it.last_handled_proceed_request.as_ref())),
        Goal::Aborted(request) => (request, rotation.and_then(|it| it.last_handled_abort_request.as_ref())),
    };
    match rotation {
        Some(rotation) if is_handled(request, handled.map(String::as_str)) => {
            let is_done = matches!(goal, Goal::Proceeded(_)) || rotation.phase == Phase::RolledBack;
            Step::end(said(resource, rotation.phase.as_str()), if is_done { 0 } else { ACTION_NEEDED })
        }
        _ if resource.is_suspended => Step::end(suspended(resource), ACTION_NEEDED),
        _ => Step::wait("Waiting for the operator"),
    }
}

/// The step of a rotation to the wished key.
fn step_of(resource: &Resource, rotation: &RotationStatus, through_overlap: bool) -> Step {
    let words = said(resource, rotation.phase.as_str());
    match rotation.phase {
        Phase::Completed => Step::end(words, 0),
        Phase::RolledBack | Phase::Superseded => Step::end(words, ACTION_NEEDED),
        _ if resource.is_suspended => Step::end(suspended(resource), ACTION_NEEDED),
        _ if resource.is_stalled => Step::end(words, ACTION_NEEDED),
        // The words say until when the endpoint must keep the old key.
        Phase::Overlap if !through_overlap => Step::end(words, 0),
        Phase::Staged | Phase::Canary | Phase::RollingOut | Phase::Overlap => Step::wait(words),
    }
}

/// The step without a rotation: the resource has neither `endpoint` nor `rotation`, or no number held another valid key.
fn step_without(resource: &Resource, fingerprint: &str, former_fault: Option<&str>) -> Step {
    let awaits_other = resource.rotation.as_ref().is_some_and(|it| it.to != fingerprint && it.phase.keeps_old_key());
    let has_seen_key = resource.fingerprint.as_deref() == Some(fingerprint) && resource.is_current && !awaits_other;
    if resource.is_suspended {
        Step::end(suspended(resource), ACTION_NEEDED)
    } else if let Some(fault) = resource.key_fault.as_deref().filter(|fault| Some(*fault) != former_fault) {
        Step::end(fault, ACTION_NEEDED)
    } else if !has_seen_key {
        Step::wait("Waiting for the operator to read the new key")
    } else if resource.is_ready() {
        Step::end(said(resource, "Done"), 0)
    } else if resource.is_stalled {
        Step::end(said(resource, &resource.reason), ACTION_NEEDED)
    } else {
        Step::wait(said(resource, &resource.reason))
    }
}

fn said(resource: &Resource, what: &str) -> String {
    format!("{what}, {} valid: {}", resource.valid, resource.message)
}

fn suspended(resource: &Resource) -> String {
    let name = &resource.key.name;
    format!("The resource is suspended: nobody looks at its numbers; next: waflows-operator resume {name}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const STARTED: &str = "2026-11-27T10:00:00Z";

    fn resource(to: &str, phase: &str) -> Resource {
        let object = json!({
            "metadata": {"name": "storefront", "namespace": "shop"},
            "spec": {"accessTokenSecretRef": {"name": "a", "key": "b"}, "phoneNumberIds": ["1"]},
            "status": {"rotation":
                {"from": "sha256:1", "to": to, "phase": phase, "startedTime": STARTED, "phaseStartTime": STARTED}},
        });
        Resource::of(serde_json::from_value(object).unwrap())
    }

    #[test]
    fn a_new_key_that_cannot_be_used_ends_the_wait() {
        let with = |message: &str| {
            let object = json!({
                "metadata": {"name": "storefront", "namespace": "shop"},
                "spec": {"accessTokenSecretRef": {"name": "a", "key": "b"}, "phoneNumberIds": ["1"]},
                "status": {"conditions": [{"type": "KeyLoaded", "status": "False", "reason": "CertificateMismatch",
                    "message": message, "lastTransitionTime": STARTED}]},
            });
            Resource::of(serde_json::from_value(object).unwrap())
        };
        let former = Some("CertificateMismatch: before");
        assert_eq!(step_without(&with("before"), "sha256:2", former).end, None, "the operator has not looked yet");
        let step = step_without(&with("now"), "sha256:2", former);
        assert_eq!(step, Step::end("CertificateMismatch: now", ACTION_NEEDED));
    }

    /// Times in a status are whole seconds, so that two rotations can begin at the same time.
    #[test]
    fn an_earlier_rotation_is_no_news_only_if_its_key_was_the_same() {
        let goal = |former: Option<&str>| Goal::Key {
            fingerprint: "sha256:2".to_owned(),
            through_overlap: false,
            former: former.map(|time| Time(time.parse().unwrap())),
            former_fault: None,
        };
        for (to, former, end) in [
            ("sha256:2", None, Some(ACTION_NEEDED)),
            ("sha256:2", Some(STARTED), None),
            ("sha256:2", Some("2026-11-27T09:59:59Z"), Some(ACTION_NEEDED)),
            ("sha256:3", None, None),
        ] {
            assert_eq!(step(&resource(to, "Superseded"), &goal(former)).end, end, "{to} {former:?}");
        }
    }
}
