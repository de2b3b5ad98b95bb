//! `rotate`, `proceed` and `abort`: a new key for the numbers of a resource.
//!
//! [`plan`] says what would be written, this file asks and writes, [`follow`] shows the phases until the end.

mod error;
mod follow;
mod plan;
mod subject;

use std::io::{self, BufRead, IsTerminal, Write as _};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, Patch, PatchParams};
use serde_json::{Value, json};
use waflows_core::api::crd::{
    ABORT_ANNOTATION, FlowsEncryptionKey, Gate, PROCEED_ANNOTATION, RotationPhase, RotationStatus,
};
use waflows_core::api::members;

pub use error::RotateError;
use follow::{Goal, follow};
use plan::{BACK_ANNOTATION, Plan, Write};
use subject::Subject;

use super::change::patch_params;
use super::error::{Doing, VerbError};
use super::paint::Paint;
use super::resource::key_fault;
use super::target::Target;
use crate::apiserver::describe;
use crate::cli::{RotateArgs, SteerArgs};
use crate::command_output::{ACTION_NEEDED, CommandOutput};
use crate::table::wrapped;

/// Conflicts in a row after which somebody must be changing the resource all the time.
const NOTE_TRIES: usize = 5;

impl Target {
    fn rotation(&self) -> Option<&RotationStatus> {
        self.resource.status.as_ref().and_then(|status| status.rotation.as_ref())
    }

    async fn patch(&self, patch: &Value) -> Result<(), VerbError> {
        let api: Api<FlowsEncryptionKey> = Api::namespaced(self.connection.client.clone(), &self.key.namespace);
        let patched = api.patch_metadata(&self.key.name, &patch_params(), &Patch::Merge(patch)).await;
        patched.map(drop).map_err(|error| Doing::Change.failed(&error))
    }

    /// Writes the note, if the resource is still as it was when the plan was made. The operator may write its status at any
    /// moment, so a conflict alone does not count.
    async fn note_way_back(&self, note: &str) -> Result<(), RotateError> {
        let api: Api<FlowsEncryptionKey> = Api::namespaced(self.connection.client.clone(), &self.key.namespace);
        for _ in 0..NOTE_TRIES {
            let now = api.get_metadata(&self.key.name).await.map_err(|error| Doing::Read.failed(&error))?.metadata;
            if !is_as_planned(&self.resource.metadata, &now) {
                break;
            }
            let metadata = json!({"resourceVersion": now.resource_version, "annotations": {BACK_ANNOTATION: note}});
            let patch = Patch::Merge(json!({"metadata": metadata}));
            match api.patch_metadata(&self.key.name, &patch_params(), &patch).await {
                Ok(_) => return Ok(()),
                Err(kube::Error::Api(answer)) if answer.code == 409 => {}
                Err(error) => return Err(Doing::Change.failed(&error).into()),
            }
        }
        Err(RotateError::Changed(self.key.to_string()))
    }

    async fn write(&self, plan: &Plan) -> Result<(), RotateError> {
        // If one Secret cannot be written, none is.
        for dry_run in [true, false] {
            self.write_all(plan, dry_run).await?;
        }
        Ok(())
    }

    async fn write_all(&self, plan: &Plan, dry_run: bool) -> Result<(), RotateError> {
        for write in &plan.writes {
            match write {
                Write::WayBack { .. } | Write::Resource { .. } if dry_run => {}
                Write::WayBack { note } => self.note_way_back(note).await?,
                Write::Resource { patch } => self.patch(patch).await?,
                Write::Secret { name, patch } => {
                    let api: Api<Secret> = Api::namespaced(self.connection.client.clone(), &self.key.namespace);
                    let patch: Value = serde_json::from_str(patch).map_err(VerbError::from)?;
                    let parameters = PatchParams { dry_run, ..patch_params() };
                    let written = api.patch_metadata(name, &parameters, &Patch::Merge(&patch)).await;
                    written.map_err(|error| RotateError::Secret {
                        name: format!("{}/{name}", self.key.namespace),
                        said: match &error {
                            kube::Error::Api(answer) if answer.code == 409 => {
                                "was changed by somebody else meanwhile: run the command again".to_owned()
                            }
                            error => describe(error),
                        },
                    })?;
                }
            }
        }
        Ok(())
    }

    /// What is about to happen.
    fn summary(&self, plan: &Plan) -> String {
        let old = plan.old.as_deref().unwrap_or("none yet");
        let mut text = format!("FlowsEncryptionKey {}, {} numbers\n", self.key, members::count(&self.resource));
        text += &format!("  old key  {old}\n  new key  {}, from {}\n", plan.new, plan.source);
        for change in &plan.changes {
            text += &format!("  write    {change}\n");
        }
        let endpoint = match self.resource.spec.gate() {
            Some(Gate::Required) => "No number gets the new key before every target of the endpoint opens the key.",
            Some(Gate::Report) => {
                "With the gate Report, nobody waits for the endpoint. waflows-operator ping fek/NAME --key FILE says \
                 whether the endpoint has the new key."
            }
            None => {
                "The resource has no spec.endpoint, so nobody can see whether the endpoint has the new key. If the \
                 endpoint lacks the key, every Flow fails."
            }
        };
        let endpoint: Vec<_> = wrapped(endpoint, 2).into_iter().map(|line| line + "\n").collect();
        text + &endpoint.concat()
    }
}

/// Whether nobody has changed the spec, or noted another way back, since the plan was made.
fn is_as_planned(planned: &ObjectMeta, now: &ObjectMeta) -> bool {
    let way_back = |metadata: &ObjectMeta| metadata.annotations.as_ref()?.get(BACK_ANNOTATION).cloned();
    (&planned.uid, planned.generation, way_back(planned)) == (&now.uid, now.generation, way_back(now))
}

/// Replaces the key of a resource, and follows the rotation.
///
/// # Errors
/// If the new key cannot be used, or something cannot be read or written.
pub async fn rotate(args: &RotateArgs) -> Result<CommandOutput, RotateError> {
    let target = Target::find(&args.one).await?;
    let subject = Subject { client: &target.connection.client, key: &target.key, resource: &target.resource };
    let plan = subject.plan(args).await?;
    if plan.is_in_place && plan.old.as_ref() == Some(&plan.new) {
        let is_back = target.rotation().is_some_and(|rotation| rotation.phase == RotationPhase::RolledBack);
        let next = if is_back {
            format!(" The numbers got the old key back; next: waflows-operator proceed {}", target.key.name)
        } else {
            String::new()
        };
        let text =
            format!("{}: the resource has this key already: {}. Nothing was written.{next}\n", target.key, plan.new);
        return Ok(CommandOutput::new(text));
    }
    for write in &plan.writes {
        if let Write::Secret { name, .. } = write {
            subject.require_writable(name).await?;
        }
    }
    CommandOutput::new(target.summary(&plan)).print().map_err(VerbError::from)?;
    if args.dry_run {
        return Ok(CommandOutput::new("Nothing was written (--dry-run).\n".to_owned()));
    }
    if !args.yes && !is_agreed()? {
        return Ok(CommandOutput::new("Nothing was written.\n".to_owned()));
    }
    target.write(&plan).await?;
    let former = target.rotation().filter(|rotation| rotation.to == plan.new);
    let former = former.map(|rotation| rotation.started_time.clone());
    let former_fault = target.resource.status.as_ref().and_then(|status| key_fault(&status.conditions));
    let goal = Goal::Key { fingerprint: plan.new, through_overlap: args.through_overlap, former, former_fault };
    Ok(follow(&target.selection, &goal, args.timeout, Paint::of(args.color)).await?)
}

/// Asks the person at the terminal.
fn is_agreed() -> Result<bool, RotateError> {
    if !io::stdin().is_terminal() {
        return Err(RotateError::NobodyToAsk);
    }
    print!("Go on? [y/N] ");
    io::stdout().flush().map_err(VerbError::from)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(VerbError::from)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Ends the present wait of a rotation.
///
/// # Errors
/// If the resource cannot be read or changed.
pub async fn proceed(args: &SteerArgs) -> Result<CommandOutput, RotateError> {
    steer(args, PROCEED_ANNOTATION, Goal::Proceeded).await
}

/// Makes a rotation go back to the old key.
///
/// # Errors
/// If the resource cannot be read or changed.
pub async fn abort(args: &SteerArgs) -> Result<CommandOutput, RotateError> {
    steer(args, ABORT_ANNOTATION, Goal::Aborted).await
}

async fn steer(args: &SteerArgs, annotation: &str, goal: fn(String) -> Goal) -> Result<CommandOutput, RotateError> {
    let target = Target::find(&args.one).await?;
    if target.resource.status.as_ref().and_then(|status| status.rotation_under_way()).is_none() {
        let text = format!(
            "{}: no rotation is going on; begin one with waflows-operator rotate {}\n",
            target.key, target.key.name
        );
        return Ok(CommandOutput { text, exit_code: ACTION_NEEDED });
    }
    let request = Timestamp::now().to_string();
    target.patch(&json!({"metadata": {"annotations": {annotation: request}}})).await?;
    Ok(follow(&target.selection, &goal(request), args.timeout, Paint::of(args.color)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_status_does_not_stop_rotate_and_another_spec_or_another_rotate_does() {
        let planned: ObjectMeta = serde_json::from_value(json!({
            "name": "storefront", "uid": "7d1c", "generation": 3, "resourceVersion": "10", "annotations": {"a": "b"},
        }))
        .unwrap();
        let with = |change: fn(&mut ObjectMeta)| {
            let mut now = planned.clone();
            change(&mut now);
            is_as_planned(&planned, &now)
        };
        assert!(with(|now| now.resource_version = Some("11".to_owned())));
        assert!(!with(|now| now.generation = Some(4)));
        assert!(!with(|now| now.uid = Some("other".to_owned())));
        let noted = |now: &mut ObjectMeta| {
            now.annotations.get_or_insert_default().insert(BACK_ANNOTATION.to_owned(), "{}".to_owned());
        };
        assert!(!with(noted));
    }
}
