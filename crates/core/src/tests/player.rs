//! Drives a reconcile in one thread: the Secrets and Meta answer at once.

use super::meta::Meta;
use super::*;
use crate::observation::AccountListing;
use crate::reconcile::action::{Action, Event};
use crate::reconcile::machine::{Reconcile, Settings};
use crate::rollout::uploads::UploadCall;

impl Stage {
    /// A reconcile that does this work, before anything was read.
    pub(super) fn begin(&self, work: Work) -> Reconcile {
        let settings = Settings { interval: self.interval, waits: Waits::default(), owes_status: false };
        Reconcile::new(Arc::new(self.resource.clone()), work, settings, self.now)
    }

    /// A reconcile that has read everything, and whose uploads are decided. Nobody else has a claim.
    pub(super) fn read(&self, work: Work, meta: &mut impl Meta) -> Reconcile {
        let mut reconcile = self.begin(work);
        let Action::ClaimNumbers = play(&mut reconcile, self, meta) else { panic!("numbers are claimed first") };
        reconcile.claim_numbers_by(|_| {}, plan, self.now);
        reconcile
    }

    /// What a reconcile sees before any number is read.
    pub(super) fn look(&self, work: Work) -> Observation {
        let mut reconcile = self.begin(work);
        if let Some(Action::ReadSecrets) = reconcile.next(self.now) {
            reconcile.handle(Event::SecretsRead(self.inputs()), self.now);
        }
        Observation::clone(reconcile.observation())
    }

    /// The same with the numbers read.
    pub(super) fn observe(&self, work: Work, meta: &mut impl Meta) -> Observation {
        Observation::clone(self.read(work, meta).observation())
    }

    pub(super) fn inputs(&self) -> Inputs {
        Inputs { key: self.key.clone(), credentials: self.credentials.clone(), secrets: self.secrets.clone() }
    }

    /// A whole reconcile, if one is due. Its status is stored as the API server stores it.
    pub(super) fn reconcile(&mut self, meta: &mut impl Meta) -> Option<Reconciled> {
        let Schedule::Now(work) = self.due() else { return None };
        let reconcile = self.read(work, meta);
        Some(self.finish(reconcile, meta))
    }

    /// The uploads, with the status that is stored before them. The next action; the final status is not stored yet.
    pub(super) fn upload(&mut self, reconcile: &mut Reconcile, meta: &mut impl Meta) -> Action {
        loop {
            match play(reconcile, self, meta) {
                Action::WriteStatus(write) if !write.is_final => self.write(reconcile, &write.status),
                action => return action,
            }
        }
    }

    fn write(&mut self, reconcile: &mut Reconcile, status: &FlowsEncryptionKeyStatus) {
        self.store(status);
        reconcile.handle(Event::StatusStored(Arc::new(self.resource.clone())), self.now);
    }

    /// The uploads and the final status.
    pub(super) fn finish(&mut self, mut reconcile: Reconcile, meta: &mut impl Meta) -> Reconciled {
        loop {
            match self.upload(&mut reconcile, meta) {
                Action::WriteStatus(write) => self.write(&mut reconcile, &write.status),
                Action::Publish(_) => {
                    let summary = reconcile.summary().expect("the reconcile is summed up").clone();
                    return Reconciled {
                        plan: reconcile.plan().clone(),
                        outcomes: reconcile.outcomes().to_vec(),
                        summary,
                    };
                }
                action => panic!("{action:?} before the events"),
            }
        }
    }
}

/// Reads and uploads until something else is to be done, and says what.
pub(super) fn play(reconcile: &mut Reconcile, stage: &Stage, meta: &mut impl Meta) -> Action {
    let now = stage.now;
    loop {
        let action = reconcile.next(now).expect("nothing is under way");
        let event = match action {
            Action::ReadSecrets => Event::SecretsRead(stage.inputs()),
            action => match call(reconcile, action, meta, now) {
                Ok(event) => event,
                Err(action) => return action,
            },
        };
        reconcile.handle(event, now);
    }
}

/// Makes a call to Meta. Returns the action itself if it is no call.
pub(super) fn call(
    reconcile: &Reconcile,
    action: Action,
    meta: &mut impl Meta,
    now: Timestamp,
) -> Result<Event, Action> {
    Ok(match action {
        Action::ListAccount { position, account_id } => {
            let (listing, refusal) = meta.list(&account_id, now);
            Event::AccountListed(AccountListing { position, listing, refusal })
        }
        Action::ReadNumber { position, phone_number_id } => {
            let (reading, refusal) = meta.read(&phone_number_id, now);
            Event::NumberRead(NumberReading { position, reading, refusal })
        }
        Action::Upload(Upload { phone_number_id, .. }) => {
            let key = reconcile.observation().key().expect("no upload without a key");
            let (answer, refusal) = meta.upload(&phone_number_id, key, now);
            let call =
                UploadCall { uploaded: Uploaded { at: now, answer, may_be_crossed: meta.may_be_crossed() }, refusal };
            Event::Uploaded { phone_number_id, call: Some(call) }
        }
        Action::ReadBack(ReadBack { phone_number_id, .. }) => {
            let (reading, refusal) = meta.read(&phone_number_id, now);
            Event::ReadBack { phone_number_id, reading, refusal }
        }
        other => return Err(other),
    })
}
