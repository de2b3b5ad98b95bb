use std::sync::Arc;

use super::super::super::credentials::{AccessToken, Credentials};
use super::*;

const TOKEN: &str = "Secret shop/meta-token, entry token";

/// Checks the log lines call by call, with a controlled clock.
struct Log {
    incidents: Incidents,
    now: Timestamp,
}

impl Log {
    fn new() -> Self {
        Self { incidents: Incidents::new(1.0), now: "2026-11-27T04:27:00Z".parse().unwrap() }
    }

    fn wait(&mut self, seconds: i64) -> &mut Self {
        self.now += SignedDuration::from_secs(seconds);
        self
    }

    fn call(&mut self, number: &str, error: Option<&GraphError>, hold: Option<(&HoldCause, Timestamp)>) -> Vec<Line> {
        let credentials = Credentials::new(AccessToken::new(b"token").unwrap(), None).id();
        let resource = if number.starts_with('1') { "shop/a" } else { "shop/b" };
        let caller = Caller { credentials, token: TOKEN, resource, phone_number_id: number };
        self.incidents.note(&Call { caller, account: Some("77"), error, hold, at: self.now })
    }

    fn fails(&mut self, number: &str) -> Vec<Line> {
        self.call(number, Some(&error(ErrorClass::Transient)), None)
    }

    fn served(&mut self, number: &str) -> Vec<Line> {
        self.call(number, None, None)
    }

    /// A call with a rate limit or a refusal that lasts this many seconds.
    fn held(&mut self, number: &str, class: ErrorClass, seconds: i64) -> Vec<Line> {
        let error = error(class);
        let cause = match error.class.refuses_credentials() {
            true => HoldCause::CredentialsRefused(Arc::new(error.clone())),
            false => HoldCause::RateLimited(Arc::new(error.clone())),
        };
        let until = self.now + SignedDuration::from_secs(seconds);
        self.call(number, Some(&error), Some((&cause, until)))
    }
}

fn error(class: ErrorClass) -> GraphError {
    GraphError::on_the_way(class, Some(503), "HTTP status 503")
}

fn limit(scope: RateLimitScope) -> ErrorClass {
    ErrorClass::RateLimited { scope, wait: None }
}

#[test]
fn silence_is_told_once_and_so_is_its_end() {
    let mut log = Log::new();
    assert_eq!(log.served("10"), []);
    let since = log.now;
    for number in ["10", "10", "20", "11", "12"] {
        assert_eq!(log.fails(number), [], "a connection that breaks fails many calls at once");
    }
    let told = log.wait(30).fails("21");
    let [Line::Silent { since: told_since, failures: 6, resource, phone_number_id, error }] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((*told_since, resource.as_str(), phone_number_id.as_str()), (since, "shop/b", "21"));
    assert!(error.contains("503"), "{error}");
    for minute in 0..240 {
        assert_eq!(log.wait(60).fails("10"), [], "minute {minute}");
    }
    let ended = log.served("20");
    assert_eq!(ended, [Line::AnswersAgain { since, failures: 246, lasted: log.now.duration_since(since) }]);
    assert_eq!(log.served("10"), []);
}

#[test]
fn a_refusal_is_an_answer() {
    let mut log = Log::new();
    let refused = error(ErrorClass::Permission);
    for _ in 0..20 {
        for number in ["10", "20", "11", "21"] {
            assert_eq!(log.wait(60).fails(number), [], "four in a row");
        }
        assert_eq!(log.call("10", Some(&refused), None), []);
    }
}

#[test]
fn one_number_that_fails_while_others_are_served_is_no_silence() {
    let mut log = Log::new();
    log.served("20");
    for _ in 0..50 {
        assert_eq!(log.wait(60).fails("10"), []);
    }
    assert_eq!(log.fails("11").len(), 1, "two of them are");
    let mut log = Log::new();
    log.served("10");
    let told: Vec<_> = (0..50).flat_map(|_| log.wait(60).fails("10")).collect();
    assert_eq!(told.len(), 1, "and so is the only one there is");
}

#[test]
fn a_hold_is_told_once_whoever_meets_it_and_so_is_its_end() {
    let account = || limit(RateLimitScope::BusinessAccount(Some("77".into())));
    let waiting = [
        (ErrorClass::Token, Waiting::Token(TOKEN.into())),
        (limit(RateLimitScope::Token), Waiting::Token(TOKEN.into())),
        (account(), Waiting::BusinessAccount("77".into())),
        (limit(RateLimitScope::BusinessAccount(None)), Waiting::Resource("shop/a".into())),
        (limit(RateLimitScope::PhoneNumber), Waiting::PhoneNumber("10".into())),
    ];
    for (class, waiting) in waiting {
        let mut log = Log::new();
        let (since, until) = (log.now, log.now + SignedDuration::from_secs(300));
        let told = log.held("10", class.clone(), 300);
        let [Line::HoldBegins { waiting: told, until: told_until, resource, .. }] = &told[..] else {
            panic!("{told:?}");
        };
        assert_eq!((told, *told_until, resource.as_str()), (&waiting, until, "shop/a"));
        assert_eq!(log.wait(300).held("10", class, 600), [], "it goes on");
        assert_eq!(log.wait(600).fails("10"), [], "which shows nothing");
        let lasted = log.now.duration_since(since);
        assert_eq!(log.served("10"), [Line::HoldEnds { waiting, since, lasted }]);
        assert_eq!(log.served("10"), []);
    }
    let mut log = Log::new();
    assert_eq!(log.held("10", account(), 300).len(), 1);
    assert_eq!(log.held("20", account(), 300), [], "by another resource of the account");
    assert_eq!(log.wait(300).served("20").len(), 1);
}

#[test]
fn not_everything_is_remembered() {
    let mut log = Log::new();
    for number in 0..2 * MAX_HOLDS {
        assert_eq!(log.held(&number.to_string(), limit(RateLimitScope::PhoneNumber), number as i64).len(), 1);
    }
    assert_eq!(log.incidents.holds.len(), MAX_HOLDS);
    assert_eq!(log.served("0"), [], "forgotten");
    assert_eq!(log.served(&MAX_HOLDS.to_string()).len(), 1);
}
