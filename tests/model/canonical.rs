//! Which states the checker takes to be the same: states that differ only in what no decision reads.
//!
//! Times count as ages. An age beyond the longest wait counts as that wait. Counters count up to the bound of the
//! backoff. Versions count only as equal or different. Messages, and times that are meant for people, do not count.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::Timestamp;
use waflows_core::api::crd::{
    EndpointStatus, FlowsEncryptionKey, FlowsEncryptionKeyStatus, PhoneNumberStatus, RotationStatus,
};
use waflows_core::number::{Ownership, Reading};
use waflows_core::observation::NumberObservation;
use waflows_core::proof::{EndpointProof, TargetProof};
use waflows_core::rollout::outcome::Outcome;
use waflows_core::rollout::uploads::Uploads;
use waflows_core::schedule::backoff::Waits;
use waflows_core::upload::{UploadAnswer, Uploaded};

use crate::endpoint::Probing;
use crate::history::{Effort, longest_wait};
use crate::objects::LONGEST_PHASE;
use crate::world::{Replica, RunningReconcile, World};

const SECOND: i64 = 1000;
/// Longer than the window in which replaced keys count.
const DAY: i64 = 25 * 3600 * SECOND;
/// From here on the backoff is at its bound.
const MOST_ATTEMPTS: i32 = 10;
const MOST_FAILURES: i32 = 8;
/// More refusals in a row count as so many.
const MOST_REFUSALS: u32 = 3;

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash_present(state);
        self.budget.hash(state);
        self.history.last_answers.hash(state);
        self.history.proven.hash(state);
        self.history.lives.hash(state);
        self.history.violations.hash(state);
        for Effort { called_for, last, repeats } in &self.history.efforts {
            // Where an upload is called for, it need not wait.
            let most = if *called_for > 0 { 0 } else { longest_wait(*repeats) };
            let last = last.map(|(key, at)| (key, self.age(at).min(most)));
            (called_for, last, repeats).hash(state);
        }
    }
}

/// As the checker takes them to be equal.
impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        let fingerprint = |world: &Self| {
            let mut hasher = DefaultHasher::new();
            world.hash(&mut hasher);
            hasher.finish()
        };
        fingerprint(self) == fingerprint(other)
    }
}

impl World {
    /// Everything that decides what happens next.
    pub(crate) fn hash_present<H: Hasher>(&self, state: &mut H) {
        if self.replicas.iter().any(|replica| replica.election.is_some()) {
            // Elections keep times of their own.
            self.now.hash(state);
        }
        for (resource, key) in self.resources.iter().zip(&self.keys) {
            key.hash(state);
            self.hash_resource(resource.as_deref(), state);
        }
        for line in &self.lines {
            let stale = line.stale.map(|(key, signed, since)| (key, signed, self.age(since)));
            (line.key, line.signed, stale, line.is_down, line.is_unregistered).hash(state);
        }
        self.targets.hash(state);
        self.hash_claims(state);
        for replica in &self.replicas {
            self.hash_replica(replica, state);
        }
        self.lease.hash(state);
        self.ghost.as_ref().map(|ghost| (ghost.number, ghost.key, self.age(ghost.sent))).hash(state);
    }

    fn age(&self, time: Timestamp) -> i64 {
        i64::try_from(self.now.duration_since(time).as_millis()).unwrap()
    }

    /// Time until then. Zero for what is due: it stays due.
    fn due_in(&self, time: Timestamp) -> i64 {
        self.age(time).min(0)
    }

    /// Of claims, only their order counts.
    fn hash_claims<H: Hasher>(&self, state: &mut H) {
        for number in 0..self.lines.len() {
            let id = number.to_string();
            let mut claims: Vec<_> = (0..self.resources.len())
                .filter_map(|x| {
                    let status = self.resources[x].as_ref()?.status.as_ref()?;
                    let stored = status.phone_numbers.iter().find(|stored| stored.phone_number_id == id)?;
                    Some((stored.owned_since.as_ref()?.0, x))
                })
                .collect();
            claims.sort_unstable();
            let is_even = claims.windows(2).map(|pair| pair[0].0 == pair[1].0);
            is_even.collect::<Vec<_>>().hash(state);
            claims.into_iter().map(|(_, x)| x).collect::<Vec<_>>().hash(state);
        }
    }

    fn hash_replica<H: Hasher>(&self, replica: &Replica, state: &mut H) {
        replica.election.hash(state);
        let patience = 60 * SECOND;
        replica.term.map(|(since, is_seized)| is_seized.then(|| self.age(since).min(patience))).hash(state);
        for (x, current) in self.resources.iter().enumerate() {
            let cached = &replica.cached[x];
            let is_current = cached.as_ref().map(|r| &r.metadata.resource_version)
                == current.as_ref().map(|r| &r.metadata.resource_version);
            is_current.hash(state);
            if !is_current {
                self.hash_resource(cached.as_deref(), state);
            }
            self.hash_probing(&replica.probing[x], state);
            let entry = replica.queue[x];
            (entry.queued.map(|urgency| urgency as u8), entry.timer.map(|timer| self.due_in(timer))).hash(state);
            let released = replica.released[x].as_ref().filter(|(at, _)| self.age(*at) < patience);
            released.map(|(at, key)| (self.age(*at), key)).hash(state);
            replica.reconciles[x].is_some().hash(state);
            if let Some(reconcile) = &replica.reconciles[x] {
                self.hash_reconcile(reconcile, current.as_deref(), state);
            }
        }
    }

    fn hash_reconcile<H: Hasher>(
        &self,
        reconcile: &RunningReconcile,
        current: Option<&FlowsEncryptionKey>,
        state: &mut H,
    ) {
        let version = |resource: &FlowsEncryptionKey| resource.metadata.resource_version.clone();
        let observation = reconcile.machine.observation();
        for resource in [&observation.resource, reconcile.machine.stored()] {
            let is_current = current.map(version) == Some(version(resource));
            is_current.hash(state);
            if !is_current {
                self.hash_resource(Some(resource), state);
            }
        }
        (self.age(observation.now), observation.work.inputs, observation.work.reset_backoff).hash(state);
        observation.work.numbers.hash(state);
        observation.key().map(|key| key.fingerprint().to_string()).hash(state);
        observation
            .inputs
            .as_ref()
            .map(|inputs| inputs.secrets.iter().map(|s| &s.resource_version).collect::<Vec<_>>())
            .hash(state);
        for NumberObservation { before: _, reading, ownership } in &observation.numbers {
            self.hash_reading(reading, state);
            match ownership {
                Ownership::Uncontested => 0.hash(state),
                Ownership::Other { owner } => owner.hash(state),
                Ownership::Vacant { until } => self.due_in(*until).hash(state),
            }
        }
        // The plan follows from the observation.
        let uploads = reconcile.machine.uploads();
        let waiting = uploads.into_iter().flat_map(Uploads::waiting);
        waiting.for_each(|upload| (&upload.phone_number_id, upload.reason).hash(state));
        let in_flight = reconcile.in_flight.as_ref();
        in_flight
            .map(|u| (&u.upload.phone_number_id, u.upload.reason, self.age(u.sent), u.has_arrived, u.is_given_up))
            .hash(state);
        for Outcome { phone_number_id, reason, upload, after, state: _, refusal: _ } in reconcile.machine.outcomes() {
            (phone_number_id, reason).hash(state);
            let Uploaded { at, answer, may_be_crossed } = upload;
            (self.age(*at), matches!(answer, UploadAnswer::Accepted), may_be_crossed).hash(state);
            self.hash_reading(after, state);
        }
        (uploads.map(Uploads::in_canary), reconcile.machine.is_revoked(), reconcile.is_revoked, reconcile.is_orphaned)
            .hash(state);
    }

    fn hash_reading<H: Hasher>(&self, reading: &Reading, state: &mut H) {
        std::mem::discriminant(reading).hash(state);
        match reading {
            Reading::NotAsked => {}
            Reading::Answered { reported, at } => {
                format!("{:?}", reported.key).hash(state);
                (&reported.signature_status, self.age(*at)).hash(state);
            }
            Reading::Failed { error, at } => (error.http_status, self.age(*at)).hash(state),
            Reading::Held { until, .. } => self.due_in(*until).hash(state),
        }
    }

    fn hash_resource<H: Hasher>(&self, resource: Option<&FlowsEncryptionKey>, state: &mut H) {
        resource.is_some().hash(state);
        let Some(resource) = resource else { return };
        let spec = &resource.spec;
        (resource.metadata.generation, &resource.metadata.annotations, spec.mode as u8, spec.suspend).hash(state);
        resource.status.is_some().hash(state);
        if let Some(status) = &resource.status {
            self.hash_status(status, state);
        }
    }

    fn hash_status<H: Hasher>(&self, status: &FlowsEncryptionKeyStatus, state: &mut H) {
        let FlowsEncryptionKeyStatus {
            observed_generation,
            observed_spec_digest,
            last_handled_sync_request,
            public_key: _,
            public_key_fingerprint,
            public_key_since: _,
            short_fingerprint: _,
            previous_fingerprints,
            observed_secrets,
            suspended_since,
            valid: _,
            last_check_time: _,
            last_successful_check_time: _,
            next_check_time: _,
            endpoint,
            rotation,
            // No resource of the model has an account, and no token is inspected.
            business_accounts: _,
            token: _,
            phone_numbers,
            conditions,
        } = status;
        (observed_generation, observed_spec_digest, last_handled_sync_request).hash(state);
        suspended_since.is_some().hash(state);
        hash_endpoint(endpoint.as_ref(), state);
        self.hash_rotation(rotation.as_ref(), state);
        (public_key_fingerprint, previous_fingerprints).hash(state);
        observed_secrets.iter().for_each(|secret| (&secret.name, &secret.resource_version).hash(state));
        phone_numbers.iter().for_each(|number| self.hash_number(number, state));
        for condition in conditions {
            (&condition.type_, &condition.status, &condition.reason, condition.observed_generation).hash(state);
        }
    }

    fn hash_rotation<H: Hasher>(&self, rotation: Option<&RotationStatus>, state: &mut H) {
        let Some(rotation) = rotation else { return 0.hash(state) };
        let RotationStatus {
            phase,
            from,
            to,
            from_public_key,
            to_public_key,
            started_time: _,
            phase_start_time,
            canary_valid_time,
            until,
            stopped,
            last_handled_proceed_request,
            last_handled_abort_request,
        } = rotation;
        (phase, from, to, from_public_key.is_some(), to_public_key.is_some()).hash(state);
        self.age(phase_start_time.0).min(millis(LONGEST_PHASE) + SECOND).hash(state);
        (canary_valid_time.is_some(), until.as_ref().map(|until| self.due_in(until.0))).hash(state);
        (format!("{stopped:?}"), last_handled_proceed_request, last_handled_abort_request).hash(state);
    }

    fn hash_probing<H: Hasher>(&self, probing: &Probing, state: &mut H) {
        let Probing { proof, asked, failures, timer } = probing;
        (asked, (*failures).min(MOST_FAILURES), timer.map(|timer| self.due_in(timer))).hash(state);
        proof.is_some().hash(state);
        if let Some(proof) = proof {
            self.hash_proof(proof, state);
        }
    }

    fn hash_proof<H: Hasher>(&self, proof: &EndpointProof, state: &mut H) {
        let most = millis(Waits::default().before_key_is_lost());
        (proof.key.to_string(), proof.other_key.map(|key| key.to_string())).hash(state);
        for TargetProof { target: _, finding, other, unknown_key: _, refusals } in proof.targets() {
            (finding.outcome.is_proof(), other.map(|other| other.outcome.is_proof())).hash(state);
            for refusals in refusals {
                let age = |time: Timestamp| self.age(time).min(most + SECOND);
                let lasted = refusals.since.map(|since| millis(proof.at.duration_since(since).unsigned_abs()) >= most);
                (refusals.count.min(MOST_REFUSALS), refusals.since.map(age), lasted).hash(state);
            }
        }
    }

    fn hash_number<H: Hasher>(&self, number: &PhoneNumberStatus, state: &mut H) {
        let PhoneNumberStatus {
            phone_number_id,
            business_account_id: _,
            unlisted_since: _,
            state: number_state,
            signature_status,
            key_fingerprint,
            owned_since,
            last_read_time,
            next_attempt_time,
            failures,
            last_upload_time,
            uploaded_fingerprint,
            upload_attempts,
            replaced_times,
            last_transition_time: _,
            message: _,
            error,
        } = number;
        let age = |time: &Timestamp, most: i64| self.age(*time).min(most);
        (phone_number_id, number_state, signature_status, key_fingerprint, owned_since.is_some()).hash(state);
        // Beyond three intervals nothing is older than anything else.
        last_read_time.as_ref().map(|time| age(&time.0, millis(self.interval * 3) + 2 * SECOND)).hash(state);
        next_attempt_time.as_ref().map(|time| self.due_in(time.0)).hash(state);
        let attempts = (*upload_attempts).min(MOST_ATTEMPTS);
        // Without an attempt to wait for, an upload counts for the minute in which it may still be on its way.
        let most = if attempts > 0 { millis(Waits::default().after_upload(attempts)) } else { 60 * SECOND };
        last_upload_time.as_ref().map(|time| age(&time.0, most)).hash(state);
        (uploaded_fingerprint, attempts, (*failures).min(MOST_FAILURES)).hash(state);
        replaced_times.last().map(|time| age(&time.0, DAY)).hash(state);
        for pair in replaced_times.windows(2) {
            let gap = pair[1].0.duration_since(pair[0].0).as_millis();
            i64::try_from(gap).unwrap().min(DAY).hash(state);
        }
        error.as_ref().map(|error| (error.call, error.http_status)).hash(state);
    }
}

/// Times do not count.
fn hash_endpoint<H: Hasher>(endpoint: Option<&EndpointStatus>, state: &mut H) {
    let Some(endpoint) = endpoint else { return 0.hash(state) };
    let EndpointStatus {
        public_key_fingerprint,
        targets,
        opens_key_in_use,
        opens_new_key,
        recovers_clients,
        outcome,
        http_status,
        failing,
        last_probe_time: _,
    } = endpoint;
    (public_key_fingerprint, targets, opens_key_in_use, opens_new_key, recovers_clients).hash(state);
    (format!("{outcome:?}"), http_status).hash(state);
    failing.iter().for_each(|it| (&it.target, format!("{:?}", it.outcome)).hash(state));
}
