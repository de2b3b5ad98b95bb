//! Numbers whose business account is not known yet.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A call whose account was unknown gets the answer that the account is limited for a minute.
fn meet_limit(desk: &mut Desk, caller: &Caller<'_>, is_probe: bool) {
    let limit = limited(RateLimitScope::BusinessAccount(Some("102".into())), 60);
    desk.state.record(caller, is_probe, desk.now, Some(&limit), &of_account("102"), desk.now);
}

#[test]
fn numbers_that_may_belong_to_a_limited_account_wait_and_those_of_others_do_not() {
    let mut desk = Desk::new();
    let [told, unknown, elsewhere] = ["1", "2", "3"].map(|number| caller("a", "ns/a", number));
    desk.record_usage(&elsewhere, &of_account("999"));
    meet_limit(&mut desk, &told, false);
    let of_another_resource = caller("a", "ns/b", "4");
    let callers = [told, unknown, elsewhere, of_another_resource];
    assert_eq!(callers.map(|caller| goes(&desk.admit(&caller))), [false, false, true, true]);
    assert_eq!([desk.until(&told), desk.until(&unknown)], [MINUTE; 2]);
    let [_, accounts, resources, _] = desk.state.active_holds(desk.now);
    assert_eq!((accounts.count, resources.count), (1, 0), "it is one limit");
}

/// While the account is limited, each wait ends with two calls: one that the account is charged for, and one that
/// reveals the account of a number.
#[test]
fn numbers_of_another_account_get_their_turn_however_long_one_stays_limited() {
    let mut desk = Desk::new();
    let numbers: Vec<String> = (0..6).map(|n| n.to_string()).collect();
    let mut calls = Vec::new();
    for _ in 0..6 {
        let mut made = 0;
        for number in &numbers {
            let caller = caller("a", "ns/a", number);
            let admission = desk.admit(&caller);
            if goes(&admission) {
                made += 1;
                match number.as_str() {
                    "5" => {
                        desk.state.record(&caller, is_probe(&admission), desk.now, None, &of_account("999"), desk.now)
                    }
                    _ => meet_limit(&mut desk, &caller, is_probe(&admission)),
                }
            }
        }
        calls.push(made);
        desk.now += MINUTE;
    }
    assert_eq!(calls, [1, 2, 2, 2, 2, 2]);
}

#[test]
fn a_limit_that_only_the_headers_of_an_answer_announce_holds_no_others_up() {
    let (mut desk, me) = (Desk::new(), caller("a", "ns/a", "1"));
    let usage = Usage { business_percent: 100, regain_access: Some(MINUTE), ..of_account("102") };
    desk.record_usage(&me, &usage);
    assert_eq!(desk.until(&me), MINUTE);
    assert!(goes(&desk.admit(&caller("a", "ns/a", "2"))));
}

#[test]
fn a_refusal_is_known_without_a_call_for_as_long_as_it_is_in_force() {
    let (mut desk, me) = (Desk::new(), caller("a", "ns/a", "1"));
    assert!(desk.state.refusal(me.credentials, desk.now).is_none());
    desk.record(&me, false, Some(&failed(ErrorClass::Token)));
    let of = |desk: &Desk, token| desk.state.refusal(caller(token, "ns/b", "2").credentials, desk.now).is_some();
    assert_eq!([of(&desk, "a"), of(&desk, "b")], [true, false]);
    desk.now += MINUTE * 5;
    assert!(!of(&desk, "a"), "it may be good again");
}
