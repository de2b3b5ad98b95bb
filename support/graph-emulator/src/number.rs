//! Phone numbers: their settings, and how a key lands on one and is read from it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::keys::{FOREIGN_PUBLIC_KEY, KeyCache, KeyState, PublicKey};
use crate::wire::Presentation;

/// The WABA of numbers that name none.
pub const DEFAULT_WABA_ID: &str = "102290129340398";

/// The signature status of a key as Meta signed it.
pub(crate) const VALID: &str = "VALID";

/// Former keys kept for each number.
const PREVIOUS_KEYS: usize = 8;

/// All that can be set on a phone number. The default is registered and has no key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NumberSettings {
    /// The WhatsApp Business Account it belongs to.
    pub waba_id: String,
    /// The key, as text; anything is allowed here, also what no upload could set.
    pub public_key: Option<String>,
    /// `business_public_key_signature_status`, verbatim. Shown only beside a key.
    pub signature_status: String,
    /// Calls to a number that is not registered answer code 133010.
    pub registered: bool,
    /// Calls to a number that is blocked for policy answer code 368.
    pub blocked: bool,
    /// How lists show it.
    pub listed: Listed,
    /// How long reads show the former state after an upload.
    pub lag: Lag,
    /// Someone who puts a key of their own back after each upload.
    pub foreign_writer: Option<ForeignWriter>,
    /// How a read of this number looks.
    pub presentation: Presentation,
}

impl Default for NumberSettings {
    fn default() -> Self {
        Self {
            waba_id: DEFAULT_WABA_ID.to_owned(),
            public_key: None,
            signature_status: VALID.to_owned(),
            registered: true,
            blocked: false,
            listed: Listed::default(),
            lag: Lag::None,
            foreign_writer: None,
            presentation: Presentation::default(),
        }
    }
}

/// How the list of its account shows a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listed {
    /// `status`, such as `CONNECTED`.
    pub status: Cow<'static, str>,
    /// `host_platform`, such as `CLOUD_API`.
    pub host_platform: Cow<'static, str>,
}

impl Default for Listed {
    fn default() -> Self {
        Self { status: Cow::Borrowed("CONNECTED"), host_platform: Cow::Borrowed("CLOUD_API") }
    }
}

/// How long reads show the former state after an upload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lag {
    /// Not at all.
    #[default]
    None,
    /// For this number of reads.
    Reads(u32),
    /// For this time.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    For(Duration),
}

/// Someone else who keeps uploading a key of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForeignWriter {
    /// Their key (PEM SubjectPublicKeyInfo).
    pub public_key: String,
    /// The reads that show the uploaded key before theirs is back; 0 puts it back at once.
    pub after_reads: u32,
}

impl Default for ForeignWriter {
    fn default() -> Self {
        Self { public_key: FOREIGN_PUBLIC_KEY.to_owned(), after_reads: 0 }
    }
}

/// A phone number as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NumberSnapshot {
    /// Its ID.
    pub phone_number_id: String,
    /// Lowercase hex SHA-256 of its key's DER SubjectPublicKeyInfo.
    pub fingerprint: Option<Arc<str>>,
    /// The same of the keys it had before, newest first.
    pub previous_fingerprints: Vec<Arc<str>>,
    /// Uploads that took effect.
    pub uploads: u32,
    /// Everything else.
    #[serde(flatten)]
    pub settings: NumberSettings,
}

impl NumberSnapshot {
    /// The signature status; `None` without a key.
    pub fn signature_status(&self) -> Option<&str> {
        let status = self.settings.signature_status.as_str();
        self.settings.public_key.as_ref().map(|_| status)
    }
}

/// A phone number as it is stored: small, since there may be 100,000.
#[derive(Debug)]
pub(crate) struct Number {
    current: KeyState,
    /// What reads show while Meta lags behind.
    former: Option<Box<Former>>,
    previous: Vec<Arc<PublicKey>>,
    uploads: u32,
    /// Reads of the uploaded key until the foreign writer's is back.
    reads_until_foreign: Option<u32>,
    pub(crate) waba_id: Arc<str>,
    pub(crate) registered: bool,
    pub(crate) blocked: bool,
    pub(crate) listed: Listed,
    lag: Lag,
    foreign_writer: Option<Box<ForeignWriter>>,
    /// `None` is the default.
    pub(crate) presentation: Option<Arc<Presentation>>,
}

#[derive(Debug)]
struct Former {
    state: KeyState,
    until: Until,
}

#[derive(Debug)]
enum Until {
    Reads(u32),
    Time(Instant),
}

impl Number {
    pub(crate) fn new(waba_id: Arc<str>) -> Self {
        Self {
            current: KeyState { key: None, status: Cow::Borrowed(VALID) },
            former: None,
            previous: Vec::new(),
            uploads: 0,
            reads_until_foreign: None,
            waba_id,
            registered: true,
            blocked: false,
            listed: Listed::default(),
            lag: Lag::None,
            foreign_writer: None,
            presentation: None,
        }
    }

    /// Takes over settings, at once and without lag.
    pub(crate) fn set(&mut self, settings: NumberSettings, keys: &mut KeyCache) {
        if *self.waba_id != *settings.waba_id {
            self.waba_id = settings.waba_id.into();
        }
        self.former = None;
        self.reads_until_foreign = None;
        self.replace(KeyState {
            key: settings.public_key.map(|text| keys.get(&text)),
            status: borrowed(settings.signature_status),
        });
        self.registered = settings.registered;
        self.blocked = settings.blocked;
        self.listed = settings.listed;
        self.lag = settings.lag;
        self.foreign_writer = settings.foreign_writer.map(Box::new);
        self.presentation = (settings.presentation != Presentation::default()).then(|| settings.presentation.into());
    }

    pub(crate) fn settings(&self) -> NumberSettings {
        let presentation = self.presentation.as_deref().cloned().unwrap_or_default();
        NumberSettings {
            waba_id: self.waba_id.as_ref().to_owned(),
            public_key: self.current.key.as_ref().map(|key| key.text.clone()),
            signature_status: self.current.status.as_ref().to_owned(),
            registered: self.registered,
            blocked: self.blocked,
            listed: self.listed.clone(),
            lag: self.lag,
            foreign_writer: self.foreign_writer.as_deref().cloned(),
            presentation,
        }
    }

    pub(crate) fn snapshot(&self, phone_number_id: &str) -> NumberSnapshot {
        let previous = self.previous.iter().rev();
        NumberSnapshot {
            phone_number_id: phone_number_id.to_owned(),
            fingerprint: self.current.key.as_ref().and_then(|key| key.fingerprint.clone()),
            previous_fingerprints: previous.filter_map(|key| key.fingerprint.clone()).collect(),
            uploads: self.uploads,
            settings: self.settings(),
        }
    }

    /// An upload takes effect.
    pub(crate) fn land(&mut self, key: Arc<PublicKey>, status: Cow<'static, str>, keys: &mut KeyCache) {
        let until = match self.lag {
            Lag::None => None,
            Lag::Reads(reads) => Some(Until::Reads(reads)),
            Lag::For(time) => Some(Until::Time(Instant::now() + time)),
        };
        self.former = until.map(|until| {
            let state = self.former.take().filter(|former| !former.is_over());
            let state = state.map_or_else(|| self.current.clone(), |former| former.state);
            Box::new(Former { state, until })
        });
        let key = Some(key);
        self.replace(KeyState { key, status });
        self.uploads += 1;
        self.reads_until_foreign = self.foreign_writer.as_ref().map(|writer| writer.after_reads);
        self.let_foreign_writer_in(keys);
    }

    /// What one more read shows.
    pub(crate) fn read(&mut self, keys: &mut KeyCache) -> KeyState {
        if let Some(former) = &mut self.former {
            if !former.is_over() {
                if let Until::Reads(left) = &mut former.until {
                    *left -= 1;
                }
                return former.state.clone();
            }
            self.former = None;
        }
        let shown = self.current.clone();
        if let Some(left) = &mut self.reads_until_foreign {
            *left -= 1;
            self.let_foreign_writer_in(keys);
        }
        shown
    }

    fn let_foreign_writer_in(&mut self, keys: &mut KeyCache) {
        if self.reads_until_foreign != Some(0) {
            return;
        }
        self.reads_until_foreign = None;
        if let Some(writer) = &self.foreign_writer {
            let key = Some(keys.get(&writer.public_key));
            let status = Cow::Borrowed(VALID);
            self.replace(KeyState { key, status });
        }
    }

    fn replace(&mut self, next: KeyState) {
        let changed = match (&self.current.key, &next.key) {
            (Some(old), Some(new)) => !Arc::ptr_eq(old, new),
            (old, _) => old.is_some(),
        };
        let replaced = std::mem::replace(&mut self.current, next);
        if let Some(key) = replaced.key.filter(|_| changed) {
            if self.previous.len() == PREVIOUS_KEYS {
                self.previous.remove(0);
            }
            self.previous.push(key);
        }
    }
}

impl Former {
    fn is_over(&self) -> bool {
        match self.until {
            Until::Reads(left) => left == 0,
            Until::Time(end) => Instant::now() >= end,
        }
    }
}

/// The usual status needs no memory of its own.
fn borrowed(status: String) -> Cow<'static, str> {
    if status == VALID { Cow::Borrowed(VALID) } else { Cow::Owned(status) }
}
