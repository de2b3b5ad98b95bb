//! What the outcomes of probes require.

use crate::endpoint::Expected::{Proof, Refusal};
use crate::endpoint::ProbeOutcome::{self, Proven, SignatureRefused, TimedOut, Unreachable, WrongKey};
use crate::endpoint::ProbeSeverity::{ActionNeeded, AsExpected, NoAnswer};

#[test]
fn all_are_listed_once_from_the_best_to_the_worst() {
    assert!(ProbeOutcome::ALL.is_sorted_by(|one, next| one < next));
    // The compiler demands a name in `as_str` for a new variant. This finds a variant that ALL lacks.
    let schema = serde_json::to_string(&schemars::schema_for!(ProbeOutcome)).unwrap();
    let names: Vec<_> = ProbeOutcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    assert_eq!(schema.matches("\"const\"").count(), names.len(), "{schema}");
    assert!(names.iter().all(|name| schema.contains(&format!("\"{name}\""))), "{schema}");
}

#[test]
fn the_name_is_what_is_stored() {
    for outcome in ProbeOutcome::ALL {
        assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        assert_eq!(serde_json::from_value::<ProbeOutcome>(outcome.as_str().into()).unwrap(), outcome);
    }
}

#[test]
fn one_outcome_proves_and_two_say_nothing() {
    let that = |is: fn(ProbeOutcome) -> bool| ProbeOutcome::ALL.into_iter().filter(|o| is(*o)).collect::<Vec<_>>();
    assert_eq!(that(ProbeOutcome::is_proof), [Proven]);
    assert_eq!(that(ProbeOutcome::is_unanswered), [TimedOut, Unreachable]);
}

#[test]
fn a_key_that_nobody_has_is_to_be_refused() {
    for outcome in ProbeOutcome::ALL {
        let expected = |good| match outcome {
            outcome if outcome == good => AsExpected,
            TimedOut | Unreachable => NoAnswer,
            _ => ActionNeeded,
        };
        assert_eq!(outcome.severity(Proof), expected(Proven));
        assert_eq!(outcome.severity(Refusal), expected(WrongKey));
    }
}

#[test]
fn what_a_person_must_do_is_worse_than_an_unknown_outcome() {
    let worst = |outcomes: &[ProbeOutcome], expected| ProbeOutcome::worst(outcomes.iter().copied(), expected);
    assert_eq!(worst(&[], Proof), None);
    assert_eq!(worst(&[Proven, Unreachable, Proven], Proof), Some(Unreachable));
    assert_eq!(worst(&[Unreachable, WrongKey, SignatureRefused], Proof), Some(WrongKey));
    assert_eq!(worst(&[WrongKey, Unreachable], Refusal), Some(Unreachable));
    assert_eq!(worst(&[WrongKey, Unreachable, Proven], Refusal), Some(Proven));
}
