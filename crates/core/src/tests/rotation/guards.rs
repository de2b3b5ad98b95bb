//! What must not begin a rotation, what a rotation must not depend on, and what it must not forget.

use super::super::*;
use super::world::{IDS, NEW, OLD, World, policy};
use crate::api::crd::Gate;
use crate::api::crd::{
    ABORT_ANNOTATION, AccountState, BusinessAccount, BusinessAccountStatus, RotationPhase as Phase, UNREPORTED_KEY,
};
use crate::rollout::rotation::{course, needs_proof};

/// The key of somebody else.
const FOREIGN: usize = 3;

fn message(world: &World) -> &str {
    &world.stage.condition(ConditionType::Ready).unwrap().message
}

/// A rotation that both targets are ready for.
fn begin_with_both_targets() -> World {
    let mut world = World::new(1, policy());
    world.targets.iter_mut().for_each(|target| target.keys.push(NEW));
    world.change(|stage| stage.set_key(Ok(key(NEW))));
    world
}

#[test]
fn a_valid_key_that_meta_does_not_show_waits_for_the_endpoint_like_any_other() {
    let mut world = World::new(1, None);
    let uploads = world.meta.uploads();
    for line in world.meta.lines.values_mut() {
        line.set(Some(FOREIGN), Some("VALID"));
        line.hides_key = true;
    }
    world.targets.iter_mut().for_each(|target| target.keys = vec![FOREIGN]);
    world.change(|stage| stage.resource.status = None);
    world.pass(2 * HOUR);
    assert_eq!((world.phase(), world.meta.uploads()), (Some(Phase::Staged), uploads));
    assert_eq!(world.rotation().unwrap().from, UNREPORTED_KEY);
    assert!(message(&world).contains("keep key (not shown by Meta) until every target"), "{}", message(&world));

    world.targets.iter_mut().for_each(|target| target.keys.push(OLD));
    world.pass_until("the resource's key is on all numbers", |world| world.holds(OLD) == IDS.len());
    world.pass(HOUR);
    assert_eq!((world.stage.ready(), world.failures), ("AllNumbersValid", Vec::new()));
}

#[test]
fn the_key_on_a_number_of_another_resource_starts_no_rotation_and_comes_back_to_no_number() {
    let mut world = World::new(1, policy());
    let uploads = world.meta.uploads();
    world.meta.line("3").set(Some(FOREIGN), Some("VALID"));
    world.of_another = Some("3");
    world.targets.iter_mut().for_each(|target| target.keys.push(FOREIGN));
    world.pass(3 * HOUR);
    assert_eq!((world.rotation(), world.stage.ready()), (None, "NumberConflict"));
    world.annotate(ABORT_ANNOTATION, "now");
    world.pass(HOUR);
    assert_eq!((world.rotation(), world.meta.uploads(), world.holds(OLD)), (None, uploads, 2));
}

#[test]
fn an_old_key_goes_back_only_to_numbers_that_had_it() {
    let mut world = World::new(1, policy());
    world.targets.iter_mut().for_each(|target| target.keys.push(FOREIGN));
    world.meta.line("3").set(Some(FOREIGN), Some("VALID"));
    world.pass_until("the number is healed", |world| world.holds(OLD) == IDS.len());
    assert_eq!(world.rotation().unwrap().from, fingerprint_text(FOREIGN));
    world.annotate(ABORT_ANNOTATION, "now");
    world.pass(MINUTE);
    let reads = world.meta.reads();
    world.pass(HOUR);
    assert_eq!((world.phase(), world.holds(OLD), world.holds(FOREIGN)), (Some(Phase::RolledBack), 2, 1));
    assert!(world.meta.reads() - reads <= 8 * IDS.len(), "no reconcile after the other");
    assert_eq!(world.failures, Vec::<String>::new());
}

#[test]
fn a_number_whose_upload_nobody_noted_gets_the_old_key_back_as_well() {
    // The process ends with an upload, at whatever action that is.
    let mut died = 0;
    for actions in 0..20 {
        let mut world = begin_with_both_targets();
        world.pass_until("the rotation is under way", |world| world.rotation().is_some());
        world.dies_after = Some(actions);
        world.pass_until("the canary has the key", |world| world.holds(NEW) == 1);
        world.pass(MINUTE);
        let noted = world.stage.number("1").uploaded_fingerprint.as_deref() == Some(fingerprint_text(NEW).as_str());
        died += usize::from(!noted);
        world.annotate(ABORT_ANNOTATION, "now");
        world.pass(10 * MINUTE);
        assert_eq!((world.phase(), world.holds(OLD)), (Some(Phase::RolledBack), IDS.len()), "after {actions} actions");
    }
    assert!(died > 0, "an upload that was not noted");
}

#[test]
fn an_endpoint_that_is_away_after_the_soak_holds_the_rotation_until_the_deadline_and_says_so() {
    let mut world = begin_with_both_targets();
    world.pass_until("the canary has the key", |world| world.holds(NEW) == 1);
    world.pass(5 * MINUTE);
    world.targets.iter_mut().for_each(|target| target.is_silent = true);
    world.pass(10 * MINUTE);
    assert_eq!((world.phase(), world.stage.ready()), (Some(Phase::Canary), "WaitingForEndpoint"));
    let until = world.rotation().unwrap().until.as_ref().unwrap().0;
    assert!(until > world.now + 23 * HOUR, "the deadline begins with the end of the soak: {until}");
    assert!(message(&world).contains("Stalled from"), "{}", message(&world));
    world.pass(25 * HOUR);
    assert_eq!((world.phase(), world.stage.ready()), (Some(Phase::Canary), "RotationPaused"));
    assert!(world.stage.condition(ConditionType::Stalled).is_some());
    assert_eq!(world.holds(NEW), 1);
}

#[test]
fn an_old_key_may_go_only_if_the_endpoint_does_without_it_at_that_time() {
    for is_silent in [false, true] {
        let mut world = begin_with_both_targets();
        // In the overlap the endpoint is asked once in this time.
        world.stage.interval = 6 * HOUR;
        world.pass_until("all have the key", |world| world.holds(NEW) == IDS.len());
        world.pass(5 * MINUTE);
        assert_eq!(world.stage.status().endpoint.as_ref().unwrap().recovers_clients, Some(true));
        (world.targets[1].is_silent, world.targets[1].answers_421) = (is_silent, is_silent);
        world.pass(2 * HOUR);
        assert_eq!(world.phase(), Some(Phase::Overlap), "the answer from before the end of the overlap does not count");
        (world.targets[1].is_silent, world.targets[1].answers_421) = (false, true);
        world.pass_until("clients are told", |world| world.phase() == Some(Phase::Completed));
        assert!(world.events.contains(&"OldKeyRetirable"));
    }
}

#[test]
fn a_rotation_does_not_end_while_an_account_hides_numbers() {
    let mut world = begin_with_both_targets();
    world.pass_until("all have the key", |world| world.holds(NEW) == IDS.len());
    world.pass(MINUTE);
    assert_eq!(world.phase(), Some(Phase::Overlap));
    let stage = &mut world.stage;
    let account = BusinessAccount { id: "7".into(), ..BusinessAccount::default() };
    stage.resource.spec.business_accounts = vec![account];
    let listed = |state| vec![BusinessAccountStatus { id: "7".into(), state, ..BusinessAccountStatus::default() }];
    let mut phase_with = |state, phase| {
        let status = stage.resource.status.as_mut().unwrap();
        status.business_accounts = listed(state);
        status.rotation.as_mut().unwrap().phase = phase;
        let mut observation = Observation::new(
            Arc::new(stage.resource.clone()),
            Work::default(),
            stage.interval,
            Waits::default(),
            world.now + HOUR,
        );
        observation.inputs = Some(stage.inputs());
        let proof = world.proof.as_deref().unwrap().clone();
        observation.proof = Some(Arc::new(crate::proof::EndpointProof { at: world.now + HOUR, ..proof }));
        course(&observation).status.unwrap().phase
    };
    assert_eq!(phase_with(AccountState::TooLarge, Phase::RollingOut), Phase::RollingOut);
    assert_eq!(phase_with(AccountState::TooLarge, Phase::Overlap), Phase::Overlap);
    assert_eq!(phase_with(AccountState::Listed, Phase::Overlap), Phase::Completed);
}

#[test]
fn only_an_upload_over_a_valid_key_needs_a_proof() {
    let mut world = World::new(1, policy());
    world.meta.line("1").set(Some(FOREIGN), Some("VALID"));
    world.meta.line("2").set(Some(FOREIGN), Some("MISMATCH"));
    let mut stage = world.stage.clone().after(HOUR);
    let needs = |observation: &Observation| IDS.map(|id| needs_proof(observation, id));
    let observation = stage.observe(Work::everything(&stage.resource), &mut world.meta);
    assert_eq!(needs(&observation), [true, false, false], "valid; not signed; in place");
    stage.edit(|spec| spec.endpoint.as_mut().unwrap().gate = Some(Gate::Report));
    let observation = stage.observe(Work::everything(&stage.resource), &mut world.meta);
    assert_eq!(needs(&observation), [false; 3], "nothing waits");
}
