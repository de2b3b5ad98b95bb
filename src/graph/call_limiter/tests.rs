mod accounts;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use waflows_core::meta::{HoldScope, RateLimitScope};

use super::super::credentials::{AccessToken, Credentials};
use super::state::{DEFAULT_RATE_LIMIT_WAIT, USAGE_LIFETIME};
use super::token::{HALF_TRUST, INCONCLUSIVE_PER_STEP, MAX_REFUSAL, TRUST, Token};
use super::*;

fn caller<'a>(token: &str, resource: &'a str, number: &'a str) -> Caller<'a> {
    let credentials = Credentials::new(AccessToken::new(token.as_bytes()).unwrap(), None).id();
    Caller { credentials, token: "Secret shop/token, entry token", resource, phone_number_id: number }
}

fn failed(class: ErrorClass) -> GraphError {
    GraphError::on_the_way(class, Some(400), "refused")
}

fn limited(scope: RateLimitScope, seconds: u64) -> GraphError {
    failed(ErrorClass::RateLimited { scope, wait: Some(Duration::from_secs(seconds)) })
}

fn unnamed_limit() -> GraphError {
    failed(ErrorClass::RateLimited { scope: RateLimitScope::Token, wait: None })
}

fn goes(admission: &Admission) -> bool {
    matches!(admission, Admission::Go { .. })
}

fn is_probe(admission: &Admission) -> bool {
    matches!(admission, Admission::Go { is_probe: true })
}

/// A state, with shorter ways to use it.
struct Desk {
    state: LimiterState,
    now: Instant,
}

impl Desk {
    fn new() -> Self {
        Self { state: LimiterState::new(1.0, 24), now: Instant::now() }
    }

    fn admit(&mut self, caller: &Caller<'_>) -> Admission {
        self.state.admit(caller, self.now)
    }

    fn record(&mut self, caller: &Caller<'_>, is_probe: bool, error: Option<&GraphError>) {
        self.state.record(caller, is_probe, self.now, error, &Usage::default(), self.now);
    }

    fn record_usage(&mut self, caller: &Caller<'_>, usage: &Usage) {
        self.state.record(caller, false, self.now, None, usage, self.now);
    }

    fn until(&mut self, caller: &Caller<'_>) -> Duration {
        self.state.hold(caller, self.now).map_or(Duration::ZERO, |hold| hold.until - self.now)
    }
}

fn of_account(account: &str) -> Usage {
    Usage { business_account: Some(account.into()), ..Usage::default() }
}

fn unlimited() -> Limits {
    Limits { requests_per_second: None, concurrency: None, wait_scale: 1.0 }
}

fn limits(per_second: u32, concurrency: u32) -> Limits {
    Limits {
        requests_per_second: NonZeroU32::new(per_second),
        concurrency: NonZeroU32::new(concurrency),
        ..unlimited()
    }
}

#[test]
fn the_first_call_with_a_token_goes_alone_and_its_success_opens_the_way() {
    let (mut desk, caller) = (Desk::new(), caller("a", "ns/a", "1"));
    assert!(is_probe(&desk.admit(&caller)));
    assert!(matches!(desk.admit(&caller), Admission::Wait(_)));
    desk.record(&caller, true, None);
    assert!(matches!(desk.admit(&caller), Admission::Go { is_probe: false }));
}

#[test]
fn a_resource_begins_with_one_call_unless_its_token_was_just_accepted_and_nothing_is_limited() {
    let (mut desk, me) = (Desk::new(), caller("a", "ns/a", "1"));
    let trusts = |desk: &Desk, caller: &Caller<'_>| desk.state.trusts(caller, desk.now);
    assert!(!trusts(&desk, &me), "nothing is known of the token");
    desk.record(&me, true, None);
    assert!(trusts(&desk, &me) && trusts(&desk, &caller("a", "ns/b", "2")));
    assert!(!trusts(&desk, &caller("b", "ns/a", "1")), "another token");
    desk.record(&me, false, Some(&limited(RateLimitScope::PhoneNumber, 1)));
    assert!(!trusts(&desk, &me) && trusts(&desk, &caller("a", "ns/a", "2")));
    desk.now += TRUST;
    assert!(!trusts(&desk, &caller("a", "ns/a", "2")), "the last answer is long ago");
    desk.record(&me, false, Some(&failed(ErrorClass::Token)));
    assert!(!trusts(&desk, &caller("a", "ns/a", "2")), "the token is refused");
}

#[test]
fn after_a_break_two_calls_go_ahead_and_later_one() {
    for (silence, ahead) in [(TRUST, 2), (HALF_TRUST, 1)] {
        let (mut desk, caller) = (Desk::new(), caller("a", "ns/a", "1"));
        desk.record(&caller, false, None);
        desk.now += silence;
        for _ in 0..ahead {
            assert!(is_probe(&desk.admit(&caller)));
        }
        assert!(matches!(desk.admit(&caller), Admission::Wait(_)));
    }
}

#[test]
fn a_refused_token_stops_every_resource_and_is_tried_again_ever_more_slowly() {
    let mut desk = Desk::new();
    let (first, other) = (caller("a", "ns/a", "1"), caller("a", "ns/b", "2"));
    for minutes in [5, 10, 20, 40, 60, 60] {
        assert!(is_probe(&desk.admit(&first)));
        desk.record(&first, true, Some(&failed(ErrorClass::Token)));
        let wait = Duration::from_secs(minutes * 60);
        let Admission::Stop(hold) = desk.admit(&other) else { panic!("the token is refused") };
        assert_eq!(hold.until, desk.now + wait);
        assert!(matches!(hold.cause, HoldCause::CredentialsRefused(_)));
        let bystander = caller("b", "ns/a", "1");
        assert!(goes(&desk.admit(&bystander)), "another token is free");
        desk.state.abandon_probe(bystander.credentials);
        desk.now += wait;
    }
}

#[test]
fn refusals_of_calls_that_were_under_way_together_count_as_one() {
    let (mut desk, caller) = (Desk::new(), caller("a", "ns/a", "1"));
    desk.record(&caller, false, None);
    for _ in 0..8 {
        desk.record(&caller, false, Some(&failed(ErrorClass::Token)));
    }
    assert_eq!(desk.until(&caller), Duration::from_secs(5 * 60));
}

#[test]
fn a_success_that_was_begun_before_the_refusal_does_not_open_the_way_again() {
    let (mut desk, caller) = (Desk::new(), caller("a", "ns/a", "1"));
    let begun = desk.now;
    desk.now += Duration::from_millis(10);
    desk.record(&caller, false, Some(&failed(ErrorClass::Token)));
    desk.now += Duration::from_millis(10);
    desk.state.record(&caller, false, begun, None, &Usage::default(), desk.now);
    assert!(matches!(desk.admit(&caller), Admission::Stop(_)));
    desk.now += Duration::from_secs(5 * 60);
    assert!(is_probe(&desk.admit(&caller)));
    desk.record(&caller, true, None);
    assert!(matches!(desk.admit(&caller), Admission::Go { is_probe: false }));
}

#[test]
fn a_permission_error_shows_that_the_token_is_good() {
    let (mut desk, caller) = (Desk::new(), caller("a", "ns/a", "1"));
    assert!(is_probe(&desk.admit(&caller)));
    desk.record(&caller, true, Some(&failed(ErrorClass::Permission)));
    assert!(matches!(desk.admit(&caller), Admission::Go { is_probe: false }));
}

#[test]
fn inconclusive_first_calls_widen_the_way_step_by_step() {
    let (mut desk, caller) = (Desk::new(), caller("a", "ns/a", "1"));
    for step in 1..5 {
        for _ in 0..step {
            assert!(is_probe(&desk.admit(&caller)), "{step}");
        }
        assert!(matches!(desk.admit(&caller), Admission::Wait(_)), "{step}");
        for n in 0..INCONCLUSIVE_PER_STEP {
            desk.record(&caller, n < step, Some(&failed(ErrorClass::Transient)));
            if n >= step {
                assert!(is_probe(&desk.admit(&caller)));
                desk.record(&caller, true, Some(&failed(ErrorClass::Transient)));
            }
        }
        for _ in INCONCLUSIVE_PER_STEP..step {
            desk.state.abandon_probe(caller.credentials);
        }
    }
}

#[test]
fn a_rate_limit_pauses_what_it_names() {
    let me = caller("a", "ns/a", "1");
    let same_account = caller("b", "ns/b", "3");
    let others = [me, caller("a", "ns/a", "2"), caller("a", "ns/c", "4"), same_account];
    let rows = [
        (RateLimitScope::Token, [false, false, false, true]),
        (RateLimitScope::BusinessAccount(Some("102".into())), [false, true, true, false]),
        (RateLimitScope::BusinessAccount(None), [false, false, true, true]),
        (RateLimitScope::PhoneNumber, [false, true, true, true]),
    ];
    for (scope, expected) in rows {
        let mut desk = Desk::new();
        desk.record_usage(&me, &of_account("102"));
        desk.record_usage(&same_account, &of_account("102"));
        desk.record(&me, false, Some(&limited(scope.clone(), 30)));
        assert_eq!(others.map(|other| goes(&desk.admit(&other))), expected, "{scope:?}");
        desk.now += Duration::from_secs(30);
        assert!(goes(&desk.admit(&me)));
    }
}

#[test]
fn an_account_whose_calls_are_used_up_is_paused_before_it_is_refused() {
    let (mut desk, me) = (Desk::new(), caller("a", "ns/a", "1"));
    let usage = Usage { business_percent: 100, regain_access: Some(Duration::from_secs(420)), ..of_account("102") };
    desk.record_usage(&me, &usage);
    assert_eq!(desk.until(&me), Duration::from_secs(420));
    assert!(goes(&desk.admit(&caller("a", "ns/a", "2"))));
}

#[test]
fn limits_that_name_no_wait_double_and_a_longer_wait_stands() {
    let (mut desk, me) = (Desk::new(), caller("a", "ns/a", "1"));
    for factor in [1, 2, 4, 8, 16, 32, 60, 60] {
        desk.record(&me, false, Some(&unnamed_limit()));
        desk.record(&me, false, Some(&unnamed_limit()));
        assert_eq!(desk.until(&me), DEFAULT_RATE_LIMIT_WAIT * factor);
        desk.now += DEFAULT_RATE_LIMIT_WAIT * factor;
    }
    desk.record(&me, false, Some(&limited(RateLimitScope::Token, 9000)));
    desk.record(&me, false, Some(&limited(RateLimitScope::Token, 0)));
    assert_eq!(desk.until(&me), Duration::from_secs(9000));
    desk.now += Duration::from_secs(9000);
    desk.record(&me, false, Some(&limited(RateLimitScope::Token, 0)));
    assert_eq!(desk.until(&me), Duration::from_secs(1), "never at once");
}

#[test]
fn after_a_wait_as_long_as_the_last_one_a_limit_begins_anew() {
    for (later, factor) in [(DEFAULT_RATE_LIMIT_WAIT - Duration::from_secs(1), 2), (DEFAULT_RATE_LIMIT_WAIT, 1)] {
        let (mut desk, me) = (Desk::new(), caller("a", "ns/a", "1"));
        desk.record(&me, false, Some(&unnamed_limit()));
        let holds_at = |after| desk.state.active_holds(desk.now + after).iter().map(|holds| holds.count).sum::<usize>();
        assert_eq!([Duration::ZERO, DEFAULT_RATE_LIMIT_WAIT].map(holds_at), [1, 0]);
        desk.now += DEFAULT_RATE_LIMIT_WAIT + later;
        desk.record(&me, false, Some(&unnamed_limit()));
        assert_eq!(desk.until(&me), DEFAULT_RATE_LIMIT_WAIT * factor, "{later:?}");
    }
}

#[test]
fn a_refusal_is_told_before_a_limit() {
    let (mut desk, me) = (Desk::new(), caller("a", "ns/a", "1"));
    desk.record(&me, false, Some(&limited(RateLimitScope::Token, 9000)));
    desk.record(&me, false, Some(&failed(ErrorClass::AppSecretProof)));
    let hold = desk.state.hold(&me, desk.now).unwrap();
    assert!(matches!(hold.cause, HoldCause::CredentialsRefused(_)));
    let [tokens, others @ ..] = desk.state.active_holds(desk.now);
    assert_eq!((tokens.scope, tokens.count, tokens.longest), (HoldScope::Token, 2, Duration::from_secs(9000)));
    assert!(others.iter().all(|other| other.count == 0));
}

#[test]
fn waits_of_our_own_are_scaled_and_those_of_meta_are_not() {
    let me = caller("a", "ns/a", "1");
    for (error, wait) in [
        (failed(ErrorClass::Token), Duration::from_secs(3)),
        (unnamed_limit(), Duration::from_millis(600)),
        (limited(RateLimitScope::Token, 7), Duration::from_secs(7)),
    ] {
        let mut desk = Desk { state: LimiterState::new(0.01, 24), now: Instant::now() };
        desk.record(&me, false, Some(&error));
        assert_eq!(desk.until(&me), wait);
    }
    let limiter = CallLimiter::new(Limits { wait_scale: 0.01, ..unlimited() });
    assert_eq!(Duration::from_secs(1).mul_f64(limiter.wait_scale()), Duration::from_millis(10));
}

#[test]
fn usage_above_eighty_percent_slows_down() {
    let (mut desk, me) = (Desk::new(), caller("a", "ns/a", "1"));
    desk.record_usage(&me, &Usage { app_percent: 79, ..Usage::default() });
    assert_eq!(desk.state.delay(&me, desk.now), Duration::ZERO);
    desk.record_usage(&me, &Usage { app_percent: 95, ..Usage::default() });
    assert_eq!(desk.state.delay(&me, desk.now), Duration::from_millis(1500));
    desk.record_usage(&me, &Usage::default());
    assert_eq!(desk.state.delay(&me, desk.now), Duration::from_millis(1500), "an answer that says nothing of it");
    assert_eq!(desk.state.delay(&me, desk.now + USAGE_LIFETIME), Duration::ZERO);
    desk.record_usage(&me, &Usage { business_percent: 300, ..of_account("102") });
    assert_eq!(desk.state.delay(&me, desk.now), Duration::from_secs(2));
}

#[test]
fn the_book_forgets() {
    let mut desk = Desk::new();
    for n in 0..1000 {
        desk.now += HALF_TRUST;
        let name = format!("{n}");
        let caller = caller(&name, &name, &name);
        assert!(goes(&desk.admit(&caller)));
        desk.record(&caller, true, Some(&limited(RateLimitScope::Token, 1)));
    }
    assert!(desk.state.len() <= 130, "{}", desk.state.len());
}

#[test]
fn the_book_keeps_what_still_counts() {
    let (mut desk, me) = (Desk::new(), caller("a", "ns/a", "1"));
    desk.record(&me, false, Some(&unnamed_limit()));
    desk.now += DEFAULT_RATE_LIMIT_WAIT;
    desk.record_usage(&me, &Usage { app_percent: 95, ..Usage::default() });
    assert_eq!(desk.state.len(), 3, "a token, its limit, its usage");
    desk.now += DEFAULT_RATE_LIMIT_WAIT - Duration::from_secs(1);
    for n in 0..64 {
        let name = format!("{n}");
        desk.admit(&caller(&name, &name, &name));
    }
    assert_eq!(desk.state.len(), 66, "the token is idle, and forgotten");
    assert_eq!(desk.state.delay(&me, desk.now), Duration::from_millis(1500));
    desk.record(&me, false, Some(&unnamed_limit()));
    assert_eq!(desk.until(&me), DEFAULT_RATE_LIMIT_WAIT * 2);
}

#[test]
fn a_token_is_forgotten_once_nothing_is_lost_by_it() {
    let (now, second) = (Instant::now(), Duration::from_secs(1));
    let around = |token: &Token, end: Duration| [end - second, end].map(|later| token.is_idle(now + later));
    let mut token = Token::new(1);
    assert!(token.is_idle(now), "nothing is known");
    let share = Arc::clone(&token.share);
    assert!(!token.is_idle(now), "a call has a part of its share");
    drop(share);
    token.turn(now);
    assert!(!token.is_idle(now), "a call is under way");
    token.accept(now, now);
    assert!(!token.is_idle(now + HALF_TRUST), "it still is");
    token.end_probe();
    assert_eq!(around(&token, HALF_TRUST), [false, true]);
    token.refuse(&failed(ErrorClass::Token), 1.0, now);
    assert_eq!(around(&token, Duration::from_secs(300) + MAX_REFUSAL), [false, true]);
}

#[tokio::test]
async fn a_hundred_calls_at_once_with_a_bad_token_are_one() {
    let limiter = CallLimiter::new(unlimited());
    let calls = Cell::new(0);
    let attempt = || async {
        let Ok(permit) = limiter.enter(caller("bad", "ns/a", "1")).await else {
            return;
        };
        calls.set(calls.get() + 1);
        tokio::task::yield_now().await;
        permit.finish(Some(&failed(ErrorClass::Token)), &Usage::default());
    };
    futures::future::join_all((0..100).map(|_| attempt())).await;
    assert_eq!(calls.get(), 1);
    assert_eq!(limiter.active_holds().map(|holds| holds.count), [1, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_their_turn_hear_of_a_refusal() {
    let limiter = CallLimiter::new(limits(1, 4));
    limiter.enter(caller("a", "ns/a", "1")).await.unwrap().finish(None, &Usage::default());
    let calls = Cell::new(0);
    let attempt = || async {
        // All may begin at once, because the token was good a moment ago. Then they wait for slots and turns.
        let Ok(permit) = limiter.enter(caller("a", "ns/a", "1")).await else {
            return;
        };
        calls.set(calls.get() + 1);
        permit.finish(Some(&failed(ErrorClass::Token)), &Usage::default());
    };
    futures::future::join_all((0..100).map(|_| attempt())).await;
    assert_eq!(calls.get(), 1);
}

#[tokio::test]
async fn a_cancelled_first_call_lets_the_next_one_go() {
    let limiter = CallLimiter::new(unlimited());
    let probe = limiter.enter(caller("a", "ns/a", "1")).await.unwrap();
    let mut next = Box::pin(limiter.enter(caller("a", "ns/a", "2")));
    assert!(futures::poll!(next.as_mut()).is_pending());
    drop(probe);
    assert!(next.await.unwrap().is_probe);
}

#[tokio::test]
async fn a_first_call_cancelled_while_it_waits_for_a_slot_lets_the_next_one_go() {
    let limiter = CallLimiter::new(limits(1000, 1));
    let other = limiter.enter(caller("other", "ns/a", "1")).await.unwrap();
    let mut probe = Box::pin(limiter.enter(caller("a", "ns/a", "1")));
    assert!(futures::poll!(probe.as_mut()).is_pending());
    let mut next = Box::pin(limiter.enter(caller("a", "ns/a", "2")));
    assert!(futures::poll!(next.as_mut()).is_pending());
    drop(probe);
    drop(other);
    next.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_token_leaves_slots_to_the_others() {
    let limiter = CallLimiter::new(limits(1000, 32));
    let slow = caller("slow", "ns/a", "1");
    limiter.enter(slow).await.unwrap().finish(None, &Usage::default());
    let hanging = futures::future::join_all((0..24).map(|_| limiter.enter(slow))).await;
    let mut more = Box::pin(limiter.enter(slow));
    assert!(futures::poll!(more.as_mut()).is_pending());
    limiter.enter(caller("other", "ns/b", "2")).await.unwrap();
    drop(hanging);
    more.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_slowed_down_takes_no_slot_meanwhile() {
    let limiter = CallLimiter::new(limits(1000, 1));
    let slow = caller("slow", "ns/a", "1");
    let usage = Usage { app_percent: 100, ..Usage::default() };
    limiter.enter(slow).await.unwrap().finish(None, &usage);
    let mut delayed = Box::pin(limiter.enter(slow));
    assert!(futures::poll!(delayed.as_mut()).is_pending());
    let begun = Instant::now();
    limiter.enter(caller("other", "ns/b", "2")).await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(10));
    delayed.await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn no_second_sees_more_calls_than_the_limit() {
    let limiter = CallLimiter::new(limits(50, 100));
    let begun = RefCell::new(Vec::new());
    let attempt = |n: u32| {
        let begun = &begun;
        let limiter = &limiter;
        async move {
            let token = n.to_string();
            let permit = limiter.enter(caller(&token, "ns/a", "1")).await.unwrap();
            begun.borrow_mut().push(Instant::now());
            permit.finish(None, &Usage::default());
        }
    };
    let start = Instant::now();
    futures::future::join_all((0..200).map(attempt)).await;
    let begun = begun.into_inner();
    let most = begun
        .iter()
        .map(|from| begun.iter().filter(|at| **at >= *from && **at < *from + Duration::from_secs(1)).count())
        .max();
    assert!(most <= Some(50), "{most:?}");
    // A tenth of the limit is reserved for bursts of a few calls.
    assert!(start.elapsed() < Duration::from_millis(4400), "{:?}", start.elapsed());
}
