//! Changing and watching a running emulator from the same process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::Config;
use crate::faults::{ActiveFault, Fault};
use crate::journal::{Call, Counters, Gauges, OperationCounts, Upload};
use crate::list::ListSettings;
use crate::number::{NumberSettings, NumberSnapshot, VALID};
use crate::token::Token;
use crate::wire::ResponseShape;
use crate::world::World;

/// A handle on a running emulator: cheap to clone, usable from any thread, never waits.
#[derive(Clone, Debug)]
pub struct Control(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    gauges: Arc<Gauges>,
    base_url: String,
    ca_pem: Option<String>,
}

/// There is no phone number with this ID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no phone number {0}: add it first")]
pub struct UnknownNumber(pub String);

impl Control {
    pub(crate) fn new(config: Config, base_url: String, ca_pem: Option<String>) -> Self {
        Self(Arc::new(Shared { world: Mutex::new(World::new(config)), gauges: Arc::default(), base_url, ca_pem }))
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn gauges(&self) -> &Arc<Gauges> {
        &self.0.gauges
    }

    pub(crate) fn scheme(&self) -> &'static str {
        if self.0.ca_pem.is_some() { "https" } else { "http" }
    }

    /// `http://127.0.0.1:4711`, without trailing slash.
    pub fn base_url(&self) -> &str {
        &self.0.base_url
    }

    /// The private CA's certificate in PEM; `None` without TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.0.ca_pem.as_deref()
    }

    // Tokens

    /// Adds a token that may do everything.
    pub fn add_token(&self, token: &str) {
        self.set_token(token, Token::default());
    }

    /// Adds a token, or changes what it may do.
    pub fn set_token(&self, token: &str, worth: Token) {
        self.world().tokens.insert(token.to_owned(), worth);
    }

    /// The token is refused from now on, with code 190, subcode 463.
    pub fn expire_token(&self, token: &str) {
        self.world().tokens.entry(token.to_owned()).or_default().expired = true;
    }

    /// Forgets a token; true if there was one.
    pub fn remove_token(&self, token: &str) -> bool {
        self.world().tokens.remove(token).is_some()
    }

    /// All tokens.
    pub fn tokens(&self) -> BTreeMap<String, Token> {
        self.world().tokens.clone()
    }

    /// Makes an app known, so that its own token `ID|SECRET` may inspect tokens.
    pub fn set_app(&self, id: &str, secret: &str) {
        self.world().apps.insert(id.to_owned(), secret.to_owned());
    }

    // Accounts

    /// Adds a WABA without numbers, unless it is there already.
    pub fn add_account(&self, waba_id: &str) {
        self.world().add_account(waba_id);
    }

    /// Adds numbers without key to a WABA, or moves numbers there.
    pub fn add_numbers_to<I: AsRef<str>>(&self, waba_id: &str, phone_number_ids: impl IntoIterator<Item = I>) {
        let mut world = self.world();
        world.add_account(waba_id);
        for id in phone_number_ids {
            let settings = world.numbers.get(id.as_ref()).map(crate::number::Number::settings).unwrap_or_default();
            world.set_number(id.as_ref(), NumberSettings { waba_id: waba_id.to_owned(), ..settings });
        }
    }

    /// How the list of a WABA goes wrong.
    pub fn set_list(&self, waba_id: &str, settings: ListSettings) {
        self.world().lists.insert(waba_id.to_owned(), settings);
    }

    /// Makes the ID that of another kind of object, such as `Business`.
    pub fn set_node(&self, id: &str, node_type: &str) {
        self.world().nodes.insert(id.to_owned(), node_type.to_owned());
    }

    // Numbers

    /// Adds a number without key, unless it is there already.
    pub fn add_number(&self, phone_number_id: &str) {
        self.world().add_number(phone_number_id);
    }

    /// Adds many numbers without key.
    pub fn add_numbers<I: AsRef<str>>(&self, phone_number_ids: impl IntoIterator<Item = I>) {
        let mut world = self.world();
        for id in phone_number_ids {
            world.add_number(id.as_ref());
        }
    }

    /// Puts settings on a number, new or not.
    pub fn set_number(&self, phone_number_id: &str, settings: NumberSettings) -> NumberSnapshot {
        let mut world = self.world();
        world.set_number(phone_number_id, settings).snapshot(phone_number_id)
    }

    /// Changes a number's settings, at once and without lag.
    ///
    /// # Errors
    /// If there is no such number.
    pub fn update_number(
        &self,
        phone_number_id: &str,
        change: impl FnOnce(&mut NumberSettings),
    ) -> Result<NumberSnapshot, UnknownNumber> {
        let mut world = self.world();
        let number = world.numbers.get(phone_number_id);
        let number = number.ok_or_else(|| UnknownNumber(phone_number_id.to_owned()))?;
        let mut settings = number.settings();
        change(&mut settings);
        Ok(world.set_number(phone_number_id, settings).snapshot(phone_number_id))
    }

    /// The number as it stands.
    pub fn number(&self, phone_number_id: &str) -> Option<NumberSnapshot> {
        let world = self.world();
        let number = world.numbers.get(phone_number_id);
        number.map(|number| number.snapshot(phone_number_id))
    }

    /// The IDs of all numbers, in order.
    pub fn numbers(&self) -> Vec<Arc<str>> {
        self.world().numbers.keys().cloned().collect()
    }

    /// Forgets a number; true if there was one.
    pub fn remove_number(&self, phone_number_id: &str) -> bool {
        self.world().numbers.remove(phone_number_id).is_some()
    }

    /// The key's signature is lost, as when the number is registered again: `MISMATCH`.
    ///
    /// # Errors
    /// If there is no such number.
    pub fn lose_signature(&self, phone_number_id: &str) -> Result<NumberSnapshot, UnknownNumber> {
        self.update_number(phone_number_id, |number| {
            number.signature_status = "MISMATCH".to_owned();
        })
    }

    /// The key is gone, as when the number moved between platforms.
    ///
    /// # Errors
    /// If there is no such number.
    pub fn drop_key(&self, phone_number_id: &str) -> Result<NumberSnapshot, UnknownNumber> {
        self.update_number(phone_number_id, |number| number.public_key = None)
    }

    /// The business changed the phone of a coexistence number: it is off the Cloud API, and its signature is lost.
    ///
    /// # Errors
    /// If there is no such number.
    pub fn take_off(&self, phone_number_id: &str) -> Result<NumberSnapshot, UnknownNumber> {
        self.update_number(phone_number_id, |number| {
            (number.registered, number.listed.status) = (false, "DISCONNECTED".into());
            number.signature_status = "MISMATCH".to_owned();
        })
    }

    /// The number is connected, for the first time or again.
    ///
    /// # Errors
    /// If there is no such number.
    pub fn connect(&self, phone_number_id: &str) -> Result<NumberSnapshot, UnknownNumber> {
        self.update_number(phone_number_id, |number| {
            (number.registered, number.listed.status) = (true, "CONNECTED".into());
        })
    }

    /// Someone else sets a key (usually PEM SubjectPublicKeyInfo); its status is `VALID`.
    ///
    /// # Errors
    /// If there is no such number.
    pub fn set_foreign_key(&self, phone_number_id: &str, public_key: &str) -> Result<NumberSnapshot, UnknownNumber> {
        self.update_number(phone_number_id, |number| {
            number.public_key = Some(public_key.to_owned());
            number.signature_status = VALID.to_owned();
        })
    }

    // Faults

    /// Puts a fault in force, behind those that are; gives its ID.
    pub fn inject(&self, fault: Fault) -> u64 {
        self.world().faults.add(fault)
    }

    /// The faults in force, in order.
    pub fn faults(&self) -> Vec<ActiveFault> {
        self.world().faults.active().to_vec()
    }

    /// Ends one fault; true if it was in force. Calls that hang or wait stay as they are.
    pub fn clear_fault(&self, id: u64) -> bool {
        self.world().faults.remove(id)
    }

    /// Ends all faults. Calls that hang or wait stay as they are.
    pub fn clear_faults(&self) {
        self.world().faults.clear();
    }

    // Settings

    /// The settings.
    pub fn config(&self) -> Config {
        self.world().config.clone()
    }

    /// Changes settings; `listen`, `tls` and `seed` stay as they are. A new journal limit
    /// empties the journal.
    pub fn update_config(&self, change: impl FnOnce(&mut Config)) {
        let mut world = self.world();
        let mut config = world.config.clone();
        change(&mut config);
        config.listen = world.config.listen;
        config.tls = world.config.tls;
        config.seed = world.config.seed;
        if config.journal_limit != world.config.journal_limit {
            world.journal.set_limit(config.journal_limit);
        }
        world.config = config;
    }

    /// The time each call takes.
    pub fn set_latency(&self, latency: Duration) {
        self.update_config(|config| config.latency = latency);
    }

    /// The shape of reads, where a number has none of its own.
    pub fn set_response_shape(&self, shape: ResponseShape) {
        self.update_config(|config| config.response_shape = shape);
    }

    // Journal and counters

    /// Time since its start, by which calls are dated.
    pub fn now(&self) -> Duration {
        self.world().journal.now()
    }

    /// The calls to known edges in the order of arrival, as far as the journal reaches back.
    pub fn calls(&self) -> Vec<Call> {
        self.world().journal.calls()
    }

    /// The uploads in the order of arrival, as far as the journal reaches back.
    pub fn uploads(&self) -> Vec<Upload> {
        self.world().journal.uploads()
    }

    /// Totals.
    pub fn counters(&self) -> Counters {
        self.gauges().counters(&self.world().journal)
    }

    /// Calls to one phone number (or, of lists, to one WABA).
    pub fn calls_to(&self, id: &str) -> OperationCounts {
        self.world().journal.of_id(id)
    }

    /// Calls with one access token, valid or not.
    pub fn calls_with(&self, token: &str) -> OperationCounts {
        self.world().journal.of_token(token)
    }

    /// Calls by phone number ID (of lists, by WABA ID).
    pub fn calls_by_id(&self) -> BTreeMap<String, OperationCounts> {
        self.world().journal.by_id()
    }

    /// Calls by access token.
    pub fn calls_by_token(&self) -> BTreeMap<String, OperationCounts> {
        self.world().journal.by_token()
    }

    /// Empties journal and counters.
    pub fn reset_counters(&self) {
        self.world().journal.reset();
        self.gauges().reset();
    }
}
