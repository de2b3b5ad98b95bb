//! The state behind the edges, and what a call does to it. Synchronous; one lock guards it all.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::config::Config;
use crate::error::GraphError;
use crate::faults::{Fault, Faults, Operation, UploadEffect};
use crate::inspection;
use crate::journal::{Caller, Journal};
use crate::keys::{KeyCache, PublicKey};
use crate::list::{self, ListSettings, Page};
use crate::number::{DEFAULT_WABA_ID, Number, NumberSettings, VALID};
use crate::token::{Permission, Token};
use crate::wire::{Fields, View};

/// What an unknown token may do, if every token is accepted.
static ANY_TOKEN: Token = Token::ALLOWED_EVERYTHING;

/// A call to a known edge.
#[derive(Debug)]
pub(crate) struct GraphCall {
    /// The phone number ID; of a list the WABA ID, of an inspection `debug_token`.
    pub(crate) id: String,
    pub(crate) token: Option<String>,
    pub(crate) proof: Option<String>,
    pub(crate) parameters: Parameters,
}

#[derive(Debug)]
pub(crate) enum Parameters {
    Read {
        fields: Option<String>,
    },
    Upload {
        public_key: Result<String, GraphError>,
    },
    List(list::Parameters),
    Inspect {
        /// The token to be inspected.
        token: Option<String>,
    },
}

impl GraphCall {
    pub(crate) fn operation(&self) -> Operation {
        match self.parameters {
            Parameters::Read { .. } => Operation::Read,
            Parameters::Upload { .. } => Operation::Upload,
            Parameters::List(_) => Operation::List,
            Parameters::Inspect { .. } => Operation::Inspect,
        }
    }

    fn method(&self) -> Method {
        match self.parameters {
            Parameters::Upload { .. } => Method::POST,
            Parameters::Read { .. } | Parameters::List(_) | Parameters::Inspect { .. } => Method::GET,
        }
    }
}

/// What arrival decides about a call.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) sequence: u64,
    pub(crate) fault: Option<Fault>,
    pub(crate) latency: Duration,
}

/// What a successful call gives.
#[derive(Debug)]
pub(crate) enum Outcome {
    View(View),
    Uploaded,
    Page(Page),
    Inspected(Value),
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) numbers: BTreeMap<Arc<str>, Number>,
    wabas: BTreeSet<Arc<str>>,
    /// How the lists of accounts go wrong.
    pub(crate) lists: BTreeMap<String, ListSettings>,
    /// IDs of other objects, with the type by which Meta calls them.
    pub(crate) nodes: BTreeMap<String, String>,
    /// The secrets of apps.
    pub(crate) apps: BTreeMap<String, String>,
    pub(crate) keys: KeyCache,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            faults: Faults::new(config.seed),
            journal: Journal::new(config.journal_limit),
            tokens: BTreeMap::new(),
            numbers: BTreeMap::new(),
            wabas: BTreeSet::new(),
            lists: BTreeMap::new(),
            nodes: BTreeMap::new(),
            apps: BTreeMap::new(),
            keys: KeyCache::default(),
            config,
        }
    }

    /// Notes an arrival and draws its fault.
    pub(crate) fn admit(&mut self, call: &GraphCall, caller: &Caller) -> Admission {
        let token = call.token.as_deref();
        let operation = call.operation();
        let sequence = self.journal.call(operation, &call.id, token, caller);
        if let Parameters::Upload { public_key } = &call.parameters {
            let key = public_key.as_ref().ok().map(|text| self.keys.get(text));
            self.journal.upload(key.and_then(|key| key.fingerprint.clone()));
        }
        Admission { sequence, fault: self.faults.take(operation, &call.id, token), latency: self.config.latency }
    }

    /// Does what a call asks for. `effect` is what an upload that is in order does.
    pub(crate) fn process(
        &mut self,
        call: &GraphCall,
        sequence: u64,
        effect: &UploadEffect,
    ) -> Result<Outcome, GraphError> {
        match &call.parameters {
            Parameters::Read { fields } => {
                self.authorise(call, Permission::Messaging)?;
                self.usable_number(call)?;
                self.read(call, fields.as_deref()).map(Outcome::View)
            }
            Parameters::Upload { public_key } => {
                self.authorise(call, Permission::Messaging)?;
                self.usable_number(call)?;
                let text = public_key.as_ref().map_err(GraphError::clone)?;
                let key = self.keys.get(text);
                if let Some(refusal) = key.refusal {
                    return Err(GraphError::invalid_parameter(refusal));
                }
                self.land(call, sequence, key, effect);
                Ok(Outcome::Uploaded)
            }
            Parameters::List(parameters) => {
                self.authorise(call, Permission::Management)?;
                self.usable_account(call)?;
                let settings = self.lists.get(&call.id).cloned().unwrap_or_default();
                parameters.page(&self.numbers, &call.id, &settings).map(Outcome::Page)
            }
            Parameters::Inspect { token } => self.inspect(call, token.as_deref()).map(Outcome::Inspected),
        }
    }

    /// The account exists, and the token may see it.
    fn usable_account(&self, call: &GraphCall) -> Result<(), GraphError> {
        let wrong_kind = |node: &str| GraphError::no_such_field("phone_numbers", node);
        let token = self.token(call.token.as_deref().unwrap_or_default())?;
        match self.nodes.get(&call.id) {
            Some(node) => Err(wrong_kind(node)),
            None if self.numbers.contains_key(call.id.as_str()) => Err(wrong_kind("WhatsAppBusinessPhoneNumber")),
            None if token.sees_account(&call.id) && self.wabas.contains(call.id.as_str()) => Ok(()),
            None => Err(GraphError::unsupported(&call.method(), &call.id)),
        }
    }

    /// The caller is the app's own token, or the inspected token itself where it may be.
    fn inspect(&self, call: &GraphCall, inspected: Option<&str>) -> Result<Value, GraphError> {
        let caller = call.token.as_deref().ok_or_else(GraphError::missing_token)?;
        let Some(name) = inspected else { return Err(GraphError::invalid_parameter("input_token is missing.")) };
        let token = self.token(name).ok();
        let app = caller.split_once('|').filter(|(id, secret)| self.apps.get(*id).is_some_and(|known| known == secret));
        match (app, self.token(caller)) {
            (Some(_), _) => {}
            (None, Err(error)) => return Err(error),
            (None, Ok(own)) => {
                own.check_proof(caller, call.proof.as_deref())?;
                if caller != name || !own.inspection.allows_itself {
                    return Err(GraphError::not_an_app_token());
                }
            }
        }
        Ok(inspection::describe(name, token))
    }

    fn read(&mut self, call: &GraphCall, fields: Option<&str>) -> Result<View, GraphError> {
        let fields = Fields::parse(fields)?;
        let number = self.numbers.get_mut(call.id.as_str());
        let number = number.ok_or_else(|| GraphError::unsupported(&call.method(), &call.id))?;
        Ok(View {
            state: number.read(&mut self.keys),
            shape: self.config.response_shape,
            presentation: number.presentation.clone(),
            fields,
        })
    }

    fn land(&mut self, call: &GraphCall, sequence: u64, key: Arc<PublicKey>, effect: &UploadEffect) {
        let status = match effect {
            UploadEffect::Lost | UploadEffect::LandsAfter(_) => return,
            UploadEffect::Lands => Cow::Borrowed(VALID),
            UploadEffect::LandsAs(status) => Cow::Owned(status.clone()),
        };
        if let Some(number) = self.numbers.get_mut(call.id.as_str()) {
            number.land(key, status, &mut self.keys);
            self.journal.landed(sequence);
        }
    }

    fn authorise(&self, call: &GraphCall, permission: Permission) -> Result<(), GraphError> {
        let name = call.token.as_deref().ok_or_else(GraphError::missing_token)?;
        let token = self.token(name)?;
        token.check(name, call.proof.as_deref(), permission)
    }

    fn token(&self, name: &str) -> Result<&Token, GraphError> {
        match self.tokens.get(name) {
            Some(token) => Ok(token),
            None if self.config.accept_any_token => Ok(&ANY_TOKEN),
            None => Err(GraphError::malformed_token(name)),
        }
    }

    /// The number exists, the token may see it, and Meta lets it be used.
    fn usable_number(&mut self, call: &GraphCall) -> Result<(), GraphError> {
        let unsupported = || GraphError::unsupported(&call.method(), &call.id);
        let token = self.token(call.token.as_deref().unwrap_or_default())?;
        if !token.sees(&call.id) {
            return Err(unsupported());
        }
        if !self.numbers.contains_key(call.id.as_str()) {
            if self.wabas.contains(call.id.as_str()) {
                return Err(GraphError::no_such_edge_of_waba());
            }
            if !self.config.create_numbers_on_demand {
                return Err(unsupported());
            }
            self.add_number(&call.id);
        }
        match self.numbers.get(call.id.as_str()) {
            None => Err(unsupported()),
            Some(number) if number.blocked => Err(GraphError::blocked()),
            Some(number) if !number.registered => Err(GraphError::not_registered()),
            Some(_) => Ok(()),
        }
    }

    /// Adds an account, unless it is there already.
    pub(crate) fn add_account(&mut self, id: &str) {
        self.waba(id);
    }

    /// Adds a number without key, unless it is there already.
    pub(crate) fn add_number(&mut self, id: &str) {
        if !self.numbers.contains_key(id) {
            let waba_id = self.waba(DEFAULT_WABA_ID);
            self.numbers.insert(id.into(), Number::new(waba_id));
        }
    }

    /// Puts settings on a number, new or not.
    pub(crate) fn set_number(&mut self, id: &str, settings: NumberSettings) -> &Number {
        let waba_id = self.waba(&settings.waba_id);
        let number = self.numbers.entry(id.into()).or_insert_with(|| Number::new(Arc::clone(&waba_id)));
        number.waba_id = waba_id;
        number.set(settings, &mut self.keys);
        number
    }

    /// The WABA of a number, or the WABA itself; the default one for unknown IDs.
    pub(crate) fn waba_of(&self, id: &str) -> String {
        match self.numbers.get(id) {
            Some(number) => number.waba_id.to_string(),
            None if self.wabas.contains(id) => id.to_owned(),
            None => DEFAULT_WABA_ID.to_owned(),
        }
    }

    /// All numbers of a WABA share its ID's text.
    fn waba(&mut self, id: &str) -> Arc<str> {
        if let Some(known) = self.wabas.get(id) {
            return Arc::clone(known);
        }
        let new: Arc<str> = id.into();
        self.wabas.insert(Arc::clone(&new));
        new
    }
}
