//! When a call may be made: what earlier answers asked for, for the token, the business account, the number.
//!
//! Every resource goes through the same [`Pacing`], so that a refused token costs one call and not one per number.
//! [`Book`] decides and is synchronous; `Pacing` waits where it says so, and holds the operator's own ceilings.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::credentials::CredentialsId;
use super::error::{ErrorClass, GraphError, RateLimitScope};
use super::usage::Usage;

/// A refused token is tried again after this, doubling.
const FIRST_REFUSAL: Duration = Duration::from_secs(5 * 60);
/// The longest wait between two tries of a refused token.
const MAX_REFUSAL: Duration = Duration::from_secs(60 * 60);
/// The wait after a rate limit that names none.
const DEFAULT_RATE_LIMIT_WAIT: Duration = Duration::from_secs(60);
/// For how long an accepted token is used without a single call going ahead of the others.
const TRUST: Duration = Duration::from_secs(30);
/// After so many first calls that showed nothing of the token, the others go too: a hanging number must not
/// hold back the rest.
const MAX_INCONCLUSIVE: u32 = 3;
/// Above this share of Meta's budget every call waits a little.
const SLOW_ABOVE_PERCENT: u32 = 80;
/// How long, for each percent above it.
const SLOW_PER_PERCENT: Duration = Duration::from_millis(100);
/// For how long a usage header counts.
const USAGE_LIFETIME: Duration = Duration::from_secs(60);

/// Ceilings over everything that this process sends, and the scale of its waits.
#[derive(Debug, Clone, Copy)]
pub struct Ceilings {
    /// Requests begun per second; none lifts the ceiling.
    pub requests_per_second: Option<NonZeroU32>,
    /// Requests under way at once; none lifts the ceiling.
    pub concurrency: Option<NonZeroU32>,
}

/// Who calls, for which number.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The credentials in use.
    pub credentials: CredentialsId,
    /// `namespace/name` of the resource.
    pub resource: &'a str,
    /// The phone number ID.
    pub phone_number_id: &'a str,
}

/// A call that was not made.
#[derive(Debug, Clone, PartialEq)]
pub struct Pause {
    /// Why.
    pub cause: PauseCause,
    /// From when on it makes sense to try again.
    pub until: Instant,
}

/// Why a call was not made, with the answer that is the reason.
#[derive(Debug, Clone, PartialEq)]
pub enum PauseCause {
    /// The credentials were refused.
    CredentialsRefused(Arc<GraphError>),
    /// A rate limit is in force.
    RateLimited(Arc<GraphError>),
}

/// Shared by all calls of the process.
pub struct Pacing {
    book: Mutex<Book>,
    rate: Option<DefaultDirectRateLimiter>,
    slots: Option<Semaphore>,
}

/// Permission for one call. Must be told what came of it with [`Pass::finish`]; dropped without, the call counts
/// as never made.
pub struct Pass<'a> {
    pacing: &'a Pacing,
    caller: Caller<'a>,
    is_probe: bool,
    finished: bool,
    _slot: Option<SemaphorePermit<'a>>,
}

impl Pacing {
    /// Pacing with nothing known yet.
    pub fn new(ceilings: Ceilings) -> Self {
        Self {
            book: Mutex::default(),
            rate: ceilings.requests_per_second.map(|n| DefaultDirectRateLimiter::direct(Quota::per_second(n))),
            slots: ceilings.concurrency.map(|n| Semaphore::new(n.get() as usize)),
        }
    }

    /// Waits for the turn of a call.
    ///
    /// # Errors
    /// The pause that is in force, at once: rounds end and come back, they do not sleep.
    pub async fn enter<'a>(&'a self, caller: Caller<'a>) -> Result<Pass<'a>, Pause> {
        let mut pass = self.admit(caller).await?;
        if let Some(slots) = &self.slots {
            // The semaphore is never closed, so this always yields a permit.
            pass._slot = slots.acquire().await.ok();
        }
        let delay = self.book().delay(&caller, Instant::now());
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if let Some(rate) = &self.rate {
            rate.until_ready().await;
        }
        // What was heard while waiting for the turn counts.
        match self.book().pause(&caller, Instant::now()) {
            Some(pause) if !pass.is_probe => Err(pause),
            _ => Ok(pass),
        }
    }

    async fn admit<'a>(&'a self, caller: Caller<'a>) -> Result<Pass<'a>, Pause> {
        loop {
            // Scoped so that the lock is not held while waiting.
            let verdict = { self.book().admit(&caller, Instant::now()) };
            match verdict {
                Verdict::Go { is_probe } => {
                    return Ok(Pass { pacing: self, caller, is_probe, finished: false, _slot: None });
                }
                Verdict::Stop(pause) => return Err(pause),
                Verdict::Wait(turn) => {
                    let notified = turn.notified();
                    tokio::pin!(notified);
                    notified.as_mut().enable();
                    // The probe may have ended between the verdict and the registration.
                    if self.book().is_probing(caller.credentials) {
                        notified.await;
                    }
                }
            }
        }
    }

    /// Credentials that are paused now: how many, and the longest until one may go on.
    pub fn paused(&self) -> (usize, Duration) {
        self.book().paused(Instant::now())
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        // The book is consistent after every method, even one that panicked.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Records what came of the call. Returns the pause that its failure brought about, if it did.
    pub(super) fn finish(mut self, error: Option<&GraphError>, usage: &Usage) -> Option<Pause> {
        self.finished = true;
        let now = Instant::now();
        let mut book = self.pacing.book();
        book.record(&self.caller, self.is_probe, error, usage, now);
        match &error?.class {
            ErrorClass::Token | ErrorClass::AppSecretProof | ErrorClass::RateLimited { .. } => {
                book.pause(&self.caller, now)
            }
            ErrorClass::Permission
            | ErrorClass::UnknownId
            | ErrorClass::NotRegistered
            | ErrorClass::Invalid
            | ErrorClass::Policy
            | ErrorClass::Transient
            | ErrorClass::Unexpected => None,
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.is_probe && !self.finished {
            self.pacing.book().abandon_probe(self.caller.credentials);
        }
    }
}

enum Verdict {
    Go { is_probe: bool },
    Wait(Arc<Notify>),
    Stop(Pause),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    Credentials(CredentialsId),
    BusinessAccount(String),
    Resource(String),
    PhoneNumber(String),
}

/// What is known of tokens and limits.
#[derive(Default)]
struct Book {
    tokens: HashMap<CredentialsId, Token>,
    limits: HashMap<Subject, Pause>,
    /// Which business account a number belongs to, as far as headers told.
    accounts: HashMap<String, String>,
    usage: HashMap<Subject, (u32, Instant)>,
    sweep_at: usize,
}

#[derive(Default)]
struct Token {
    standing: Standing,
    probing: bool,
    inconclusive: u32,
    refusals: u32,
    turn: Arc<Notify>,
}

#[derive(Default)]
enum Standing {
    #[default]
    Unknown,
    Accepted {
        at: Instant,
    },
    Refused(Pause),
}

impl Book {
    fn admit(&mut self, caller: &Caller<'_>, now: Instant) -> Verdict {
        if let Some(pause) = self.pause(caller, now) {
            return Verdict::Stop(pause);
        }
        self.sweep(now);
        let token = self.tokens.entry(caller.credentials).or_default();
        let is_trusted = match token.standing {
            Standing::Accepted { at } => now.duration_since(at) < TRUST,
            Standing::Unknown | Standing::Refused(_) => false,
        };
        if is_trusted || token.inconclusive >= MAX_INCONCLUSIVE {
            return Verdict::Go { is_probe: false };
        }
        if token.probing {
            return Verdict::Wait(Arc::clone(&token.turn));
        }
        token.probing = true;
        Verdict::Go { is_probe: true }
    }

    fn is_probing(&self, credentials: CredentialsId) -> bool {
        self.tokens.get(&credentials).is_some_and(|token| token.probing)
    }

    fn pause(&self, caller: &Caller<'_>, now: Instant) -> Option<Pause> {
        let refusal = match self.tokens.get(&caller.credentials).map(|token| &token.standing) {
            Some(Standing::Refused(pause)) => Some(pause),
            _ => None,
        };
        let limits = self.subjects(caller).filter_map(|subject| self.limits.get(&subject));
        refusal.into_iter().chain(limits).filter(|pause| pause.until > now).max_by_key(|pause| pause.until).cloned()
    }

    fn subjects(&self, caller: &Caller<'_>) -> impl Iterator<Item = Subject> {
        [
            Some(Subject::Credentials(caller.credentials)),
            Some(Subject::Resource(caller.resource.to_owned())),
            Some(Subject::PhoneNumber(caller.phone_number_id.to_owned())),
            self.accounts.get(caller.phone_number_id).cloned().map(Subject::BusinessAccount),
        ]
        .into_iter()
        .flatten()
    }

    fn delay(&self, caller: &Caller<'_>, now: Instant) -> Duration {
        let percent = self
            .subjects(caller)
            .filter_map(|subject| self.usage.get(&subject))
            .filter(|(_, at)| now.duration_since(*at) < USAGE_LIFETIME)
            .map(|(percent, _)| *percent)
            .max()
            .unwrap_or(0);
        SLOW_PER_PERCENT * percent.min(100).saturating_sub(SLOW_ABOVE_PERCENT)
    }

    fn record(&mut self, caller: &Caller<'_>, is_probe: bool, error: Option<&GraphError>, usage: &Usage, now: Instant) {
        self.record_usage(caller, usage, now);
        if let Some(error) = error {
            self.record_limit(caller, error, now);
        }
        let token = self.tokens.entry(caller.credentials).or_default();
        match error.map(|error| (error, &error.class)) {
            Some((error, ErrorClass::Token | ErrorClass::AppSecretProof)) => token.refuse(error, now),
            // A limit or a failure on the way says nothing of the token.
            Some((_, ErrorClass::RateLimited { .. } | ErrorClass::Transient | ErrorClass::Unexpected)) => {
                token.inconclusive = token.inconclusive.saturating_add(u32::from(is_probe));
            }
            None
            | Some((
                _,
                ErrorClass::Permission
                | ErrorClass::UnknownId
                | ErrorClass::NotRegistered
                | ErrorClass::Invalid
                | ErrorClass::Policy,
            )) => token.accept(now),
        }
        if is_probe {
            token.probing = false;
            token.turn.notify_waiters();
        }
    }

    fn record_usage(&mut self, caller: &Caller<'_>, usage: &Usage, now: Instant) {
        if usage.app_percent > 0 {
            self.usage.insert(Subject::Credentials(caller.credentials), (usage.app_percent, now));
        }
        if let Some(account) = &usage.business_account {
            if self.accounts.get(caller.phone_number_id) != Some(account) {
                self.accounts.insert(caller.phone_number_id.to_owned(), account.clone());
            }
            self.usage.insert(Subject::BusinessAccount(account.clone()), (usage.business_percent, now));
        }
    }

    fn record_limit(&mut self, caller: &Caller<'_>, error: &GraphError, now: Instant) {
        let ErrorClass::RateLimited { scope, wait } = &error.class else {
            return;
        };
        let subject = match scope {
            RateLimitScope::Token => Subject::Credentials(caller.credentials),
            RateLimitScope::BusinessAccount(Some(account)) => Subject::BusinessAccount(account.clone()),
            RateLimitScope::BusinessAccount(None) => Subject::Resource(caller.resource.to_owned()),
            RateLimitScope::PhoneNumber => Subject::PhoneNumber(caller.phone_number_id.to_owned()),
        };
        let until = now + wait.unwrap_or(DEFAULT_RATE_LIMIT_WAIT);
        self.limits.insert(subject, Pause { cause: PauseCause::RateLimited(Arc::new(error.clone())), until });
    }

    fn abandon_probe(&mut self, credentials: CredentialsId) {
        if let Some(token) = self.tokens.get_mut(&credentials) {
            token.probing = false;
            token.turn.notify_waiters();
        }
    }

    fn paused(&self, now: Instant) -> (usize, Duration) {
        let refusals = self.tokens.values().filter_map(|token| match &token.standing {
            Standing::Refused(pause) => Some(pause.until),
            Standing::Unknown | Standing::Accepted { .. } => None,
        });
        let limits = self.limits.iter().filter_map(|(subject, pause)| match subject {
            Subject::Credentials(_) => Some(pause.until),
            Subject::BusinessAccount(_) | Subject::Resource(_) | Subject::PhoneNumber(_) => None,
        });
        let waits: Vec<_> = refusals.chain(limits).filter(|until| *until > now).map(|until| until - now).collect();
        (waits.len(), waits.into_iter().max().unwrap_or_default())
    }

    /// Forgets what no longer counts, now and then, so that the book does not grow with every token ever seen.
    fn sweep(&mut self, now: Instant) {
        let size = self.tokens.len() + self.limits.len() + self.usage.len();
        if size < self.sweep_at.max(64) {
            return;
        }
        self.limits.retain(|_, pause| pause.until > now);
        self.usage.retain(|_, (_, at)| now.duration_since(*at) < USAGE_LIFETIME);
        self.tokens.retain(|_, token| match &token.standing {
            _ if token.probing => true,
            Standing::Unknown => false,
            Standing::Accepted { at } => now.duration_since(*at) < TRUST,
            // Kept beyond its end: the next refusal doubles the wait.
            Standing::Refused(pause) => now < pause.until + MAX_REFUSAL,
        });
        self.sweep_at = 2 * (self.tokens.len() + self.limits.len() + self.usage.len());
    }
}

impl Token {
    fn accept(&mut self, now: Instant) {
        self.standing = Standing::Accepted { at: now };
        self.inconclusive = 0;
        self.refusals = 0;
    }

    fn refuse(&mut self, error: &GraphError, now: Instant) {
        // Calls that were under way together count as one refusal.
        if !matches!(&self.standing, Standing::Refused(pause) if pause.until > now) {
            self.refusals = self.refusals.saturating_add(1);
        }
        let wait = FIRST_REFUSAL.saturating_mul(1 << self.refusals.saturating_sub(1).min(16)).min(MAX_REFUSAL);
        self.inconclusive = 0;
        self.standing = Standing::Refused(Pause {
            cause: PauseCause::CredentialsRefused(Arc::new(error.clone())),
            until: now + wait,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::credentials::{AccessToken, Credentials};
    use super::*;

    fn caller<'a>(token: &str, resource: &'a str, number: &'a str) -> Caller<'a> {
        let credentials = Credentials::new(AccessToken::new(token.as_bytes()).unwrap(), None).id();
        Caller { credentials, resource, phone_number_id: number }
    }

    fn failed(class: ErrorClass) -> GraphError {
        GraphError::on_the_way(class, Some(400), "refused")
    }

    fn limited(scope: RateLimitScope, seconds: u64) -> GraphError {
        failed(ErrorClass::RateLimited { scope, wait: Some(Duration::from_secs(seconds)) })
    }

    fn goes(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Go { .. })
    }

    #[test]
    fn the_first_call_with_a_token_goes_alone_and_its_success_opens_the_way() {
        let (mut book, now, caller) = (Book::default(), Instant::now(), caller("a", "ns/a", "1"));
        assert!(matches!(book.admit(&caller, now), Verdict::Go { is_probe: true }));
        assert!(matches!(book.admit(&caller, now), Verdict::Wait(_)));
        book.record(&caller, true, None, &Usage::default(), now);
        assert!(matches!(book.admit(&caller, now), Verdict::Go { is_probe: false }));
        assert!(matches!(book.admit(&caller, now + TRUST), Verdict::Go { is_probe: true }));
    }

    #[test]
    fn a_refused_token_stops_every_resource_and_is_tried_again_ever_more_slowly() {
        let (mut book, mut now) = (Book::default(), Instant::now());
        let (first, other) = (caller("a", "ns/a", "1"), caller("a", "ns/b", "2"));
        for minutes in [5, 10, 20, 40, 60, 60] {
            assert!(goes(&book.admit(&first, now)));
            book.record(&first, true, Some(&failed(ErrorClass::Token)), &Usage::default(), now);
            let wait = Duration::from_secs(minutes * 60);
            let Verdict::Stop(pause) = book.admit(&other, now) else { panic!("the token is refused") };
            assert_eq!(pause.until, now + wait);
            assert!(goes(&book.admit(&caller("b", "ns/a", "1"), now)), "another token is free");
            book.abandon_probe(caller("b", "", "").credentials);
            now += wait;
        }
    }

    #[test]
    fn a_permission_error_shows_that_the_token_is_good() {
        let (mut book, now, caller) = (Book::default(), Instant::now(), caller("a", "ns/a", "1"));
        assert!(goes(&book.admit(&caller, now)));
        book.record(&caller, true, Some(&failed(ErrorClass::Permission)), &Usage::default(), now);
        assert!(matches!(book.admit(&caller, now), Verdict::Go { is_probe: false }));
    }

    #[test]
    fn inconclusive_first_calls_do_not_hold_the_others_back_for_long() {
        let (mut book, now, caller) = (Book::default(), Instant::now(), caller("a", "ns/a", "1"));
        for _ in 0..MAX_INCONCLUSIVE {
            assert!(matches!(book.admit(&caller, now), Verdict::Go { is_probe: true }));
            book.record(&caller, true, Some(&failed(ErrorClass::Transient)), &Usage::default(), now);
        }
        assert!(matches!(book.admit(&caller, now), Verdict::Go { is_probe: false }));
    }

    #[test]
    fn a_rate_limit_pauses_what_it_names() {
        let now = Instant::now();
        let me = caller("a", "ns/a", "1");
        let rows = [
            (RateLimitScope::Token, [false, false, false, true]),
            (RateLimitScope::BusinessAccount(Some("waba".into())), [false, true, false, false]),
            (RateLimitScope::BusinessAccount(None), [false, false, true, true]),
            (RateLimitScope::PhoneNumber, [false, true, true, false]),
        ];
        for (scope, goes_on) in rows {
            let mut book = Book::default();
            book.record(&me, false, None, &Usage { business_account: Some("waba".into()), ..Usage::default() }, now);
            let same_account = caller("b", "ns/b", "3");
            book.record(
                &same_account,
                false,
                None,
                &Usage { business_account: Some("waba".into()), ..Usage::default() },
                now,
            );
            book.record(&me, false, Some(&limited(scope.clone(), 30)), &Usage::default(), now);
            let others = [me, caller("a", "ns/a", "2"), caller("a", "ns/c", "4"), same_account];
            let verdicts = others.map(|other| goes(&book.admit(&other, now)));
            assert_eq!(verdicts[0], goes_on[0], "{scope:?}");
            match scope {
                RateLimitScope::Token => assert_eq!(verdicts, [false, false, false, true]),
                RateLimitScope::BusinessAccount(Some(_)) => {
                    assert_eq!(verdicts, [false, true, true, false])
                }
                RateLimitScope::BusinessAccount(None) => {
                    assert_eq!(verdicts, [false, false, true, true])
                }
                RateLimitScope::PhoneNumber => assert_eq!(verdicts, [false, true, true, true]),
            }
            assert!(goes(&book.admit(&me, now + Duration::from_secs(30))));
        }
    }

    #[test]
    fn usage_above_eighty_percent_slows_down() {
        let (mut book, now, caller) = (Book::default(), Instant::now(), caller("a", "ns/a", "1"));
        book.record(&caller, false, None, &Usage { app_percent: 79, ..Usage::default() }, now);
        assert_eq!(book.delay(&caller, now), Duration::ZERO);
        book.record(&caller, false, None, &Usage { app_percent: 95, ..Usage::default() }, now);
        assert_eq!(book.delay(&caller, now), Duration::from_millis(1500));
        assert_eq!(book.delay(&caller, now + USAGE_LIFETIME), Duration::ZERO);
    }

    #[test]
    fn the_book_forgets() {
        let (mut book, now) = (Book::default(), Instant::now());
        for n in 0..1000 {
            let name = format!("{n}");
            let caller = caller(&name, &name, &name);
            assert!(goes(&book.admit(&caller, now + TRUST * n)));
            book.record(&caller, true, Some(&limited(RateLimitScope::Token, 1)), &Usage::default(), now + TRUST * n);
        }
        assert!(book.tokens.len() + book.limits.len() <= 130, "{} {}", book.tokens.len(), book.limits.len());
    }

    #[tokio::test]
    async fn a_hundred_calls_at_once_with_a_bad_token_are_one() {
        let pacing = Pacing::new(Ceilings { requests_per_second: None, concurrency: None });
        let calls = std::sync::atomic::AtomicUsize::new(0);
        let attempt = || async {
            let Ok(pass) = pacing.enter(caller("bad", "ns/a", "1")).await else {
                return;
            };
            calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::task::yield_now().await;
            pass.finish(Some(&failed(ErrorClass::Token)), &Usage::default());
        };
        futures::future::join_all((0..100).map(|_| attempt())).await;
        assert_eq!(calls.into_inner(), 1);
        assert_eq!(pacing.paused().0, 1);
    }
}
