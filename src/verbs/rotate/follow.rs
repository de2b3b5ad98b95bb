//! Follows a rotation, phase by phase.

use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::super::changes::{Change, changes};
use super::super::error::VerbError;
use super::super::paint::Paint;
use super::super::resource::Resource;
use super::super::selection::Selection;
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

/// What the resource tells of the rotation now.
fn step(resource: &Resource, goal: &Goal) -> Step {
    let waits = |words: String| Step { words, end: None };
    let ends = |words: String, exit_code| Step { words, end: Some(exit_code) };
    let said = |what: &str| format!("{what}, {} valid: {}", resource.valid, resource.message);
    let rotation = resource.rotation.as_ref();
    match goal {
        Goal::Proceeded(request) => match rotation {
            Some(rotation) if rotation.last_handled_proceed_request.as_ref() == Some(request) => {
                ends(said(&rotation.phase), 0)
            }
            _ => waits("Waiting for the operator".to_owned()),
        },
        Goal::Aborted(request) => match rotation {
            Some(rotation) if rotation.last_handled_abort_request.as_ref() == Some(request) => {
                let is_back = rotation.phase == "RolledBack";
                ends(said(&rotation.phase), if is_back { 0 } else { ACTION_NEEDED })
            }
            _ => waits("Waiting for the operator".to_owned()),
        },
        Goal::Key { fingerprint, through_overlap } => {
            let rotation = rotation.filter(|rotation| rotation.to == *fingerprint);
            let has_seen_key = resource.fingerprint.as_ref() == Some(fingerprint) && resource.is_current;
            match rotation.map(|rotation| rotation.phase.as_str()) {
                Some("Completed") => ends(said("Completed"), 0),
                Some("Overlap") if !through_overlap => {
                    let until = rotation.and_then(|rotation| rotation.until.as_ref());
                    let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
                    ends(format!("Overlap: every number has the new key. Keep the old key in the endpoint{until}."), 0)
                }
                Some(phase @ ("RolledBack" | "Superseded")) => ends(said(phase), ACTION_NEEDED),
                _ if resource.is_suspended => ends(suspended(resource), ACTION_NEEDED),
                Some(phase) if resource.is_stalled => ends(said(phase), ACTION_NEEDED),
                Some(phase) => waits(said(phase)),
                None if has_seen_key && resource.is_ready() => ends(said("Done"), 0),
                None if has_seen_key && resource.is_stalled => ends(said(&resource.reason), ACTION_NEEDED),
                None if has_seen_key => waits(said(&resource.reason)),
                None => waits("Waiting for the operator to read the new key".to_owned()),
            }
        }
    }
}

fn suspended(resource: &Resource) -> String {
    let name = &resource.key.name;
    format!("The resource is suspended: nobody looks at its numbers; next: waflows-operator resume {name}")
}
