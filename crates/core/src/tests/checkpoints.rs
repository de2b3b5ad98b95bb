//! A checkpoint is not the write that a reconcile waits for.

use super::*;
use crate::reconcile::action::{Action, End, Event};
use crate::reconcile::machine::{Reconcile, Settings};

#[test]
fn a_checkpoint_that_ends_while_a_status_is_written_does_not_stand_for_it() {
    let mut stage = Stage::new(&["1"]);
    let mut meta = meta::Model::new(&["1"]);
    let settings = Settings { interval: stage.interval, waits: Waits::default(), owes_status: true };
    let resource = Arc::new(stage.resource.clone());
    let mut reconcile = Reconcile::new(resource, stage.work(), settings, stage.now);
    let mut written = 0;
    while let Some(action) = reconcile.next(stage.now) {
        match action {
            Action::ReadSecrets => drop(reconcile.handle(Event::SecretsRead(stage.inputs()), stage.now)),
            Action::ClaimNumbers => reconcile.claim_numbers_by(|_| {}, plan, stage.now),
            Action::WriteStatus(write) => {
                stage.store(&write.status);
                let stored = Arc::new(stage.resource.clone());
                reconcile.handle(Event::CheckpointStored(Arc::clone(&stored)), stage.now);
                written += 1;
                let event = if write.is_final { Event::StatusDropped } else { Event::StatusStored(stored) };
                reconcile.handle(event, stage.now);
            }
            Action::Done(end) => {
                assert_eq!((end, written), (End::Dropped, 2), "the announcement, then a final status that was dropped");
                return;
            }
            call => {
                let event = player::call(&reconcile, call, &mut meta, stage.now).expect("a call");
                reconcile.handle(event, stage.now);
            }
        }
    }
    panic!("the reconcile has no end");
}
