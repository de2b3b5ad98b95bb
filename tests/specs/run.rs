//! A world in which changes are made.

use std::time::{Duration, Instant};

use graph_emulator::{Emulator, Token};
use harness::objects::typed_secret;
use harness::state::Uploads;
use harness::storefront::{FLAGS, NAME, NUMBERS, want_proof};
use harness::wait::PATIENCE;
use harness::{World, condition_of, is_current};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::{FlowsEncryptionKeyStatus, ObservedSecret};

use crate::changes::{Admission, many};
use crate::model::{Content, EXPIRED, Expected, Input};

/// A world in which changes are made, with what was last asked for and expected.
pub(crate) struct Run {
    pub(crate) world: World,
    pub(crate) input: Input,
    expected: Expected,
    /// Uploads to each number so far: one whenever its key at Meta had to change, and no others.
    pub(crate) uploads: Uploads,
}

impl Run {
    /// With what [`Input::base`] says.
    pub(crate) async fn new() -> Self {
        let world = World::with_flags(crate::OPERATOR, &NUMBERS, &FLAGS).await;
        want_proof(&world.emulator);
        world.emulator.add_numbers(many(500));
        world.emulator.set_token(EXPIRED, Token { expired: true, ..Token::default() });
        let input = Input::base(&NUMBERS[..2]);
        let nothing = Input { spec: json!({}), secrets: [].into() };
        let mut run = Self { world, expected: Expected::nothing(&input), input: nothing, uploads: Uploads::new() };
        run.set(Admission::Accepted, &input).await.unwrap();
        run
    }

    /// Gives the world this input, and checks the result.
    pub(crate) async fn set(&mut self, verdict: Admission, input: &Input) -> Result<(), String> {
        for (name, data) in &input.secrets {
            if self.input.secrets.get(name) != Some(data) {
                self.apply_secret(name, data.iter().map(|(key, content)| (*key, *content))).await;
            }
        }
        for name in self.input.secrets.keys().filter(|name| !input.secrets.contains_key(*name)) {
            self.world.secrets().delete(name, &DeleteParams::default()).await.unwrap();
        }
        if self.input.spec != input.spec {
            let said = match self.world.apply(NAME, input.spec.clone()).await {
                Ok(_) => Admission::Accepted,
                Err(kube::Error::Api(answer)) if answer.code == 422 => Admission::Invalid,
                Err(kube::Error::Api(answer)) if matches!(answer.code, 400 | 500) => Admission::Mistyped,
                Err(error) => return Err(error.to_string()),
            };
            if said != verdict {
                return Err(format!("{verdict:?} to the API server, which says {said:?}"));
            }
            if said != Admission::Accepted {
                return Ok(());
            }
        }
        self.input = input.clone();
        let emulator = &self.world.emulator;
        let expected = self.expected.after(input, |id| emulator.number(id).is_some());
        let gets_a_key = |id: &String| self.expected.at_meta.get(id) != expected.at_meta.get(id);
        for id in expected.at_meta.keys().filter(|id| gets_a_key(id)) {
            *self.uploads.entry(id.clone()).or_default() += 1;
        }
        self.expected = expected;
        self.converged().await
    }

    async fn apply_secret(&self, name: &str, data: impl Iterator<Item = (&'static str, Content)>) {
        let secret = typed_secret(name, data.map(|(key, content)| (key.to_owned(), content.bytes())));
        let parameters = PatchParams::apply("gitops");
        self.world.secrets().patch(name, &parameters, &Patch::Apply(&secret)).await.unwrap();
    }

    async fn converged(&self) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            match self.complaint().await {
                None => return Ok(()),
                Some(complaint) if begun.elapsed() > PATIENCE => return Err(complaint),
                Some(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// What differs from the model.
    pub(crate) async fn complaint(&self) -> Option<String> {
        let resource = self.world.resources().get(NAME).await.unwrap();
        let (ready, reason, message) = condition_of(&resource, ConditionType::Ready);
        let Expected { ready: wanted, reasons, at_meta, .. } = &self.expected;
        if !is_current(&resource) || ready != *wanted || !reasons.contains(&reason) {
            return Some(format!("Ready should be {wanted} for {reasons:?}, is {ready} for {reason}: {message}"));
        }
        let secrets = self.world.secrets().list(&ListParams::default()).await.unwrap().items;
        let version = |name: &str| secrets.iter().find(|secret| secret.metadata.name.as_deref() == Some(name));
        let is_current = |seen: &ObservedSecret| {
            version(&seen.name).and_then(|s| s.metadata.resource_version.as_ref()) == Some(&seen.resource_version)
        };
        let seen = resource.status.iter().flat_map(|status| &status.observed_secrets);
        if let Some(old) = seen.filter(|_| !self.input.is_suspended()).find(|seen| !is_current(seen)) {
            return Some(format!("{} was changed and not looked at again", old.name));
        }
        for number in self.world.emulator.numbers() {
            let (fingerprint, status) = self.world.at_meta(&number);
            let is_right = fingerprint.as_ref() == at_meta.get(&*number);
            if !is_right || (fingerprint.is_some() && status.as_deref() != Some("VALID")) {
                return Some(format!(
                    "{number} holds {fingerprint:?}, {status:?}; expected {:?}",
                    at_meta.get(&*number)
                ));
            }
        }
        let uploads = uploads_tried(&self.world.emulator);
        if uploads != self.uploads {
            return Some(format!("uploads: expected {:?}, found {uploads:?}", self.uploads));
        }
        resource.status.as_ref().and_then(|status| self.complaint_of_status(status))
    }

    /// What is wrong in a status whose conditions are right.
    fn complaint_of_status(&self, status: &FlowsEncryptionKeyStatus) -> Option<String> {
        if self.input.is_suspended() {
            // It stays as it was.
            return None;
        }
        let ids: Vec<_> = status.phone_numbers.iter().map(|number| number.phone_number_id.clone()).collect();
        if ids != self.input.numbers() {
            return Some(format!("numbers in the order {ids:?}, not in that of the spec"));
        }
        if self.expected.ready != "True" {
            // Something is tried again before the next check.
            return None;
        }
        let reads = status.phone_numbers.iter().map(|number| number.last_read_time.as_ref().map(|time| time.0));
        let (Some(read), Some(next)) = (reads.min().flatten(), &status.next_check_time) else {
            return Some("no check has been, or none is to come".to_owned());
        };
        let (wait, interval) = (next.0.duration_since(read).as_secs_f64(), self.input.interval());
        // A tenth of the interval spreads checks out. Stored times are whole seconds.
        let is_right = (interval - 1.0..=interval * 1.1 + 1.0).contains(&wait);
        (!is_right).then(|| format!("the next check {wait} s after the last, with an interval of {interval} s"))
    }
}

/// Uploads to each number, successful or not.
fn uploads_tried(emulator: &Emulator) -> Uploads {
    let calls = emulator.calls_by_id().into_iter().filter(|(_, calls)| calls.uploads > 0);
    calls.map(|(id, calls)| (id, usize::try_from(calls.uploads).unwrap())).collect()
}
