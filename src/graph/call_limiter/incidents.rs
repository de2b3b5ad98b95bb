//! Incidents in the log: Meta stops answering, or a hold begins. Each is logged once when it begins and once when it
//! ends, however many resources it affects. Pure: results of calls go in, log lines come out.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use waflows_core::api::text::utc;
use waflows_core::meta::{ErrorClass, GraphError, HoldScope, RateLimitScope};

use super::hold::{Caller, HoldCause};

/// Number of failed calls in a row before the log says that Meta has stopped answering.
const FAILURES: u32 = 5;
/// Minimum duration of these failures: a broken connection fails all its calls at once, and the next calls succeed.
const PATIENCE: Duration = Duration::from_secs(30);
/// Limit of remembered holds. For a forgotten hold the log line about its end is missing.
const MAX_HOLDS: usize = 1024;
/// A hold that should have ended this long ago is over, even if no call has shown that.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(1);

/// The result of a call.
pub(super) struct Call<'a> {
    pub(super) caller: Caller<'a>,
    /// The business account of the number, if known.
    pub(super) account: Option<&'a str>,
    /// The failure, if the call failed.
    pub(super) error: Option<&'a GraphError>,
    /// The cause and the end of a hold on the next call.
    pub(super) hold: Option<(&'a HoldCause, Timestamp)>,
    pub(super) at: Timestamp,
}

/// The calls that must wait.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Waiting {
    /// All calls with a token, named by its Secret.
    Token(String),
    /// All calls for the numbers of a business account.
    BusinessAccount(String),
    /// All calls for a resource.
    Resource(String),
    /// All calls for a phone number ID.
    PhoneNumber(String),
}

/// A log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// Meta has stopped answering.
    Silent { since: Timestamp, failures: u32, resource: String, phone_number_id: String, error: String },
    /// Meta answers again.
    AnswersAgain { since: Timestamp, failures: u32, lasted: SignedDuration },
    /// A hold begins. Meta refused a call of this resource, for this number.
    HoldBegins { waiting: Waiting, until: Timestamp, resource: String, phone_number_id: String, error: String },
    /// A hold ends.
    HoldEnds { waiting: Waiting, since: Timestamp, lasted: SignedDuration },
}

/// The current incidents.
pub(super) struct Incidents {
    silence: Silence,
    holds: HashMap<Waiting, Hold>,
    patience: Duration,
}

/// Failed calls in a row.
#[derive(Default)]
struct Silence {
    failures: u32,
    since: Option<Timestamp>,
    /// The phone number ID of the first failed call.
    phone_number_id: String,
    /// Whether the failed calls were for more than one number.
    is_of_several: bool,
    is_told: bool,
    /// The phone number ID for which Meta last answered.
    answered_for: Option<String>,
}

struct Hold {
    since: Timestamp,
    until: Timestamp,
}

impl Incidents {
    pub(super) fn new(wait_scale: f64) -> Self {
        Self { silence: Silence::default(), holds: HashMap::new(), patience: PATIENCE.mul_f64(wait_scale) }
    }

    /// Handles the result of a call. Returns the new log lines.
    pub(super) fn note(&mut self, call: &Call<'_>) -> Vec<Line> {
        let mut lines = Vec::new();
        match call.error.filter(|error| is_no_answer(&error.class)) {
            Some(error) => lines.extend(self.silence.failed(call, error, self.patience)),
            None => lines.extend(self.silence.ended(call)),
        }
        match call.hold {
            Some((cause, until)) => lines.extend(self.begin_hold(call, cause, until)),
            None if call.error.is_none_or(|error| error.class.refuses_number()) => self.end_holds(call, &mut lines),
            None => {}
        }
        lines
    }

    fn begin_hold(&mut self, call: &Call<'_>, cause: &HoldCause, until: Timestamp) -> Option<Line> {
        let (waiting, error) = Waiting::of(&call.caller, cause);
        // A hold that ended long ago without another call, for example of a deleted resource, is a separate incident.
        let is_over = |hold: &Hold| hold.until + FORGOTTEN < call.at;
        if let Some(known) = self.holds.get_mut(&waiting).filter(|known| !is_over(known)) {
            known.until = known.until.max(until);
            return None;
        }
        if self.holds.len() >= MAX_HOLDS {
            let first = self.holds.iter().min_by_key(|(_, hold)| hold.until).map(|(waiting, _)| waiting.clone());
            first.map(|first| self.holds.remove(&first));
        }
        self.holds.insert(waiting.clone(), Hold { since: call.at, until });
        let Caller { resource, phone_number_id, .. } = call.caller;
        let (resource, phone_number_id) = (resource.to_owned(), phone_number_id.to_owned());
        Some(Line::HoldBegins { waiting, until, resource, phone_number_id, error: error.to_string() })
    }

    /// Ends the holds that would have affected this call. Meta served the call, even if it refused the number.
    fn end_holds(&mut self, call: &Call<'_>, lines: &mut Vec<Line>) {
        if self.holds.is_empty() {
            return;
        }
        let Caller { token, resource, phone_number_id, .. } = call.caller;
        let served = [
            Some(Waiting::Token(token.to_owned())),
            call.account.map(|account| Waiting::BusinessAccount(account.to_owned())),
            Some(Waiting::Resource(resource.to_owned())),
            Some(Waiting::PhoneNumber(phone_number_id.to_owned())),
        ];
        for waiting in served.into_iter().flatten() {
            if let Some(Hold { since, .. }) = self.holds.remove(&waiting) {
                lines.push(Line::HoldEnds { waiting, since, lasted: call.at.duration_since(since) });
            }
        }
    }
}

/// Whether the failure means only that Meta does not work.
fn is_no_answer(class: &ErrorClass) -> bool {
    match class {
        ErrorClass::Transient | ErrorClass::Unexpected => true,
        ErrorClass::Token
        | ErrorClass::AppSecretProof
        | ErrorClass::Permission
        | ErrorClass::UnknownId
        | ErrorClass::NotRegistered
        | ErrorClass::Invalid
        | ErrorClass::Policy
        | ErrorClass::RateLimited { .. } => false,
    }
}

impl Silence {
    fn failed(&mut self, call: &Call<'_>, error: &GraphError, patience: Duration) -> Option<Line> {
        let Caller { resource, phone_number_id, .. } = call.caller;
        if self.failures == 0 {
            phone_number_id.clone_into(&mut self.phone_number_id);
        }
        self.failures = self.failures.saturating_add(1);
        self.is_of_several |= self.phone_number_id != phone_number_id;
        let since = *self.since.get_or_insert(call.at);
        // If a number fails alone while Meta answers for others, the status of that number says so.
        let may_be_alone = !self.is_of_several && self.answered_for.as_ref().is_some_and(|id| id != phone_number_id);
        let is_lasting = call.at.duration_since(since).unsigned_abs() >= patience;
        if self.is_told || may_be_alone || self.failures < FAILURES || !is_lasting {
            return None;
        }
        self.is_told = true;
        let (resource, phone_number_id) = (resource.to_owned(), phone_number_id.to_owned());
        Some(Line::Silent { since, failures: self.failures, resource, phone_number_id, error: error.to_string() })
    }

    fn ended(&mut self, call: &Call<'_>) -> Option<Line> {
        let Self { failures, since, is_told, answered_for, .. } = std::mem::take(self);
        let mut answered_for = answered_for.unwrap_or_default();
        call.caller.phone_number_id.clone_into(&mut answered_for);
        self.answered_for = Some(answered_for);
        let since = since.filter(|_| is_told)?;
        Some(Line::AnswersAgain { since, failures, lasted: call.at.duration_since(since) })
    }
}

impl Waiting {
    /// The calls that a hold affects, and Meta's answer that caused the hold.
    fn of<'a>(caller: &Caller<'_>, cause: &'a HoldCause) -> (Self, &'a GraphError) {
        let error = match cause {
            HoldCause::CredentialsRefused(error) => return (Self::Token(caller.token.to_owned()), error),
            HoldCause::RateLimited(error) => error,
        };
        let scope = match &error.class {
            ErrorClass::RateLimited { scope, .. } => scope,
            ErrorClass::Token
            | ErrorClass::AppSecretProof
            | ErrorClass::Permission
            | ErrorClass::UnknownId
            | ErrorClass::NotRegistered
            | ErrorClass::Invalid
            | ErrorClass::Policy
            | ErrorClass::Transient
            | ErrorClass::Unexpected => &RateLimitScope::BusinessAccount(None),
        };
        let waiting = match scope {
            RateLimitScope::Token => Self::Token(caller.token.to_owned()),
            RateLimitScope::BusinessAccount(Some(account)) => Self::BusinessAccount(account.clone()),
            RateLimitScope::BusinessAccount(None) => Self::Resource(caller.resource.to_owned()),
            RateLimitScope::PhoneNumber => Self::PhoneNumber(caller.phone_number_id.to_owned()),
        };
        (waiting, error)
    }

    fn scope(&self) -> HoldScope {
        match self {
            Self::Token(_) => HoldScope::Token,
            Self::BusinessAccount(_) => HoldScope::BusinessAccount,
            Self::Resource(_) => HoldScope::Resource,
            Self::PhoneNumber(_) => HoldScope::PhoneNumber,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Token(name) | Self::BusinessAccount(name) | Self::Resource(name) | Self::PhoneNumber(name) => name,
        }
    }
}

impl Line {
    /// Writes the line to the log.
    pub(super) fn log(&self) {
        match self {
            Self::Silent { since, failures, resource, phone_number_id, error } => {
                let since = utc(*since);
                tracing::warn!(%since, failures, resource, phone_number_id, error, "Meta has stopped answering; every call is tried again, ever more slowly");
            }
            Self::AnswersAgain { since, failures, lasted } => {
                let since = utc(*since);
                tracing::info!(%since, failures, lasted_s = lasted.as_secs(), "Meta answers again");
            }
            Self::HoldBegins { waiting, until, resource, phone_number_id, error } => {
                let (scope, name, until) = (waiting.scope().as_str(), waiting.name(), utc(*until));
                tracing::warn!(scope, name, %until, resource, phone_number_id, error, "calls to Meta wait");
            }
            Self::HoldEnds { waiting, since, lasted } => {
                let (scope, name, since) = (waiting.scope().as_str(), waiting.name(), utc(*since));
                tracing::info!(scope, name, %since, lasted_s = lasted.as_secs(), "calls to Meta go on");
            }
        }
    }
}

#[cfg(test)]
mod tests;
