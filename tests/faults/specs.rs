//! Sequences of changes over every field of the spec and every Secret, each followed by a look at what came of it and by
//! the way back.

use std::time::{Duration, Instant};

use graph_emulator::Token;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use waflows_operator::conditions::ConditionType;
use waflows_operator::crd::ObservedSecret;

use crate::job::{Job, NAME, NUMBERS};
use crate::model::{Content, EXPIRED, Expected, Input, NEW_PUBLIC};
use crate::oracle::{differences, secrets, texts, told};
use crate::world::{condition_of, is_current};

/// Time for sequences of changes; more with `WAFLOWS_SPEC_SECONDS`.
const BUDGET_SECONDS: u64 = 20;
/// `WAFLOWS_SPEC_SEED` takes another.
const SEED: u64 = 20261122;
/// Worlds in which sequences run at once.
const WORLDS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);
const UNKNOWN: &str = "15550783881";

/// Whether the API server must accept it, a name, and the change.
type Change = (bool, &'static str, fn(&mut Input));

fn changes() -> Vec<Change> {
    [numbers(), references(), others(), contents()].concat()
}

fn many(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("20{n:013}")).collect()
}

fn numbers() -> Vec<Change> {
    vec![
        (true, "one number", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[1]])),
        (true, "another order", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[1], NUMBERS[0]])),
        (true, "one more number", |i| i.spec["phoneNumberIds"] = json!(NUMBERS)),
        (true, "an unknown number", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[0], UNKNOWN])),
        (true, "20 digits", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[0], "12345678901234567890"])),
        (true, "500 numbers", |i| i.spec["phoneNumberIds"] = json!(many(500))),
        (false, "501 numbers", |i| i.spec["phoneNumberIds"] = json!(many(501))),
        (false, "no numbers", |i| i.spec["phoneNumberIds"] = json!([])),
        (false, "a number twice", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[0], NUMBERS[0]])),
        (false, "21 digits", |i| i.spec["phoneNumberIds"] = json!(["123456789012345678901"])),
        (false, "an empty number", |i| i.spec["phoneNumberIds"] = json!([""])),
        (false, "a telephone number", |i| i.spec["phoneNumberIds"] = json!(["+49 30 123"])),
        (false, "a number that is none to YAML", |i| i.spec["phoneNumberIds"] = json!([106540352242922_u64])),
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
    vec![
        (true, "another key", |i| i.spec["privateKeySecretRef"]["name"] = json!("other-key")),
        (true, "a key as it is", |i| i.spec["privateKeySecretRef"] = json!({"name": "other-key", "key": "plain.pem"})),
        (true, "an empty key", |i| i.spec["privateKeySecretRef"] = json!({"name": "other-key", "key": "empty"})),
        (true, "a token for a key", |i| i.spec["privateKeySecretRef"] = json!({"name": "meta-token", "key": "token"})),
        (true, "a certificate for a key", |i| {
            i.spec["privateKeySecretRef"] = json!({"name": "flows-tls", "key": "tls.crt"});
        }),
        (true, "no such Secret", |i| i.spec["privateKeySecretRef"]["name"] = json!("a".repeat(253))),
        (true, "no such key in it", |i| i.spec["privateKeySecretRef"]["key"] = json!("a".repeat(253))),
        (false, "a name too long", |i| i.spec["privateKeySecretRef"]["name"] = json!("a".repeat(254))),
        (false, "a name that is none", |i| i.spec["privateKeySecretRef"]["name"] = json!("Flows_Key")),
        (false, "an empty name", |i| i.spec["privateKeySecretRef"]["name"] = json!("")),
        (false, "a key name too long", |i| i.spec["privateKeySecretRef"]["key"] = json!("a".repeat(254))),
        (false, "a key name that is none", |i| i.spec["privateKeySecretRef"]["key"] = json!("a/b")),
        (false, "no key at all", |i| remove(i, "privateKeySecretRef")),
        (true, "a certificate", |i| {
            key_from(i, "certificateSecretRef", json!({"name": "flows-tls", "key": "tls.crt"}))
        }),
        (true, "a key for a certificate", |i| {
            key_from(i, "certificateSecretRef", json!({"name": "flows-key", "key": "private.pem"}));
        }),
        (false, "a certificate and a key", |i| i.spec["certificateSecretRef"] = json!({"name": "a", "key": "b"})),
        (true, "a public key", |i| key_from(i, "publicKey", json!(*NEW_PUBLIC))),
        (true, "words for a public key", |i| key_from(i, "publicKey", json!("words"))),
        (false, "an empty public key", |i| key_from(i, "publicKey", json!(""))),
        (false, "a public key too long", |i| key_from(i, "publicKey", json!("a".repeat(4097)))),
        (false, "a passphrase for a public key", |i| {
            remove(i, "privateKeySecretRef");
            i.spec["publicKey"] = json!(*NEW_PUBLIC);
        }),
        (true, "a wrong passphrase", |i| i.spec["passphraseSecretRef"]["key"] = json!("wrong")),
        (true, "no passphrase", |i| remove(i, "passphraseSecretRef")),
        (true, "no Secret for the passphrase", |i| i.spec["passphraseSecretRef"]["name"] = json!("absent")),
        (true, "an expired token", |i| i.spec["accessTokenSecretRef"]["key"] = json!("expired")),
        (true, "words for a token", |i| i.spec["accessTokenSecretRef"]["key"] = json!("words")),
        (true, "no Secret for the token", |i| i.spec["accessTokenSecretRef"]["name"] = json!("absent")),
        (false, "no token", |i| remove(i, "accessTokenSecretRef")),
        (true, "a wrong app secret", |i| i.spec["appSecretRef"]["key"] = json!("wrong")),
        (true, "no app secret", |i| remove(i, "appSecretRef")),
        (true, "no such app secret", |i| i.spec["appSecretRef"]["key"] = json!("absent")),
    ]
}

fn others() -> Vec<Change> {
    vec![
        (true, "mode Observe", |i| i.spec["mode"] = json!("Observe")),
        (true, "mode Enforce", |i| i.spec["mode"] = json!("Enforce")),
        (false, "mode enforce", |i| i.spec["mode"] = json!("enforce")),
        (true, "an interval of a minute", |i| i.spec["checkInterval"] = json!("1m")),
        (true, "an interval in parts", |i| i.spec["checkInterval"] = json!("1h30m0.5s")),
        (true, "the longest interval", |i| i.spec["checkInterval"] = json!("999999h")),
        (false, "an interval below a minute", |i| i.spec["checkInterval"] = json!("59s")),
        (false, "an interval of seven digits", |i| i.spec["checkInterval"] = json!("1000000h")),
        (false, "an interval in days", |i| i.spec["checkInterval"] = json!("1d")),
        (false, "an empty interval", |i| i.spec["checkInterval"] = json!("")),
        (true, "suspended", |i| i.spec["suspend"] = json!(true)),
        (true, "not suspended", |i| i.spec["suspend"] = json!(false)),
        (false, "suspended in words", |i| i.spec["suspend"] = json!("yes")),
    ]
}

fn put(input: &mut Input, secret: &'static str, key: &'static str, content: Content) {
    input.secrets.entry(secret).or_default().insert(key, content);
}

fn contents() -> Vec<Change> {
    use Content as C;
    vec![
        (true, "the key is rotated", |i| put(i, "flows-key", "private.pem", C::NewEncrypted)),
        (true, "the key loses its passphrase", |i| put(i, "flows-key", "private.pem", C::NewPlain)),
        (true, "the key turns into words", |i| put(i, "flows-key", "private.pem", C::Words)),
        (true, "the key is emptied", |i| put(i, "flows-key", "private.pem", C::Nothing)),
        (true, "the key's Secret loses it", |i| i.secrets.get_mut("flows-key").unwrap().clear()),
        (true, "the key's Secret is deleted", |i| drop(i.secrets.remove("flows-key"))),
        (true, "the passphrase is wrong", |i| put(i, "flows-passphrase", "passphrase", C::WrongPassphrase)),
        (true, "the token gets a newline", |i| put(i, "meta-token", "token", C::TokenAndNewline)),
        (true, "the token expires", |i| put(i, "meta-token", "token", C::ExpiredToken)),
        (true, "the token is emptied", |i| put(i, "meta-token", "token", C::Nothing)),
        (true, "the token's Secret is deleted", |i| drop(i.secrets.remove("meta-token"))),
        (true, "the app secret is wrong", |i| put(i, "meta-app", "secret", C::WrongAppSecret)),
        (true, "the app secret's Secret is deleted", |i| drop(i.secrets.remove("meta-app"))),
    ]
}

/// A world in which changes are made, with what was last asked for and expected.
struct Run {
    job: Job,
    input: Input,
    expected: Expected,
}

impl Run {
    async fn new() -> Self {
        let job = Job::new().await;
        job.world.emulator.add_numbers(many(500));
        job.world.emulator.set_token(EXPIRED, Token { expired: true, ..Token::default() });
        let input = Input::base(&NUMBERS[..2]);
        let mut run =
            Self { job, expected: Expected::nothing(&input), input: Input { spec: json!({}), secrets: [].into() } };
        run.set(true, &input).await.unwrap();
        run
    }

    /// Makes the world's input this one, and looks at what comes of it.
    async fn set(&mut self, is_allowed: bool, input: &Input) -> Result<(), String> {
        for (name, data) in &input.secrets {
            if self.input.secrets.get(name) != Some(data) {
                self.apply_secret(name, data.iter().map(|(key, content)| (*key, *content))).await;
            }
        }
        for name in self.input.secrets.keys().filter(|name| !input.secrets.contains_key(*name)) {
            self.job.world.secrets().delete(name, &DeleteParams::default()).await.unwrap();
        }
        if self.input.spec != input.spec {
            match (self.job.world.apply(NAME, input.spec.clone()).await, is_allowed) {
                (Ok(_), true) => {}
                (Err(kube::Error::Api(answer)), false)
                    if answer.code == 422 || answer.code == 400 || answer.code == 500 =>
                {
                    return Ok(());
                }
                (answer, _) => return Err(format!("the API server must accept it: {is_allowed}, but {answer:?}")),
            }
        }
        self.input = input.clone();
        let emulator = &self.job.world.emulator;
        self.expected = self.expected.after(input, |id| emulator.number(id).is_some());
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
        None
    }
}

fn variable(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_has_its_effect_and_its_way_back() {
    let seed = variable("WAFLOWS_SPEC_SEED", SEED);
    let end = Instant::now() + Duration::from_secs(variable("WAFLOWS_SPEC_SECONDS", BUDGET_SECONDS));
    let worlds = (0..WORLDS).map(|world| tokio::spawn(sequences(seed, world, end)));
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
async fn sequences(seed: u64, world: usize, end: Instant) -> Result<usize, String> {
    let mut random = fastrand::Rng::with_seed(seed + world as u64);
    let all = changes();
    let mut own: Vec<_> = all.iter().skip(world).step_by(WORLDS).collect();
    random.shuffle(&mut own);
    let mut run = Run::new().await;
    let before = run.job.state().await;
    let mut steps = 0;
    for change in own {
        steps += sequence(&mut run, &[change]).await?;
        same_as_before(&run, &before, change.1).await?;
    }
    let allowed: Vec<_> = all.iter().filter(|change| change.0).collect();
    while Instant::now() < end {
        let pair = [0, 0].map(|_| allowed[random.usize(..allowed.len())]);
        steps += sequence(&mut run, &pair).await?;
        same_as_before(&run, &before, pair[1].1).await?;
    }
    told(&texts(&run.job.world).await, &secrets()).map_or(Ok(steps), Err)
}

/// Makes the changes one after the other, and takes them back in turn.
async fn sequence(run: &mut Run, changes: &[&Change]) -> Result<usize, String> {
    let names: Vec<_> = changes.iter().map(|change| change.1).collect();
    let mut inputs = vec![run.input.clone()];
    let mut way = Vec::new();
    for (is_allowed, _, change) in changes {
        let mut input = inputs.last().unwrap().clone();
        change(&mut input);
        way.push((*is_allowed, input.clone()));
        inputs.push(input);
    }
    inputs.pop();
    way.extend(inputs.into_iter().rev().map(|input| (true, input)));
    let count = way.len();
    for (step, (is_allowed, input)) in way.into_iter().enumerate() {
        let done = run.set(is_allowed, &input).await;
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
    // An operator that stands still does nothing of this.
    run.job.world.operator.signal("STOP");
    for (is_allowed, name, change) in changes() {
        let mut input = run.input.clone();
        change(&mut input);
        let expected = run.expected.after(&input, |id| run.job.world.emulator.number(id).is_some());
        if !is_allowed || (expected.ready, &expected.at_meta) == (run.expected.ready, &run.expected.at_meta) {
            continue;
        }
        let former = std::mem::replace(&mut run.expected, expected);
        assert!(run.complaint().await.is_some(), "{name}");
        run.expected = former;
    }
    // And a key that is only in the status is no key on a number.
    run.job.world.emulator.lose_signature(NUMBERS[0]).unwrap();
    assert!(run.complaint().await.unwrap().contains("MISMATCH"));
}
