//! A resource while work on it is suspended, and when work goes on.

use super::meta::Fault;
use super::*;

fn work(inputs: bool, numbers: &[&str]) -> Schedule {
    Schedule::Now(Work {
        inputs,
        numbers: numbers.iter().map(ToString::to_string).collect(),
        reset_backoff: false,
        ..Work::default()
    })
}

fn suspended(numbers: &[&str]) -> (Stage, meta::Model) {
    let (mut stage, mut meta) = Stage::settled(numbers);
    stage.edit(|spec| spec.suspend = Some(true));
    stage.reconcile(&mut meta).expect("to say so");
    (stage, meta)
}

/// Somebody else puts both into the status. `kstatus` takes the first for the state of the resource.
fn add_reconciling_and_stalled(stage: &mut Stage) {
    let conditions = &mut stage.resource.status.as_mut().unwrap().conditions;
    for kind in [ConditionType::Reconciling, ConditionType::Stalled] {
        conditions.push(Condition { type_: kind.as_str().into(), reason: "Theirs".into(), ..conditions[0].clone() });
    }
}

#[test]
fn the_start_of_a_suspension_is_reported_until_its_end() {
    let (mut stage, mut meta) = suspended(&["1"]);
    assert_eq!(stage.status().suspended_since, time(0));
    stage.now += HOUR;
    stage.edit(|spec| spec.check_interval = Some("2h".into()));
    stage.reconcile(&mut meta).unwrap();
    assert_eq!(stage.status().suspended_since, time(0), "it still is");
    stage.edit(|spec| spec.suspend = Some(false));
    stage.reconcile(&mut meta).unwrap();
    assert_eq!(stage.status().suspended_since, None);
}

#[test]
fn an_earlier_version_s_suspension_is_noted_once() {
    let (mut stage, mut meta) = suspended(&["1"]);
    stage.resource.status.as_mut().unwrap().suspended_since = None;
    stage.now += HOUR;
    assert_eq!(stage.due(), work(false, &[]));
    assert_eq!(stage.reconcile(&mut meta).unwrap().summary.next, None);
    assert_eq!((stage.due(), &stage.status().suspended_since), (Schedule::Later(None), &time(3600)));
}

#[test]
fn once_resumed_it_reads_all_its_numbers_and_owns_those_that_it_has_read() {
    let (mut stage, mut meta) = suspended(&["1", "2"]);
    stage.now += MINUTE;
    stage.edit(|spec| spec.suspend = None);
    assert_eq!(stage.due(), work(true, &["1", "2"]), "also after a restart");
    meta.line("1").fault = Some(Fault::Down);
    meta.line("2").set(Some(5), Some("VALID"));
    let reconcile = stage.reconcile(&mut meta).unwrap();
    assert_eq!(reconcile.plan.uploads.len(), 1, "what it is not to hold is put right");
    assert_eq!(["1", "2"].map(|id| stage.number(id).owned_since.clone()), [None, time(60)]);
    assert_eq!(["1", "2"].map(|id| stage.number(id).state), [NumberState::Valid; 2]);
    assert!(matches!(stage.due(), Schedule::Later(Some(_))), "once");
}

#[test]
fn the_end_of_a_suspension_ends_no_wait() {
    let (mut stage, mut meta) = Stage::settled(&["1"]);
    meta.line("1").set(Some(1), Some("MISMATCH"));
    meta.line("1").is_unsigned = true;
    stage.now += stage.pace();
    stage.reconcile(&mut meta).unwrap();
    let waits = stage.number("1").clone();
    assert_eq!((waits.state, waits.upload_attempts), (NumberState::Mismatch, 1));
    for suspend in [Some(true), None] {
        stage.edit(|spec| spec.suspend = suspend);
        assert_eq!(stage.reconcile(&mut meta).unwrap().plan.uploads, []);
    }
    let number = stage.number("1");
    assert_eq!((number.upload_attempts, &number.last_upload_time), (1, &waits.last_upload_time));
}

#[test]
fn conditions_of_somebody_else_are_put_right_at_once_by_a_look_at_everything() {
    let (mut stage, mut meta) = Stage::settled(&["1", "2"]);
    let conditions = stage.status().conditions.clone();
    type Change = fn(&mut Stage);
    let changes: [Change; 3] = [
        add_reconciling_and_stalled,
        |stage| stage.resource.status.as_mut().unwrap().conditions.truncate(1),
        |stage| stage.resource.status.as_mut().unwrap().conditions.clear(),
    ];
    for change in changes {
        change(&mut stage);
        assert_eq!(stage.due(), work(true, &["1", "2"]));
        assert_eq!(stage.reconcile(&mut meta).unwrap().plan, Plan::default());
        assert_eq!(stage.status().conditions, conditions);
        assert!(matches!(stage.due(), Schedule::Later(Some(_))));
    }
}

#[test]
fn conditions_of_somebody_else_go_from_a_suspended_resource_without_a_look() {
    let (mut stage, mut meta) = suspended(&["1"]);
    let conditions = stage.status().conditions.clone();
    add_reconciling_and_stalled(&mut stage);
    assert_eq!(stage.due(), work(false, &[]));
    assert_eq!(stage.reconcile(&mut meta).unwrap().summary.next, None);
    assert_eq!((&stage.status().conditions, stage.due()), (&conditions, Schedule::Later(None)));
}
