//! What must follow from a spec and its Secrets. The model is written from docs/reference.md and docs/conditions.md,
//! and shares no code with the operator.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use harness::TOKEN;
use harness::storefront::{self, APP_SECRET, NEW, OLD, PASSPHRASE};
use serde_json::{Value, json};

/// A token that Meta refuses.
pub(crate) const EXPIRED: &str = "EAAExpiredTokenOfTheTests0123456789";
/// A passphrase that opens no key.
pub(crate) const WRONG_PASSPHRASE: &str = "wrong horse staple";
/// An app secret of another app.
pub(crate) const WRONG_APP_SECRET: &str = "5d0f6a1b9c3e7284a0d1f2b3c4e59687";

/// The value of an entry of a Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// The old key, encrypted.
    OldEncrypted,
    /// The new key, encrypted.
    NewEncrypted,
    /// The new key as it is.
    NewPlain,
    /// A certificate of the old key.
    OldCertificate,
    Passphrase,
    WrongPassphrase,
    Token,
    TokenAndNewline,
    ExpiredToken,
    AppSecret,
    WrongAppSecret,
    Words,
    Nothing,
}

impl Content {
    pub(crate) fn bytes(self) -> Vec<u8> {
        match self {
            Self::OldEncrypted => OLD.pem.clone().into_bytes(),
            Self::NewEncrypted => NEW.pem.clone().into_bytes(),
            Self::NewPlain => NEW.plain.private_pem.clone().into_bytes(),
            Self::OldCertificate => OLD_CERTIFICATE.clone().into_bytes(),
            Self::Passphrase => PASSPHRASE.into(),
            Self::WrongPassphrase => WRONG_PASSPHRASE.into(),
            Self::Token => TOKEN.into(),
            Self::TokenAndNewline => format!("{TOKEN}\n").into(),
            Self::ExpiredToken => EXPIRED.into(),
            Self::AppSecret => APP_SECRET.into(),
            Self::WrongAppSecret => WRONG_APP_SECRET.into(),
            Self::Words => b"not a key".to_vec(),
            Self::Nothing => Vec::new(),
        }
    }
}

/// All that a user sets: the spec, and Secrets by name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Input {
    pub(crate) spec: Value,
    pub(crate) secrets: BTreeMap<&'static str, BTreeMap<&'static str, Content>>,
}

impl Input {
    /// Two numbers with the old key. There are more Secrets, which changes can refer to.
    pub(crate) fn base(numbers: &[&str]) -> Self {
        use Content as C;
        let secrets = [
            ("flows-key", vec![("private.pem", C::OldEncrypted)]),
            ("flows-passphrase", vec![("passphrase", C::Passphrase), ("wrong", C::WrongPassphrase)]),
            ("flows-tls", vec![("tls.crt", C::OldCertificate)]),
            ("meta-app", vec![("secret", C::AppSecret), ("wrong", C::WrongAppSecret)]),
            ("meta-token", vec![("token", C::Token), ("expired", C::ExpiredToken), ("words", C::Words)]),
            ("other-key", vec![("private.pem", C::NewEncrypted), ("plain.pem", C::NewPlain), ("empty", C::Nothing)]),
        ];
        let secrets = secrets.into_iter().map(|(name, data)| (name, data.into_iter().collect())).collect();
        Self { spec: storefront::spec(numbers), secrets }
    }

    pub(crate) fn numbers(&self) -> Vec<String> {
        let ids = self.spec["phoneNumberIds"].as_array().into_iter().flatten();
        ids.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.spec["suspend"] == json!(true)
    }

    /// How often Meta is asked, in seconds.
    pub(crate) fn interval(&self) -> f64 {
        const HOUR: f64 = 3600.0;
        match self.spec["checkInterval"].as_str() {
            None => HOUR,
            Some("1m") => 60.0,
            Some("1h30m0.5s") => 1.5 * HOUR + 0.5,
            Some("720h") => 720.0 * HOUR,
            Some(other) => panic!("the model knows no interval {other}"),
        }
    }

    /// Whether the fields are allowed beside each other: one source of the key, a passphrase for a private key only,
    /// and references that name a Secret and a key in it.
    pub(crate) fn is_valid(&self) -> bool {
        let has = |field: &&str| !self.spec[field].is_null();
        let sources = ["privateKeySecretRef", "certificateSecretRef", "publicKey"];
        let references = self.spec.as_object().into_iter().flatten().filter(|(field, _)| field.ends_with("Ref"));
        sources.iter().filter(|source| has(source)).count() == 1
            && (!has(&"passphraseSecretRef") || has(&"privateKeySecretRef"))
            && references.map(|(_, reference)| reference).all(|to| to["name"].is_string() && to["key"].is_string())
    }

    fn observes(&self) -> bool {
        self.spec["mode"] == json!("Observe")
    }

    /// The value that a reference of the spec leads to, or why it leads nowhere.
    fn value(&self, field: &str) -> Result<Content, &'static str> {
        let part = |name: &str| self.spec[field][name].as_str().unwrap_or_default();
        let data = self.secrets.get(part("name")).ok_or("SecretNotFound")?;
        data.get(part("key")).copied().ok_or("SecretKeyNotFound")
    }

    /// The fingerprint of the key, or what is wrong with it.
    fn key(&self) -> Result<&'static str, &'static str> {
        use Content as C;
        let (old, new) = (OLD.fingerprint.as_str(), NEW.fingerprint.as_str());
        if let Some(text) = self.spec["publicKey"].as_str() {
            return if text == *NEW_PUBLIC { Ok(new) } else { Err("KeyNotRecognized") };
        }
        if !self.spec["certificateSecretRef"].is_null() {
            return match self.value("certificateSecretRef")? {
                C::OldCertificate => Ok(old),
                C::OldEncrypted | C::NewEncrypted | C::NewPlain => Err("KeyOfWrongKind"),
                C::Nothing => Err("KeyEmpty"),
                _ => Err("KeyNotRecognized"),
            };
        }
        let key = self.value("privateKeySecretRef")?;
        let has_passphrase = !self.spec["passphraseSecretRef"].is_null();
        let passphrase = has_passphrase.then(|| self.value("passphraseSecretRef")).transpose()?;
        match (key, passphrase) {
            (C::NewPlain, _) => Ok(new),
            (C::OldEncrypted, Some(C::Passphrase)) => Ok(old),
            (C::NewEncrypted, Some(C::Passphrase)) => Ok(new),
            (C::OldEncrypted | C::NewEncrypted, None) => Err("PassphraseMissing"),
            (C::OldEncrypted | C::NewEncrypted, Some(_)) => Err("PassphraseWrong"),
            (C::OldCertificate, _) => Err("KeyOfWrongKind"),
            (C::Nothing, _) => Err("KeyEmpty"),
            _ => Err("KeyNotRecognized"),
        }
    }

    /// What is wrong with the credentials.
    fn credentials(&self) -> Result<(), &'static str> {
        use Content as C;
        let token = self.value("accessTokenSecretRef")?;
        let has_app_secret = !self.spec["appSecretRef"].is_null();
        let is_bare = |content| !matches!(content, C::Words | C::Nothing);
        if !is_bare(token) {
            return Err("CredentialMalformed");
        }
        let app_secret = has_app_secret.then(|| self.value("appSecretRef")).transpose()?;
        match (token, app_secret) {
            (_, Some(secret)) if !is_bare(secret) => Err("CredentialMalformed"),
            (C::Token | C::TokenAndNewline, Some(C::AppSecret)) => Ok(()),
            (C::Token | C::TokenAndNewline, _) => Err("AppSecretRefused"),
            _ => Err("TokenRefused"),
        }
    }
}

/// The new public key as the spec can have it.
pub(crate) static NEW_PUBLIC: LazyLock<String> = LazyLock::new(|| NEW.plain.public_pem());

static OLD_CERTIFICATE: LazyLock<String> = LazyLock::new(|| OLD.plain.certificate());

/// What is expected: `Ready`'s status, its reason, and the fingerprint on every number that has one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expected {
    pub(crate) ready: &'static str,
    pub(crate) reasons: Vec<&'static str>,
    pub(crate) at_meta: BTreeMap<String, String>,
    /// The last input that the operator worked on, and `Ready` then. Now work may be suspended.
    active: Input,
    shown: (&'static str, Vec<&'static str>),
}

impl Expected {
    /// Before the resource exists.
    pub(crate) fn nothing(input: &Input) -> Self {
        Self { ready: "", reasons: vec![], at_meta: BTreeMap::new(), active: input.clone(), shown: ("", vec![]) }
    }

    /// What follows once the operator has seen `input`. `exists` says which numbers Meta knows.
    pub(crate) fn after(&self, input: &Input, exists: impl Fn(&str) -> bool) -> Self {
        let mut next = self.clone();
        if input.is_suspended() {
            let is_as_worked_on = without_neutral(&input.spec) == without_neutral(&self.active.spec);
            (next.ready, next.reasons) =
                if is_as_worked_on { self.shown.clone() } else { ("Unknown", vec!["Suspended"]) };
            return next;
        }
        next.work_on(input, exists);
        (next.active, next.shown) = (input.clone(), (next.ready, next.reasons.clone()));
        next
    }

    fn work_on(&mut self, input: &Input, exists: impl Fn(&str) -> bool) {
        let (key, credentials) = (input.key(), input.credentials());
        if let Some(reason) = key.err().or(credentials.err()) {
            (self.ready, self.reasons) = ("False", vec![reason]);
            return;
        }
        let fingerprint = key.unwrap_or_default();
        let numbers = input.numbers();
        let (known, unknown): (Vec<_>, Vec<_>) = numbers.into_iter().partition(|id| exists(id));
        if !input.observes() {
            self.at_meta.extend(known.iter().map(|id| (id.clone(), fingerprint.to_owned())));
        }
        let drifted = known.iter().any(|id| self.at_meta.get(id).map(String::as_str) != Some(fingerprint));
        self.reasons = vec![];
        self.reasons.extend(drifted.then_some("DriftObserved"));
        self.reasons.extend((!unknown.is_empty()).then_some("NumberRefused"));
        self.ready = if self.reasons.is_empty() { "True" } else { "False" };
        if self.reasons.is_empty() {
            self.reasons.push("AllNumbersValid");
        }
    }
}

/// The spec without what changes nothing about the numbers.
fn without_neutral(spec: &Value) -> Value {
    let mut spec = spec.clone();
    let fields = spec.as_object_mut().expect("a spec");
    fields.remove("suspend");
    fields.remove("checkInterval");
    if spec["mode"] == json!("Enforce") {
        spec.as_object_mut().expect("a spec").remove("mode");
    }
    spec
}
