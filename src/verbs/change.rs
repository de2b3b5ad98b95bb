//! `sync`, `wait`, `suspend` and `resume`.

use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use waflows_core::api::crd::{FlowsEncryptionKey, SYNC_ANNOTATION};
use waflows_core::store::object_key::ObjectKey;

use super::connection::Connection;
use super::error::{Doing, VerbError};
use super::render::Look;
use super::resource::Resource;
use super::selection::Selection;
use super::waiting::{self, End, Wanted};
use crate::cli::{ChangeArgs, LookArgs, SelectArgs, SyncArgs, WaitArgs};
use crate::command_output::{ACTION_NEEDED, CommandOutput, NO_VERDICT};

/// The field manager of what the command line writes.
const FIELD_MANAGER: &str = "kubectl-waflows";
/// Resources that are changed at the same time.
const PARALLEL: usize = 8;

/// A verb at work: where, on what, and how the result looks.
struct Work {
    connection: Connection,
    selection: Selection,
    look: Look,
}

impl Work {
    async fn new(select: &SelectArgs, look: &LookArgs) -> Result<Self, VerbError> {
        if !select.is_explicit() {
            return Err(VerbError::NothingSaid);
        }
        let connection = Connection::open(&select.cluster).await?;
        let selection = Selection::of(select, &connection)?;
        Ok(Self { connection, selection, look: Look::of(look, true, true) })
    }

    /// Merges a patch into each resource, and says of each what was done. The exit code is 2 if one could not be changed;
    /// the others are changed all the same.
    async fn patch(&self, targets: &[ObjectKey], patch: &Value, done: &str) -> Result<CommandOutput, VerbError> {
        let changes = targets.iter().map(|key| async move {
            let api: Api<FlowsEncryptionKey> = Api::namespaced(self.connection.client.clone(), &key.namespace);
            // Only metadata come back: a resource that this version cannot read can be changed too.
            (key, api.patch_metadata(&key.name, &patch_params(), &Patch::Merge(patch)).await)
        });
        let mut changes = stream::iter(changes).buffered(PARALLEL);
        let mut exit_code = 0;
        while let Some((key, result)) = changes.next().await {
            match result {
                Ok(_) if self.look.is_table() => CommandOutput::new(format!("{key} {done}\n")).print()?,
                Ok(_) => {}
                Err(error) => {
                    eprintln!("waflows-operator: {key}: {}", Doing::Change.failed(&error));
                    exit_code = NO_VERDICT;
                }
            }
        }
        Ok(CommandOutput { text: String::new(), exit_code })
    }

    /// Waits, and says of each resource how the wait ended.
    async fn wait(&self, wanted: Wanted, patience: Duration) -> Result<CommandOutput, VerbError> {
        let mut exit_code = 0;
        let mut ended: Vec<Resource> = Vec::new();
        waiting::wait(&self.selection, wanted, patience, |key, resource, end| {
            let (text, code) = match end {
                End::Ready => (format!("{key} is Ready"), 0),
                End::Stalled(why) | End::Hopeless(why) => (format!("{key}: {why}"), ACTION_NEEDED),
                End::TimedOut(why) => (format!("{key}: {why}"), NO_VERDICT),
            };
            exit_code = worse(exit_code, code);
            if self.look.is_table() {
                CommandOutput::new(self.look.painted(text, code == ACTION_NEEDED) + "\n").print()?;
            }
            ended.extend(resource);
            Ok(())
        })
        .await?;
        ended.sort_by(|one, other| one.key.cmp(&other.key));
        let text =
            if self.look.is_table() { String::new() } else { self.look.render(&ended, &[], Timestamp::now())? };
        Ok(CommandOutput { text, exit_code })
    }

    /// The selected resources that `is_target` picks. For the others, `otherwise` is printed.
    async fn targets(
        &self,
        is_target: impl Fn(&Resource) -> bool,
        otherwise: &str,
    ) -> Result<Vec<ObjectKey>, VerbError> {
        let resources = self.selection.read(|resource| Some((resource.key.clone(), is_target(&resource)))).await?;
        for (key, _) in resources.iter().filter(|(_, is_target)| !is_target && self.look.is_table()) {
            CommandOutput::new(format!("{key} {otherwise}\n")).print()?;
        }
        Ok(resources.into_iter().filter(|(_, is_target)| *is_target).map(|(key, _)| key).collect())
    }

    /// The resources as they are now, for the formats of machines.
    async fn show(&self, changed: CommandOutput) -> Result<CommandOutput, VerbError> {
        if self.look.is_table() {
            return Ok(changed);
        }
        let resources = self.selection.read(Some).await?;
        Ok(CommandOutput { text: self.look.render(&resources, &[], Timestamp::now())?, ..changed })
    }
}

/// How the command line writes.
pub(super) fn patch_params() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

/// The exit code for several results: a person who must act comes before a missing verdict.
fn worse(one: u8, other: u8) -> u8 {
    match (one, other) {
        (0, code) | (code, 0) => code,
        _ => one.min(other),
    }
}

/// Asks the operator for a check now.
///
/// # Errors
/// If the resources cannot be read.
pub async fn sync(args: &SyncArgs) -> Result<CommandOutput, VerbError> {
    let work = Work::new(&args.select, &args.look).await?;
    let request = Timestamp::now().to_string();
    let suspended = "is suspended: nobody looks at its numbers; next: waflows-operator resume";
    let targets = work.targets(|resource| !resource.is_suspended, suspended).await?;
    let patch = json!({"metadata": {"annotations": {SYNC_ANNOTATION: request}}});
    let changed = work.patch(&targets, &patch, "will be checked now").await?;
    if targets.is_empty() {
        return Ok(CommandOutput { exit_code: ACTION_NEEDED, ..work.show(changed).await? });
    }
    if !args.wait || changed.exit_code != 0 {
        return work.show(changed).await;
    }
    work.wait(targets.into_iter().map(|key| (key, Some(request.clone()))).collect(), args.timeout).await
}

/// Waits until the resources are Ready.
///
/// # Errors
/// If the resources cannot be read.
pub async fn wait(args: &WaitArgs) -> Result<CommandOutput, VerbError> {
    let work = Work::new(&args.select, &args.look).await?;
    let targets = work.targets(|_| true, "").await?;
    work.wait(targets.into_iter().map(|key| (key, None)).collect(), args.timeout).await
}

/// Stops all work on the resources.
///
/// # Errors
/// If the resources cannot be read.
pub async fn suspend(args: &ChangeArgs) -> Result<CommandOutput, VerbError> {
    let work = Work::new(&args.select, &args.look).await?;
    let targets = work.targets(|resource| !resource.is_suspended, "was suspended already").await?;
    let changed = work.patch(&targets, &json!({"spec": {"suspend": true}}), "is suspended").await?;
    work.show(changed).await
}

/// Lets the operator work on the resources again.
///
/// # Errors
/// If the resources cannot be read.
pub async fn resume(args: &ChangeArgs) -> Result<CommandOutput, VerbError> {
    let work = Work::new(&args.select, &args.look).await?;
    let targets = work.targets(|resource| resource.is_suspended, "was not suspended").await?;
    let changed =
        work.patch(&targets, &json!({"spec": {"suspend": null}}), "is resumed: its numbers are read now").await?;
    work.show(changed).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_who_must_act_comes_before_a_missing_verdict() {
        assert_eq!([worse(0, 0), worse(0, 2), worse(2, 1), worse(1, 2), worse(2, 2)], [0, 2, 1, 1, 2]);
    }
}
