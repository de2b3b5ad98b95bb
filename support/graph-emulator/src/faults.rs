//! Faults: what goes wrong with which calls, how often.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::action::FaultAction;
use crate::error::GraphError;

/// What a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// GET of a number's key.
    Read,
    /// POST of a number's key.
    Upload,
    /// GET of a WABA's phone numbers.
    List,
    /// GET of the description of a token.
    Inspect,
}

/// A rule: calls that match it go wrong in one way. The first rule that matches a call wins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The operation; any if `None`.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// The phone number ID (of a list: the WABA ID); any if `None`.
    #[serde(default)]
    pub number: Option<String>,
    /// The access token; any if `None`.
    #[serde(default)]
    pub token: Option<String>,
    /// How many calls; until it is cleared if `None`.
    #[serde(default)]
    pub times: Option<u64>,
    /// Which share of the matching calls, 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// What an upload does to the number; as the action suggests if `None`:
    /// it lands where the action still gives the ordinary answer.
    #[serde(default)]
    pub effect: Option<UploadEffect>,
    /// What the caller gets.
    pub action: FaultAction,
}

fn always() -> f64 {
    1.0
}

/// What an upload does to the number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadEffect {
    /// Nothing.
    Lost,
    /// It lands.
    Lands,
    /// It lands with this signature status.
    LandsAs(String),
    /// It lands this much later, even if the caller is gone.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    LandsAfter(Duration),
}

impl Fault {
    /// Every call goes wrong in this way, until it is narrowed.
    pub fn new(action: FaultAction) -> Self {
        Self { operation: None, number: None, token: None, times: None, probability: always(), effect: None, action }
    }

    /// A Graph error.
    pub fn error(error: GraphError) -> Self {
        Self::new(FaultAction::GraphError(error))
    }

    /// Uploads answer success and do nothing.
    pub fn lost_upload() -> Self {
        Self::new(FaultAction::Ordinary).uploads().effect(UploadEffect::Lost)
    }

    /// Uploads land, but with this signature status.
    pub fn upload_lands_as(status: &str) -> Self {
        let effect = UploadEffect::LandsAs(status.to_owned());
        Self::new(FaultAction::Ordinary).uploads().effect(effect)
    }

    /// Only reads.
    #[must_use]
    pub fn reads(mut self) -> Self {
        self.operation = Some(Operation::Read);
        self
    }

    /// Only uploads.
    #[must_use]
    pub fn uploads(mut self) -> Self {
        self.operation = Some(Operation::Upload);
        self
    }

    /// Only inspections of tokens.
    #[must_use]
    pub fn inspections(mut self) -> Self {
        self.operation = Some(Operation::Inspect);
        self
    }

    /// Only lists of phone numbers.
    #[must_use]
    pub fn lists(mut self) -> Self {
        self.operation = Some(Operation::List);
        self
    }

    /// Only this phone number.
    #[must_use]
    pub fn number(mut self, phone_number_id: &str) -> Self {
        self.number = Some(phone_number_id.to_owned());
        self
    }

    /// Only this access token.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Only the next calls.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Only this share of the calls, drawn from the emulator's seeded generator.
    #[must_use]
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    /// What uploads do to the number all the same.
    #[must_use]
    pub fn effect(mut self, effect: UploadEffect) -> Self {
        self.effect = Some(effect);
        self
    }

    /// Uploads land, whatever the caller gets: an unknown outcome.
    #[must_use]
    pub fn landing(self) -> Self {
        self.effect(UploadEffect::Lands)
    }

    /// What an upload does to the number under this rule.
    pub(crate) fn upload_effect(&self) -> UploadEffect {
        match &self.effect {
            Some(effect) => effect.clone(),
            None if self.action.answers_ordinarily() => UploadEffect::Lands,
            None => UploadEffect::Lost,
        }
    }

    fn matches(&self, operation: Operation, id: &str, token: Option<&str>) -> bool {
        self.operation.is_none_or(|wanted| wanted == operation)
            && self.number.as_deref().is_none_or(|wanted| wanted == id)
            && self.token.as_deref().is_none_or(|wanted| token == Some(wanted))
    }
}

/// A rule that is in force, and how often it was applied.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActiveFault {
    /// Its number, to clear it alone.
    pub id: u64,
    /// How often it was applied.
    pub applied: u64,
    /// The rule.
    pub fault: Fault,
}

#[derive(Debug)]
pub(crate) struct Faults {
    active: Vec<ActiveFault>,
    next_id: u64,
    random: StdRng,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self { active: Vec::new(), next_id: 1, random: StdRng::seed_from_u64(seed) }
    }

    pub(crate) fn add(&mut self, fault: Fault) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.active.push(ActiveFault { id, applied: 0, fault });
        id
    }

    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.active.len();
        self.active.retain(|active| active.id != id);
        self.active.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.active.clear();
    }

    pub(crate) fn active(&self) -> &[ActiveFault] {
        &self.active
    }

    /// The fault of one call; counts it.
    pub(crate) fn take(&mut self, operation: Operation, id: &str, token: Option<&str>) -> Option<Fault> {
        let random = &mut self.random;
        let position = self.active.iter().position(|ActiveFault { fault, .. }| {
            fault.matches(operation, id, token)
                && (fault.probability >= 1.0 || random.gen_bool(fault.probability.clamp(0.0, 1.0)))
        })?;
        let active = &mut self.active[position];
        active.applied += 1;
        let fault = active.fault.clone();
        if fault.times.is_some_and(|times| active.applied >= times) {
            self.active.remove(position);
        }
        Some(fault)
    }
}
