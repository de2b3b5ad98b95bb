//! Sequences of changes over every field of the spec and every Secret, each followed by a look at what came of it and by
//! the way back.

use std::time::{Duration, Instant};

use graph_emulator::{Emulator, Token, appsecret_proof};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::{FlowsEncryptionKeyStatus, ObservedSecret};

use crate::broken::upload;
use crate::job::{APP_SECRET, Job, NAME, NUMBERS};
use crate::model::{Content, EXPIRED, Expected, Input, NEW_PUBLIC, WRONG_APP_SECRET, WRONG_PASSPHRASE};
use crate::oracle::{Uploads, differences, plain_and_encoded, secrets, texts, told};
use crate::world::{TOKEN, World, condition_of, is_current};

/// Time for sequences of changes; more with `WAFLOWS_SPEC_SECONDS`.
const BUDGET_SECONDS: u64 = 20;
/// `WAFLOWS_SPEC_SEED` takes another.
const SEED: u64 = 20261122;
/// Worlds in which sequences run at once.
const WORLDS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);
const UNKNOWN: &str = "15550783881";

/// What the API server must say to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accepted,
    /// A rule of the schema is broken.
    Invalid,
    /// It is no value of the field's type, as a set with something twice is none: the API server then fails before it
    /// validates.
    Mistyped,
}

/// What the API server must say to it, a name, and the change.
type Change = (Verdict, &'static str, fn(&mut Input));

fn changes() -> Vec<Change> {
    [numbers(), references(), others(), contents()].concat()
}

fn many(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("20{n:013}")).collect()
}

fn numbers() -> Vec<Change> {
    use Verdict as V;
    vec![
        (V::Accepted, "one number", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[1]])),
        (V::Accepted, "another order", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[1], NUMBERS[0]])),
        (V::Accepted, "one more number", |i| i.spec["phoneNumberIds"] = json!(NUMBERS)),
        (V::Accepted, "an unknown number", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[0], UNKNOWN])),
        (V::Accepted, "20 digits", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[0], "12345678901234567890"])),
        (V::Accepted, "500 numbers", |i| i.spec["phoneNumberIds"] = json!(many(500))),
        (V::Invalid, "501 numbers", |i| i.spec["phoneNumberIds"] = json!(many(501))),
        (V::Invalid, "no numbers", |i| i.spec["phoneNumberIds"] = json!([])),
        (V::Mistyped, "a number twice", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[0], NUMBERS[0]])),
        (V::Invalid, "21 digits", |i| i.spec["phoneNumberIds"] = json!(["123456789012345678901"])),
        (V::Invalid, "an empty number", |i| i.spec["phoneNumberIds"] = json!([""])),
        (V::Invalid, "a telephone number", |i| i.spec["phoneNumberIds"] = json!(["+49 30 123"])),
        (V::Mistyped, "a number that is none to YAML", |i| i.spec["phoneNumberIds"] = json!([106540352242922_u64])),
    ]
}

fn remove(input: &mut Input, field: &str) {
    input.spec.as_object_mut().unwrap().remove(field);
}

/// Another field names the key.
fn key_from(input: &mut Input, field: &str, value: Value) {
    remove(input, "privateKeySecretRef");
    remove(input, "passphraseSecretRef");
    input.spec[field] = value;
}

fn references() -> Vec<Change> {
    use Verdict as V;
    vec![
        (V::Accepted, "another key", |i| i.spec["privateKeySecretRef"]["name"] = json!("other-key")),
        (V::Accepted, "a key as it is", |i| {
            i.spec["privateKeySecretRef"] = json!({"name": "other-key", "key": "plain.pem"})
        }),
        (V::Accepted, "an empty key", |i| i.spec["privateKeySecretRef"] = json!({"name": "other-key", "key": "empty"})),
        (V::Accepted, "a token for a key", |i| {
            i.spec["privateKeySecretRef"] = json!({"name": "meta-token", "key": "token"})
        }),
        (V::Accepted, "a certificate for a key", |i| {
            i.spec["privateKeySecretRef"] = json!({"name": "flows-tls", "key": "tls.crt"});
        }),
        (V::Accepted, "no such Secret", |i| i.spec["privateKeySecretRef"]["name"] = json!("a".repeat(253))),
        (V::Accepted, "no such key in it", |i| i.spec["privateKeySecretRef"]["key"] = json!("a".repeat(253))),
        (V::Invalid, "a name too long", |i| i.spec["privateKeySecretRef"]["name"] = json!("a".repeat(254))),
        (V::Invalid, "a name that is none", |i| i.spec["privateKeySecretRef"]["name"] = json!("Flows_Key")),
        (V::Invalid, "an empty name", |i| i.spec["privateKeySecretRef"]["name"] = json!("")),
        (V::Invalid, "a key name too long", |i| i.spec["privateKeySecretRef"]["key"] = json!("a".repeat(254))),
        (V::Invalid, "a key name that is none", |i| i.spec["privateKeySecretRef"]["key"] = json!("a/b")),
        (V::Invalid, "no key at all", |i| remove(i, "privateKeySecretRef")),
        (V::Accepted, "a certificate", |i| {
            key_from(i, "certificateSecretRef", json!({"name": "flows-tls", "key": "tls.crt"}))
        }),
        (V::Accepted, "a key for a certificate", |i| {
            key_from(i, "certificateSecretRef", json!({"name": "flows-key", "key": "private.pem"}));
        }),
        (V::Invalid, "a certificate and a key", |i| i.spec["certificateSecretRef"] = json!({"name": "a", "key": "b"})),
        (V::Accepted, "a public key", |i| key_from(i, "publicKey", json!(*NEW_PUBLIC))),
        (V::Accepted, "words for a public key", |i| key_from(i, "publicKey", json!("words"))),
        (V::Invalid, "an empty public key", |i| key_from(i, "publicKey", json!(""))),
        (V::Invalid, "a public key too long", |i| key_from(i, "publicKey", json!("a".repeat(4097)))),
        (V::Invalid, "a passphrase for a public key", |i| {
            remove(i, "privateKeySecretRef");
            i.spec["publicKey"] = json!(*NEW_PUBLIC);
        }),
        (V::Accepted, "a wrong passphrase", |i| i.spec["passphraseSecretRef"]["key"] = json!("wrong")),
        (V::Accepted, "no passphrase", |i| remove(i, "passphraseSecretRef")),
        (V::Accepted, "no Secret for the passphrase", |i| i.spec["passphraseSecretRef"]["name"] = json!("absent")),
        (V::Accepted, "an expired token", |i| i.spec["accessTokenSecretRef"]["key"] = json!("expired")),
        (V::Accepted, "words for a token", |i| i.spec["accessTokenSecretRef"]["key"] = json!("words")),
        (V::Accepted, "no Secret for the token", |i| i.spec["accessTokenSecretRef"]["name"] = json!("absent")),
        (V::Invalid, "no token", |i| remove(i, "accessTokenSecretRef")),
        (V::Accepted, "a wrong app secret", |i| i.spec["appSecretRef"]["key"] = json!("wrong")),
        (V::Accepted, "no app secret", |i| remove(i, "appSecretRef")),
        (V::Accepted, "no such app secret", |i| i.spec["appSecretRef"]["key"] = json!("absent")),
    ]
}

fn others() -> Vec<Change> {
    use Verdict as V;
    vec![
        (V::Accepted, "mode Observe", |i| i.spec["mode"] = json!("Observe")),
        (V::Accepted, "mode Enforce", |i| i.spec["mode"] = json!("Enforce")),
        (V::Invalid, "mode enforce", |i| i.spec["mode"] = json!("enforce")),
        (V::Accepted, "an interval of a minute", |i| i.spec["checkInterval"] = json!("1m")),
        (V::Accepted, "an interval in parts", |i| i.spec["checkInterval"] = json!("1h30m0.5s")),
        (V::Accepted, "the longest interval", |i| i.spec["checkInterval"] = json!("720h")),
        (V::Invalid, "an interval below a minute", |i| i.spec["checkInterval"] = json!("59s")),
        (V::Invalid, "an interval above 30 days", |i| i.spec["checkInterval"] = json!("721h")),
        (V::Invalid, "an interval of seven digits", |i| i.spec["checkInterval"] = json!("1000000h")),
        (V::Invalid, "an interval in days", |i| i.spec["checkInterval"] = json!("1d")),
        (V::Invalid, "an empty interval", |i| i.spec["checkInterval"] = json!("")),
        (V::Accepted, "suspended", |i| i.spec["suspend"] = json!(true)),
        (V::Accepted, "not suspended", |i| i.spec["suspend"] = json!(false)),
        (V::Mistyped, "suspended in words", |i| i.spec["suspend"] = json!("yes")),
    ]
}

fn put(input: &mut Input, secret: &'static str, key: &'static str, content: Content) {
    input.secrets.entry(secret).or_default().insert(key, content);
}

fn contents() -> Vec<Change> {
    use {Content as C, Verdict as V};
    vec![
        (V::Accepted, "the key is rotated", |i| put(i, "flows-key", "private.pem", C::NewEncrypted)),
        (V::Accepted, "the key loses its passphrase", |i| put(i, "flows-key", "private.pem", C::NewPlain)),
        (V::Accepted, "the key turns into words", |i| put(i, "flows-key", "private.pem", C::Words)),
        (V::Accepted, "the key is emptied", |i| put(i, "flows-key", "private.pem", C::Nothing)),
        (V::Accepted, "the key's Secret loses it", |i| drop(i.secrets.insert("flows-key", [].into()))),
        (V::Accepted, "the key's Secret is deleted", |i| drop(i.secrets.remove("flows-key"))),
        (V::Accepted, "the passphrase is wrong", |i| put(i, "flows-passphrase", "passphrase", C::WrongPassphrase)),
        (V::Accepted, "the token gets a newline", |i| put(i, "meta-token", "token", C::TokenAndNewline)),
        (V::Accepted, "the token expires", |i| put(i, "meta-token", "token", C::ExpiredToken)),
        (V::Accepted, "the token is emptied", |i| put(i, "meta-token", "token", C::Nothing)),
        (V::Accepted, "the token's Secret is deleted", |i| drop(i.secrets.remove("meta-token"))),
        (V::Accepted, "the app secret is wrong", |i| put(i, "meta-app", "secret", C::WrongAppSecret)),
        (V::Accepted, "the app secret's Secret is deleted", |i| drop(i.secrets.remove("meta-app"))),
    ]
}

/// A world in which changes are made, with what was last asked for and expected.
struct Run {
    job: Job,
    input: Input,
    expected: Expected,
    /// Uploads to each number so far: one whenever its key at Meta had to change, and none besides.
    uploads: Uploads,
}

impl Run {
    async fn new() -> Self {
        let job = Job::new().await;
        job.world.emulator.add_numbers(many(500));
        job.world.emulator.set_token(EXPIRED, Token { expired: true, ..Token::default() });
        let input = Input::base(&NUMBERS[..2]);
        let nothing = Input { spec: json!({}), secrets: [].into() };
        let mut run = Self { job, expected: Expected::nothing(&input), input: nothing, uploads: Uploads::new() };
        run.set(Verdict::Accepted, &input).await.unwrap();
        run
    }

    /// Makes the world's input this one, and looks at what comes of it.
    async fn set(&mut self, verdict: Verdict, input: &Input) -> Result<(), String> {
        for (name, data) in &input.secrets {
            if self.input.secrets.get(name) != Some(data) {
                self.apply_secret(name, data.iter().map(|(key, content)| (*key, *content))).await;
            }
        }
        for name in self.input.secrets.keys().filter(|name| !input.secrets.contains_key(*name)) {
            self.job.world.secrets().delete(name, &DeleteParams::default()).await.unwrap();
        }
        if self.input.spec != input.spec {
            let said = match self.job.world.apply(NAME, input.spec.clone()).await {
                Ok(_) => Verdict::Accepted,
                Err(kube::Error::Api(answer)) if answer.code == 422 => Verdict::Invalid,
                Err(kube::Error::Api(answer)) if matches!(answer.code, 400 | 500) => Verdict::Mistyped,
                Err(error) => return Err(error.to_string()),
            };
            if said != verdict {
                return Err(format!("{verdict:?} to the API server, which says {said:?}"));
            }
            if said != Verdict::Accepted {
                return Ok(());
            }
        }
        self.input = input.clone();
        let emulator = &self.job.world.emulator;
        let expected = self.expected.after(input, |id| emulator.number(id).is_some());
        let gets_a_key = |id: &String| self.expected.at_meta.get(id) != expected.at_meta.get(id);
        for id in expected.at_meta.keys().filter(|id| gets_a_key(id)) {
            *self.uploads.entry(id.clone()).or_default() += 1;
        }
        self.expected = expected;
        self.converged().await
    }

    async fn apply_secret(&self, name: &str, data: impl Iterator<Item = (&'static str, Content)>) {
        let data: std::collections::BTreeMap<_, _> =
            data.map(|(key, content)| (key.to_owned(), k8s_openapi::ByteString(content.bytes()))).collect();
        let metadata = kube::api::ObjectMeta { name: Some(name.to_owned()), ..Default::default() };
        let secret = Secret { data: Some(data), metadata, ..Secret::default() };
        let parameters = PatchParams::apply("gitops");
        self.job.world.secrets().patch(name, &parameters, &Patch::Apply(&secret)).await.unwrap();
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

    /// What is not as the model has it.
    async fn complaint(&self) -> Option<String> {
        let resource = self.job.world.resources().get(NAME).await.unwrap();
        let (ready, reason, message) = condition_of(&resource, ConditionType::Ready);
        let Expected { ready: wanted, reasons, at_meta, .. } = &self.expected;
        if !is_current(&resource) || ready != *wanted || !reasons.contains(&reason) {
            return Some(format!("Ready should be {wanted} for {reasons:?}, is {ready} for {reason}: {message}"));
        }
        let secrets = self.job.world.secrets().list(&ListParams::default()).await.unwrap().items;
        let version = |name: &str| secrets.iter().find(|secret| secret.metadata.name.as_deref() == Some(name));
        let is_current = |seen: &ObservedSecret| {
            version(&seen.name).and_then(|s| s.metadata.resource_version.as_ref()) == Some(&seen.resource_version)
        };
        let seen = resource.status.iter().flat_map(|status| &status.observed_secrets);
        if let Some(old) = seen.filter(|_| !self.input.is_suspended()).find(|seen| !is_current(seen)) {
            return Some(format!("{} was changed and not looked at again", old.name));
        }
        for number in self.job.world.emulator.numbers() {
            let (fingerprint, status) = self.job.world.at_meta(&number);
            let is_right = fingerprint.as_ref() == at_meta.get(&*number);
            if !is_right || (fingerprint.is_some() && status.as_deref() != Some("VALID")) {
                return Some(format!(
                    "{number} holds {fingerprint:?}, {status:?}; expected {:?}",
                    at_meta.get(&*number)
                ));
            }
        }
        let uploads = uploads_tried(&self.job.world.emulator);
        if uploads != self.uploads {
            return Some(format!("uploads: expected {:?}, found {uploads:?}", self.uploads));
        }
        resource.status.as_ref().and_then(|status| self.complaint_of_status(status))
    }

    /// What is not as it should be in a status whose conditions are.
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

/// Uploads to each number, whatever became of them.
fn uploads_tried(emulator: &Emulator) -> Uploads {
    let calls = emulator.calls_by_id().into_iter().filter(|(_, calls)| calls.uploads > 0);
    calls.map(|(id, calls)| (id, usize::try_from(calls.uploads).unwrap())).collect()
}

fn variable(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_has_its_effect_and_its_way_back() {
    let seed = variable("WAFLOWS_SPEC_SEED", SEED);
    let budget = Duration::from_secs(variable("WAFLOWS_SPEC_SECONDS", BUDGET_SECONDS));
    let worlds = (0..WORLDS).map(|world| tokio::spawn(sequences(seed, world, budget)));
    let ended = futures::future::join_all(worlds).await;
    let (mut steps, mut failures) = (0, Vec::new());
    for result in ended {
        match result.unwrap_or_else(|panic| Err(panic.to_string())) {
            Ok(count) => steps += count,
            Err(failure) => failures.push(failure),
        }
    }
    println!("seed {seed}: {steps} steps, {} changes", changes().len());
    assert!(failures.is_empty(), "WAFLOWS_SPEC_SEED={seed}\n{}", failures.join("\n"));
}

/// Every change of this world's share alone, then pairs at random until the time is over. Returns the number of steps.
async fn sequences(seed: u64, world: usize, budget: Duration) -> Result<usize, String> {
    let mut random = fastrand::Rng::with_seed(seed + world as u64);
    let all = changes();
    let mut own: Vec<_> = all.iter().skip(world).step_by(WORLDS).collect();
    random.shuffle(&mut own);
    let mut run = Run::new().await;
    let end = Instant::now() + budget;
    let before = run.job.state().await;
    let mut steps = 0;
    for change in own {
        steps += sequence(&mut run, &[change]).await?;
        same_as_before(&run, &before, change.1).await?;
    }
    let allowed: Vec<_> = all.iter().filter(|change| change.0 == Verdict::Accepted).collect();
    while Instant::now() < end {
        let pair = [0, 0].map(|_| allowed[random.usize(..allowed.len())]);
        steps += sequence(&mut run, &pair).await?;
        same_as_before(&run, &before, pair[1].1).await?;
    }
    told(&texts(&run.job.world).await, &all_secrets()).map_or(Ok(steps), Err)
}

/// Those of every run, and those that are wrong: a person may have mixed up two systems.
fn all_secrets() -> Vec<String> {
    let proofs = [(TOKEN, WRONG_APP_SECRET), (EXPIRED, APP_SECRET), (EXPIRED, WRONG_APP_SECRET)]
        .map(|(token, secret)| appsecret_proof(token, secret));
    let wrong = [EXPIRED, WRONG_PASSPHRASE, WRONG_APP_SECRET].map(str::to_owned);
    [secrets(), plain_and_encoded(wrong.into_iter().chain(proofs))].concat()
}

/// Makes the changes one after the other, and takes them back in turn.
async fn sequence(run: &mut Run, changes: &[&Change]) -> Result<usize, String> {
    let names: Vec<_> = changes.iter().map(|change| change.1).collect();
    let mut inputs = vec![run.input.clone()];
    let mut way = Vec::new();
    for (verdict, _, change) in changes {
        let mut input = inputs.last().unwrap().clone();
        change(&mut input);
        // Two changes, each of which is allowed, need not be so together.
        let verdict = if input.is_valid() { *verdict } else { Verdict::Invalid };
        way.push((verdict, input.clone()));
        inputs.push(input);
    }
    inputs.pop();
    way.extend(inputs.into_iter().rev().map(|input| (Verdict::Accepted, input)));
    let count = way.len();
    for (step, (verdict, input)) in way.into_iter().enumerate() {
        let done = run.set(verdict, &input).await;
        done.map_err(|error| format!("{names:?}, step {step}: {error}\nlog:\n{}", run.job.world.operator.log()))?;
    }
    Ok(count)
}

/// The state is that of the beginning, but for the memory of earlier keys.
async fn same_as_before(run: &Run, before: &Value, after: &str) -> Result<(), String> {
    let begun = Instant::now();
    let kept = |mut state: Value| {
        state["status"]["previousFingerprints"] = Value::Null;
        state["atMeta"] = Value::Null;
        state
    };
    loop {
        match differences(&kept(before.clone()), &kept(run.job.state().await)) {
            None => return Ok(()),
            Some(differences) if begun.elapsed() > PATIENCE => return Err(format!("after {after}: {differences}")),
            Some(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_model_is_seen_to_disagree() {
    let mut run = Run::new().await;
    assert_eq!(run.complaint().await, None);
    let world = &run.job.world;
    // From now on this test does the operator's work, wrongly.
    world.operator.signal("STOP");
    let key = world.emulator.number(NUMBERS[0]).unwrap().settings.public_key.unwrap();

    world.emulator.lose_signature(NUMBERS[0]).unwrap();
    assert!(run.complaint().await.unwrap().contains("MISMATCH"), "what is only in the status is on no number");
    world.emulator.set_foreign_key(NUMBERS[0], &key).unwrap();
    world.emulator.set_foreign_key(NUMBERS[2], &key).unwrap();
    assert!(run.complaint().await.unwrap().contains(NUMBERS[2]), "a key on a number that is not listed");
    world.emulator.drop_key(NUMBERS[2]).unwrap();
    assert_eq!(run.complaint().await, None);

    let good = world.resources().get(NAME).await.unwrap().status.unwrap();
    let mut turned = good.clone();
    turned.phone_numbers.reverse();
    store(world, &turned).await;
    assert!(run.complaint().await.unwrap().contains("order"), "numbers in another order");
    let mut early = good.clone();
    early.next_check_time = early.last_check_time.clone();
    store(world, &early).await;
    assert!(run.complaint().await.unwrap().contains("next check"), "a check too early");
    let mut careless = good.clone();
    careless.observed_secrets[0].resource_version = "1".to_owned();
    store(world, &careless).await;
    assert!(run.complaint().await.unwrap().contains("not looked at again"), "a Secret of long ago");
    let mut wrong = good.clone();
    wrong.conditions[0].reason = "DriftObserved".to_owned();
    store(world, &wrong).await;
    assert!(run.complaint().await.unwrap().contains("DriftObserved"), "a wrong reason");
    store(world, &good).await;
    assert_eq!(run.complaint().await, None);

    // The same key once more: Meta is as it was.
    upload(&run.job, NUMBERS[0], &key).await;
    assert!(run.complaint().await.unwrap().contains("uploads"), "an upload that nothing called for");
    *run.uploads.get_mut(NUMBERS[0]).unwrap() += 1;
    assert_eq!(run.complaint().await, None);

    assert!(run.set(Verdict::Accepted, &changed(&run.input, "no numbers")).await.unwrap_err().contains("Invalid"));
    let unquoted = changed(&run.input, "a number that is none to YAML");
    assert!(run.set(Verdict::Invalid, &unquoted).await.unwrap_err().contains("Mistyped"));
    let accepted = changed(&run.input, "one number");
    assert!(run.set(Verdict::Invalid, &accepted).await.unwrap_err().contains("Accepted"));
    assert!(run.complaint().await.unwrap().contains("Ready"), "a change that nobody looks at");
}

/// The input after the change of this name.
fn changed(input: &Input, name: &str) -> Input {
    let mut input = input.clone();
    let (.., change) = changes().into_iter().find(|change| change.1 == name).unwrap();
    change(&mut input);
    input
}

async fn store(world: &World, status: &FlowsEncryptionKeyStatus) {
    let body = json!({"status": status});
    world.resources().patch_status(NAME, &PatchParams::default(), &Patch::Merge(body)).await.unwrap();
}
