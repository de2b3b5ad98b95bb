//! The state of the rate limiter: what earlier answers said about tokens, accounts, resources and numbers. Decides
//! about the next call.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;
use waflows_core::meta::{ErrorClass, GraphError, HoldScope, RateLimitScope};

use super::hold::{ActiveHolds, Caller, Hold, HoldCause};
use super::recent::Recent;
use super::token::{BreakerState, Token, Turn};
use crate::graph::credentials::CredentialsId;
use crate::graph::usage::Usage;

/// The wait after a rate limit without a time. Doubles with each rate limit that follows at once.
pub(super) const DEFAULT_RATE_LIMIT_WAIT: Duration = Duration::from_secs(60);
/// The longest wait after a rate limit without a time.
const MAX_RATE_LIMIT_WAIT: Duration = Duration::from_secs(60 * 60);
/// The shortest wait after a rate limit: `Retry-After: 0` must not cause a loop.
const MIN_RATE_LIMIT_WAIT: Duration = Duration::from_secs(1);
/// Above this percentage of Meta's budget every call is delayed.
const SLOW_ABOVE_PERCENT: u32 = 80;
/// The delay for each percent above [`SLOW_ABOVE_PERCENT`].
const SLOW_PER_PERCENT: Duration = Duration::from_millis(100);
/// How long a usage header is valid.
pub(super) const USAGE_LIFETIME: Duration = Duration::from_secs(60);

/// The decision about a call.
pub(super) enum Admission {
    /// The call may begin. A probe tests the token, and other calls with the token wait for it.
    Go { is_probe: bool },
    /// The call must wait until another call has tested the token.
    Wait(OwnedNotified),
    /// A hold is in force.
    Stop(Hold),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum LimitedScope {
    Credentials(CredentialsId),
    BusinessAccount(Arc<str>),
    Resource(String),
    /// The numbers of a resource whose business account is not known yet.
    Unplaced(String),
    PhoneNumber(String),
}

impl LimitedScope {
    /// The scope of a hold in metrics. None if the hold is part of another one.
    fn scope(&self) -> Option<HoldScope> {
        match self {
            Self::Credentials(_) => Some(HoldScope::Token),
            Self::BusinessAccount(_) => Some(HoldScope::BusinessAccount),
            Self::Resource(_) => Some(HoldScope::Resource),
            Self::Unplaced(_) => None,
            Self::PhoneNumber(_) => Some(HoldScope::PhoneNumber),
        }
    }
}

#[derive(Clone)]
struct Limit {
    hold: Hold,
    wait: Duration,
}

/// The known state of tokens and rate limits.
pub(super) struct LimiterState {
    tokens: HashMap<CredentialsId, Token>,
    limits: HashMap<LimitedScope, Limit>,
    /// The business account of each phone number ID, as far as known from headers.
    accounts: Recent<Arc<str>>,
    usage: HashMap<LimitedScope, (u32, Instant)>,
    sweep_at: usize,
    wait_scale: f64,
    share: usize,
}

impl LimiterState {
    /// An empty state. `wait_scale` is a factor for the operator's own waits; each token gets `share` slots.
    pub(super) fn new(wait_scale: f64, share: usize) -> Self {
        Self {
            tokens: HashMap::new(),
            limits: HashMap::new(),
            accounts: Recent::default(),
            usage: HashMap::new(),
            sweep_at: 0,
            wait_scale,
            share,
        }
    }

    pub(super) fn admit(&mut self, caller: &Caller<'_>, now: Instant) -> Admission {
        if let Some(hold) = self.hold(caller, now) {
            return Admission::Stop(hold);
        }
        self.sweep(now);
        match self.token(caller.credentials).turn(now) {
            Turn::Free => Admission::Go { is_probe: false },
            Turn::Ahead => Admission::Go { is_probe: true },
            Turn::After(turn) => Admission::Wait(turn),
        }
    }

    pub(super) fn share(&mut self, credentials: CredentialsId) -> Arc<Semaphore> {
        Arc::clone(&self.token(credentials).share)
    }

    fn token(&mut self, credentials: CredentialsId) -> &mut Token {
        let share = self.share;
        self.tokens.entry(credentials).or_insert_with(|| Token::new(share))
    }

    /// The hold that blocks a call: refused credentials before rate limits; of several rate limits, the longest.
    pub(super) fn hold(&self, caller: &Caller<'_>, now: Instant) -> Option<Hold> {
        let limits = || {
            let limits = self.scopes_of(caller).filter_map(|limited| self.limits.get(&limited));
            limits.map(|limit| &limit.hold).filter(|hold| hold.until > now).max_by_key(|hold| hold.until)
        };
        self.refusal(caller.credentials, now).or_else(limits).cloned()
    }

    /// The active hold for refused credentials.
    pub(super) fn refusal(&self, credentials: CredentialsId, now: Instant) -> Option<&Hold> {
        match self.tokens.get(&credentials).map(|token| &token.breaker_state) {
            Some(BreakerState::Refused { hold, .. }) if hold.until > now => Some(hold),
            _ => None,
        }
    }

    /// Whether Meta has just accepted the token, and no known rate limit concerns this call.
    pub(super) fn trusts(&self, caller: &Caller<'_>, now: Instant) -> bool {
        let is_accepted = self.tokens.get(&caller.credentials).is_some_and(|token| token.is_trusted(now));
        // A limit that has ended may begin again.
        let has_limit = |limited| self.limits.contains_key(&limited);
        is_accepted && (self.limits.is_empty() || !self.scopes_of(caller).any(has_limit))
    }

    fn scopes_of(&self, caller: &Caller<'_>) -> impl Iterator<Item = LimitedScope> {
        [
            Some(LimitedScope::Credentials(caller.credentials)),
            Some(LimitedScope::Resource(caller.resource.to_owned())),
            Some(LimitedScope::PhoneNumber(caller.phone_number_id.to_owned())),
            Some(match self.accounts.get(caller.phone_number_id) {
                Some(account) => LimitedScope::BusinessAccount(Arc::clone(account)),
                None => LimitedScope::Unplaced(caller.resource.to_owned()),
            }),
        ]
        .into_iter()
        .flatten()
    }

    /// The business account of a number, if known from headers.
    pub(super) fn account(&self, phone_number_id: &str) -> Option<Arc<str>> {
        self.accounts.get(phone_number_id).cloned()
    }

    /// The delay of a call that protects Meta's budget.
    pub(super) fn delay(&self, caller: &Caller<'_>, now: Instant) -> Duration {
        let percent = self
            .scopes_of(caller)
            .filter_map(|limited| self.usage.get(&limited))
            .filter(|(_, at)| now.duration_since(*at) < USAGE_LIFETIME)
            .map(|(percent, _)| *percent)
            .max()
            .unwrap_or(0);
        SLOW_PER_PERCENT * percent.min(100).saturating_sub(SLOW_ABOVE_PERCENT)
    }

    /// Records the result of a call that began at `begun`.
    pub(super) fn record(
        &mut self,
        caller: &Caller<'_>,
        is_probe: bool,
        begun: Instant,
        error: Option<&GraphError>,
        usage: &Usage,
        now: Instant,
    ) {
        let was_placed = self.accounts.get(caller.phone_number_id).is_some();
        self.record_usage(caller, usage, now);
        if let Some(error) = error.cloned().or_else(|| usage.announced_limit()) {
            self.record_limit(caller, error, now);
        }
        if !was_placed {
            self.hold_unplaced(caller, error);
        }
        let wait_scale = self.wait_scale;
        let token = self.token(caller.credentials);
        match error.map(|error| (error, &error.class)) {
            Some((error, ErrorClass::Token | ErrorClass::AppSecretProof)) => token.refuse(error, wait_scale, now),
            // A rate limit or a connection failure says nothing about the token.
            Some((_, ErrorClass::RateLimited { .. } | ErrorClass::Transient | ErrorClass::Unexpected)) if is_probe => {
                token.learn_nothing();
            }
            Some((_, ErrorClass::RateLimited { .. } | ErrorClass::Transient | ErrorClass::Unexpected)) => {}
            None
            | Some((
                _,
                ErrorClass::Permission
                | ErrorClass::UnknownId
                | ErrorClass::NotRegistered
                | ErrorClass::Invalid
                | ErrorClass::Policy,
            )) => token.accept(begun, now),
        }
        if is_probe {
            token.end_probe();
        }
        token.wake();
    }

    fn record_usage(&mut self, caller: &Caller<'_>, usage: &Usage, now: Instant) {
        if usage.app_percent > 0 {
            self.usage.insert(LimitedScope::Credentials(caller.credentials), (usage.app_percent, now));
        }
        if let Some(account) = &usage.business_account {
            let account: Arc<str> = account.as_str().into();
            self.accounts.insert(caller.phone_number_id, Arc::clone(&account));
            self.usage.insert(LimitedScope::BusinessAccount(account), (usage.business_percent, now));
        }
    }

    fn record_limit(&mut self, caller: &Caller<'_>, error: GraphError, now: Instant) {
        let ErrorClass::RateLimited { scope, wait } = &error.class else {
            return;
        };
        let limited = match scope {
            RateLimitScope::Token => LimitedScope::Credentials(caller.credentials),
            RateLimitScope::BusinessAccount(Some(account)) => LimitedScope::BusinessAccount(account.as_str().into()),
            RateLimitScope::BusinessAccount(None) => LimitedScope::Resource(caller.resource.to_owned()),
            RateLimitScope::PhoneNumber => LimitedScope::PhoneNumber(caller.phone_number_id.to_owned()),
        };
        let known = self.limits.get(&limited);
        let wait = match (wait, known) {
            (Some(wait), _) => (*wait).max(MIN_RATE_LIMIT_WAIT),
            // Concurrent calls count as one.
            (None, Some(known)) if known.hold.until > now => known.wait,
            (None, Some(known)) if known.hold.until + known.wait > now => (known.wait * 2).min(MAX_RATE_LIMIT_WAIT),
            (None, _) => DEFAULT_RATE_LIMIT_WAIT.mul_f64(self.wait_scale),
        };
        // A call that began earlier may have got a shorter wait.
        let until = known.map_or(now + wait, |known| known.hold.until.max(now + wait));
        let cause = HoldCause::RateLimited(Arc::new(error));
        self.limits.insert(limited, Limit { hold: Hold { cause, until }, wait });
    }

    /// Holds the other numbers of a resource if one number turned out to belong to a limited account, and the accounts
    /// of the others are unknown. Otherwise each of them would cost a refused call. Whenever the hold ends, one of them
    /// is called first. So numbers of another account get their turn, however long this account stays limited.
    fn hold_unplaced(&mut self, caller: &Caller<'_>, error: Option<&GraphError>) {
        let Some(ErrorClass::RateLimited { scope: RateLimitScope::BusinessAccount(Some(account)), .. }) =
            error.map(|error| &error.class)
        else {
            return;
        };
        let Some(limit) = self.limits.get(&LimitedScope::BusinessAccount(account.as_str().into())).cloned() else {
            return;
        };
        let unplaced = LimitedScope::Unplaced(caller.resource.to_owned());
        if self.limits.get(&unplaced).is_none_or(|known| known.hold.until < limit.hold.until) {
            self.limits.insert(unplaced, limit);
        }
    }

    pub(super) fn abandon_probe(&mut self, credentials: CredentialsId) {
        if let Some(token) = self.tokens.get_mut(&credentials) {
            token.end_probe();
            token.wake();
        }
    }

    pub(super) fn active_holds(&self, now: Instant) -> [ActiveHolds; 4] {
        let mut holds = HoldScope::ALL.map(|scope| ActiveHolds { scope, count: 0, longest: Duration::ZERO });
        let refusals = self.tokens.values().filter_map(|token| match &token.breaker_state {
            BreakerState::Refused { hold, .. } => Some((HoldScope::Token, hold.until)),
            BreakerState::Unknown | BreakerState::Accepted { .. } => None,
        });
        let limits = self.limits.iter().filter_map(|(limited, limit)| Some((limited.scope()?, limit.hold.until)));
        for (scope, until) in refusals.chain(limits).filter(|(_, until)| *until > now) {
            for known in holds.iter_mut().filter(|known| known.scope == scope) {
                known.count += 1;
                known.longest = known.longest.max(until - now);
            }
        }
        holds
    }

    /// Removes expired entries now and then, so that the state does not grow with every token ever seen.
    fn sweep(&mut self, now: Instant) {
        if self.len() < self.sweep_at.max(64) {
            return;
        }
        // Keep a limit beyond its end: the next limit without a time doubles its wait.
        self.limits.retain(|_, limit| limit.hold.until + limit.wait > now);
        self.usage.retain(|_, (_, at)| now.duration_since(*at) < USAGE_LIFETIME);
        self.tokens.retain(|_, token| !token.is_idle(now));
        self.sweep_at = 2 * self.len();
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len() + self.limits.len() + self.usage.len()
    }
}
