//! What the status says of the Flow endpoint.

use super::meta::Model;
use super::*;
use crate::api::crd::{Endpoint, EndpointService, Gate};
use crate::endpoint::{ProbeFinding, ProbeOutcome};
use crate::proof::{EndpointProof, TargetProof};

const LACKS: ProbeFinding = ProbeFinding { http_status: Some(421), ..found(ProbeOutcome::WrongKey) };

const fn found(outcome: ProbeOutcome) -> ProbeFinding {
    ProbeFinding { outcome, http_status: None, iv_not_flipped: false }
}

fn target(name: &str, finding: ProbeFinding) -> TargetProof {
    let refusals = Default::default();
    TargetProof { target: format!("pod/{name}"), finding, other: None, unknown_key: Some(LACKS), refusals }
}

fn proof(key_number: usize, targets: Vec<TargetProof>, seconds: i64) -> EndpointProof {
    EndpointProof { key: fingerprint(key_number), other_key: None, targets: Ok(targets), at: at(seconds) }
}

/// Two numbers that are Valid, and an endpoint that was not asked yet.
fn with_endpoint() -> (Stage, Model) {
    let (mut stage, meta) = Stage::settled(&["1", "2"]);
    let service = EndpointService { name: "flow-endpoint".into(), ..EndpointService::default() };
    stage.edit(|spec| spec.endpoint = Some(Endpoint { service: Some(service), ..Endpoint::default() }));
    (stage, meta)
}

/// A reconcile that has nothing to do but to report this proof.
fn report(stage: &mut Stage, proof: Option<EndpointProof>) -> Summary {
    let mut observation = stage.look(Work::default());
    observation.proof = proof.map(Arc::new);
    let summary = summarize(&observation, &[], Progress::Finished, stage.now);
    stage.store(&summary.status);
    summary
}

/// Status and reason of a condition.
fn condition(stage: &Stage, kind: ConditionType) -> (String, String) {
    let condition = stage.condition(kind).expect("a resource with an endpoint has the condition");
    (condition.status.clone(), condition.reason.clone())
}

#[test]
fn without_an_endpoint_the_status_says_nothing_of_one() {
    let (mut stage, _) = Stage::settled(&["1"]);
    report(&mut stage, Some(proof(1, vec![target("a", LACKS)], 5)));
    assert_eq!(stage.status().endpoint, None);
    let kinds: Vec<_> = stage.status().conditions.iter().map(|condition| condition.type_.as_str()).collect();
    assert_eq!(kinds, ["Ready", "KeyLoaded", "TokenAccepted"]);
}

#[test]
fn every_outcome_has_its_conditions() {
    use ProbeOutcome as O;
    let proven = || target("a", found(O::Proven));
    let not_allowed = ConditionReason::new(Reason::EndpointNotAllowed, "The operator asks no endpoints.");
    let cases = [
        ("not asked", None, ["Unknown", "WaitingForEndpoint"], "was not asked"),
        ("all open", Some(Ok(vec![proven(), target("b", found(O::Proven))])), ["True", "EndpointProven"], "All 2"),
        ("one lacks it", Some(Ok(vec![proven(), target("b", LACKS)])), ["False", "EndpointLacksKey"], "pod/b"),
        ("one is silent", Some(Ok(vec![target("b", found(O::TimedOut))])), ["False", "EndpointUnreachable"], "10 s"),
        ("no pod", Some(Ok(vec![])), ["False", "EndpointUnreachable"], "no ready pod"),
        (
            "refused",
            Some(Ok(vec![target("b", found(O::SignatureRefused))])),
            ["False", "EndpointRefusesSignature"],
            "appSecretRef",
        ),
        (
            "in the clear",
            Some(Ok(vec![target("b", found(O::NotEncrypted))])),
            ["False", "EndpointAnswerWrong"],
            "encrypt",
        ),
        ("not allowed", Some(Err(not_allowed)), ["False", "EndpointNotAllowed"], "asks no endpoints"),
    ];
    for (what, targets, expected, message) in cases {
        let (mut stage, _) = with_endpoint();
        let proof = targets.map(|targets| EndpointProof { key: fingerprint(1), other_key: None, targets, at: at(5) });
        report(&mut stage, proof);
        for kind in [ConditionType::EndpointReady, ConditionType::Available] {
            let (status, reason) = condition(&stage, kind);
            assert_eq!([status.as_str(), reason.as_str()], expected, "{what}: {kind:?}");
        }
        let shown = &stage.condition(ConditionType::EndpointReady).unwrap().message;
        assert!(shown.contains(message), "{what}: {shown}");
        assert_eq!(stage.ready(), "AllNumbersValid", "{what}: Ready is about Meta alone");
    }
}

#[test]
fn the_worst_target_counts_and_the_failing_ones_are_named_with_the_time_since() {
    let (mut stage, _) = with_endpoint();
    let silent = target("a", found(ProbeOutcome::Unreachable));
    report(
        &mut stage,
        Some(proof(1, vec![silent.clone(), target("b", LACKS), target("c", found(ProbeOutcome::Proven))], 5)),
    );
    let endpoint = stage.status().endpoint.clone().unwrap();
    assert_eq!(
        (endpoint.targets, endpoint.opens_key_in_use.as_deref(), endpoint.opens_new_key),
        (3, Some("1/3"), None)
    );
    assert_eq!((endpoint.outcome, endpoint.http_status), (Some(ProbeOutcome::WrongKey), Some(421)));
    assert_eq!(endpoint.recovers_clients, Some(true));
    let failing: Vec<_> = endpoint.failing.iter().map(|it| (it.target.as_str(), it.outcome)).collect();
    assert_eq!(failing, [("pod/a", ProbeOutcome::Unreachable), ("pod/b", ProbeOutcome::WrongKey)]);

    // The same outcome goes on since then, another one begins now.
    report(&mut stage, Some(proof(1, vec![silent, target("b", found(ProbeOutcome::Unreachable))], 65)));
    let since: Vec<_> = stage.status().endpoint.as_ref().unwrap().failing.iter().map(|it| it.since.0).collect();
    assert_eq!(since, [at(5), at(65)]);
}

#[test]
fn the_same_answers_again_change_nothing() {
    let (mut stage, _) = with_endpoint();
    let targets = || vec![target("a", found(ProbeOutcome::Proven))];
    report(&mut stage, Some(proof(1, targets(), 5)));
    let before = stage.status().clone();
    stage = stage.after(HOUR);
    let again = report(&mut stage, Some(proof(1, targets(), 3605)));
    assert_eq!(again.status.endpoint, before.endpoint);
    assert_eq!(again.status.conditions, before.conditions);
    assert_eq!(again.notes, []);
}

#[test]
fn one_event_says_that_the_endpoint_lacks_the_key_and_one_that_it_has_it_again() {
    let (mut stage, _) = with_endpoint();
    report(&mut stage, Some(proof(1, vec![target("a", found(ProbeOutcome::Proven))], 5)));
    let reasons =
        |summary: &Summary| summary.notes.iter().map(|note| (note.is_warning, note.reason)).collect::<Vec<_>>();
    let lacks = || Some(proof(1, vec![target("a", LACKS)], 65));
    assert_eq!(reasons(&report(&mut stage, lacks())), [(true, "EndpointLacksKey")]);
    assert_eq!(reasons(&report(&mut stage, lacks())), []);
    let back = report(&mut stage, Some(proof(1, vec![target("a", found(ProbeOutcome::Proven))], 125)));
    assert_eq!(reasons(&back), [(false, "EndpointProven")]);
}

/// A proof for the earlier key says nothing about the new one.
#[test]
fn a_new_key_is_unproven_until_the_endpoint_was_asked_with_it() {
    let (mut stage, mut meta) = with_endpoint();
    let open = |key| Some(proof(key, vec![target("a", found(ProbeOutcome::Proven))], 5));
    report(&mut stage, open(1));
    // Otherwise the numbers keep the earlier key.
    stage.edit(|spec| spec.endpoint.as_mut().unwrap().gate = Some(Gate::Report));
    stage.set_key(Ok(key(2)));
    stage.reconcile(&mut meta).unwrap();
    assert_eq!(condition(&stage, ConditionType::EndpointReady), ("Unknown".into(), "WaitingForEndpoint".into()));
    assert_eq!(stage.status().endpoint, None);
    report(&mut stage, open(1));
    assert_eq!(condition(&stage, ConditionType::EndpointReady), ("Unknown".into(), "WaitingForEndpoint".into()));
    report(&mut stage, open(2));
    assert_eq!(condition(&stage, ConditionType::Available), ("True".into(), "EndpointProven".into()));
}

/// The endpoint opens the key, and still some number does not serve its clients.
#[test]
fn available_needs_every_number() {
    for (key, status, expected) in
        [(Some(9), Some("VALID"), "Unknown"), (Some(1), Some("MISMATCH"), "False"), (None, None, "False")]
    {
        let (mut stage, mut meta) = with_endpoint();
        stage.edit(|spec| spec.mode = Mode::Observe);
        meta.line("2").set(key, status);
        let work =
            Work { inputs: true, numbers: vec!["1".into(), "2".into()], reset_backoff: false, ..Work::default() };
        let mut observation = stage.observe(work, &mut meta);
        observation.proof = Some(Arc::new(proof(1, vec![target("a", found(ProbeOutcome::Proven))], 5)));
        stage.sum_up(&observation, Progress::Finished);
        let (shown, reason) = condition(&stage, ConditionType::Available);
        assert_eq!([shown.as_str(), reason.as_str()], [expected, "DriftObserved"], "{key:?} {status:?}");
        assert_eq!(condition(&stage, ConditionType::EndpointReady).0, "True");
    }
}

#[test]
fn an_endpoint_that_answers_500_where_421_is_right_strands_clients() {
    let wrong = ProbeFinding { http_status: Some(500), ..found(ProbeOutcome::BadStatus) };
    let with = |unknown_key| TargetProof { unknown_key, ..target("a", found(ProbeOutcome::Proven)) };
    for (answers, expected) in [
        (vec![with(Some(LACKS)), with(Some(LACKS))], Some(true)),
        (vec![with(Some(LACKS)), with(Some(wrong))], Some(false)),
        (vec![with(Some(found(ProbeOutcome::Unreachable))), with(None)], None),
    ] {
        assert_eq!(proof(1, answers, 5).recovers_clients(), expected);
    }
}
