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
use super::pending::is_pending;
use crate::command_output::CommandOutput;
use crate::table::wrapped;

const ACTION_NEEDED: u8 = 1;
const NO_VERDICT: u8 = 2;

/// What ends the following.
#[derive(Debug, Clone)]
pub(super) enum Goal {
    /// The numbers hold the key with this fingerprint.
    Key {
        fingerprint: String,
        /// Also the overlap must be over.
        through_overlap: bool,
        /// When the rotation began that was there before. What the status says of that one is no news.
        former: Option<Time>,
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
    let text = format!(
        "Not over within {} s. The rotation goes on without you: waflows-operator status {}\n",
        patience.as_secs(),
        selection.names.join(" ")
    );
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
        Goal::Key { fingerprint, through_overlap, former } => {
            let rotation = rotation.filter(|it| it.to == *fingerprint && Some(&it.started_time) != former.as_ref());
            return match rotation {
                Some(rotation) => step_of(resource, rotation, *through_overlap),
                None => step_without(resource, fingerprint),
            };
        }
        Goal::Proceeded(request) => (request, rotation.and_then(|it| it.last_handled_proceed_request.as_ref())),
        Goal::Aborted(request) => (request, rotation.and_then(|it| it.last_handled_abort_request.as_ref())),
    };
    match rotation {
        Some(rotation) if handled == Some(request) => {
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
fn step_without(resource: &Resource, fingerprint: &str) -> Step {
    let awaits_other = resource.rotation.as_ref().is_some_and(|it| it.to != fingerprint && is_pending(it.phase));
    let has_seen_key = resource.fingerprint.as_deref() == Some(fingerprint) && resource.is_current && !awaits_other;
    if resource.is_suspended {
        Step::end(suspended(resource), ACTION_NEEDED)
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
