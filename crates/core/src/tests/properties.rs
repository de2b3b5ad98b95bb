//! Properties that hold for every answer of Meta.

use proptest::prelude::*;

use super::meta::{Fault, Line, Model};
use super::*;

const IDS: [&str; 4] = ["1", "2", "3", "4"];

fn line() -> impl Strategy<Value = Line> {
    let status = prop_oneof![Just(None), Just(Some("VALID")), Just(Some("MISMATCH")), Just(Some("PENDING"))];
    let fault = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Fault::Down)),
        1 => Just(Some(Fault::Refused)),
        1 => Just(Some(Fault::UploadRefused)),
        1 => Just(Some(Fault::Limited)),
        1 => Just(Some(Fault::UploadLost)),
        1 => Just(Some(Fault::AnswerLost)),
        1 => Just(Some(Fault::Unreadable)),
    ];
    (prop::option::of(0usize..4), status, any::<bool>(), any::<bool>(), fault, 0usize..3).prop_map(
        |(key, status, is_unsigned, hides_key, fault, lag)| {
            let mut line = Line::default();
            (line.is_unsigned, line.hides_key, line.fault, line.lag) = (is_unsigned, hides_key, fault, lag);
            line.set(key, status);
            line
        },
    )
}

prop_compose! {
    fn world()(lines in prop::collection::vec(line(), 4), settled in any::<bool>(), observe in any::<bool>()) -> (Stage, Model) {
        let (mut stage, mut meta) = if settled { Stage::settled(&IDS) } else { (Stage::new(&IDS), Model::new(&IDS)) };
        if observe {
            stage.edit(|spec| spec.mode = Mode::Observe);
        }
        for (id, line) in IDS.into_iter().zip(lines) {
            meta.lines.insert(id.into(), line);
        }
        stage.request_sync("look");
        (stage, meta)
    }
}

fn check_conditions(stage: &Stage) {
    let has = |kind: ConditionType| stage.condition(kind).is_some();
    assert!(!(has(ConditionType::Reconciling) && has(ConditionType::Stalled)));
    for kind in [ConditionType::Ready, ConditionType::KeyLoaded, ConditionType::TokenAccepted] {
        assert_eq!(stage.status().conditions.iter().filter(|c| c.type_ == kind.as_str()).count(), 1);
    }
    let all_valid = stage.status().phone_numbers.iter().all(|number| number.state == NumberState::Valid);
    let is_ready = stage.condition(ConditionType::Ready).is_some_and(|c| c.status == "True");
    // What was read with other credentials, or before a change of the spec, does not count until Meta answers again.
    let is_known = stage.condition(ConditionType::TokenAccepted).is_some_and(|c| c.status != "Unknown");
    assert_eq!(is_ready, all_valid && is_known && stage.key.is_ok() && stage.credentials.is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_answered_the_conditions_agree_with_the_numbers((mut stage, mut meta) in world()) {
        for _ in 0..6 {
            let before = stage.resource.status.clone().map(|status| status.conditions).unwrap_or_default();
            if stage.advance(&mut meta).is_none() { break }
            check_conditions(&stage);
            for condition in &stage.status().conditions {
                let same = before.iter().find(|b| b.type_ == condition.type_ && b.status == condition.status);
                let moved = same.is_none_or(|same| same.last_transition_time != condition.last_transition_time);
                prop_assert_eq!(moved, same.is_none(), "{:?}", condition);
            }
        }
    }

    #[test]
    fn a_converged_world_is_left_alone((mut stage, mut meta) in world()) {
        for line in meta.lines.values_mut() {
            *line = Line::default();
            line.set(Some(1), Some("VALID"));
        }
        for _ in 0..3 {
            stage.advance(&mut meta);
        }
        prop_assert_eq!((meta.uploads(), stage.ready()), (0, "AllNumbersValid"));
    }

    #[test]
    fn what_a_plan_has_mended_it_does_not_mend_again((mut stage, mut meta) in world()) {
        for line in meta.lines.values_mut() {
            (line.fault, line.is_unsigned, line.lag) = (None, false, 0);
        }
        stage.advance(&mut meta);
        let work = Work { inputs: true, numbers: IDS.map(str::to_owned).into(), reset_backoff: false, ..Work::default() };
        prop_assert_eq!(plan(&stage.observe(work, &mut meta)).uploads, []);
    }

    #[test]
    fn one_numbers_failure_never_removes_anothers_upload((mut stage, mut meta) in world(), broken in 0usize..4) {
        stage.edit(|spec| spec.mode = Mode::Enforce);
        meta.lines.values_mut().for_each(|line| line.fault = None);
        let work = stage.work();
        let sound = plan(&stage.observe(work.clone(), &mut meta.clone()));
        for fault in [Fault::Down, Fault::Refused, Fault::Limited] {
            let mut meta = meta.clone();
            meta.line(IDS[broken]).fault = Some(fault);
            let others = |plan: &Plan| {
                plan.uploads.iter().filter(|u| u.phone_number_id != IDS[broken]).cloned().collect::<Vec<_>>()
            };
            prop_assert_eq!(others(&plan(&stage.observe(work.clone(), &mut meta))), others(&sound));
        }
    }

    #[test]
    fn a_status_is_the_same_after_it_was_stored((mut stage, mut meta) in world()) {
        stage.advance(&mut meta);
        let work = Work { inputs: true, numbers: IDS.map(str::to_owned).into(), reset_backoff: false, ..Work::default() };
        stage.now += Duration::from_millis(1700);
        let observation = stage.observe(work, &mut meta);
        let status = summarize(&observation, &[], Progress::Finished, stage.now).status;
        stage.store(&status);
        // As the API server stores it.
        let stored: FlowsEncryptionKeyStatus = serde_json::from_slice(&serde_json::to_vec(&status).unwrap()).unwrap();
        prop_assert_eq!(stage.status(), &stored);
        stage.store(&stored);
        prop_assert_eq!(stage.status(), &stored);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reconciles_come_to_rest((mut stage, mut meta) in world()) {
        let end = stage.now + 24 * HOUR;
        let mut reconciles = 0;
        while stage.now < end && reconciles < 6000 {
            if stage.advance(&mut meta).is_none() { break }
            reconciles += 1;
        }
        // A failing number is asked every five minutes, and one that is limited every minute.
        let limited = meta.lines.values().any(|line| line.fault == Some(Fault::Limited));
        let bound = if limited { 24 * 60 * 4 } else { 24 * 12 * 4 } + 60;
        prop_assert!(reconciles < bound, "{} reconciles in a day: {:?}", reconciles, meta.lines);
        for (id, line) in &meta.lines {
            let bound = match line.fault { Some(Fault::UploadLost | Fault::AnswerLost) => 24 * 12 + 10, Some(Fault::UploadRefused) => 30, _ => 16 };
            prop_assert!(line.uploads.len() <= bound, "{} uploads to {}: {:?}", line.uploads.len(), id, line);
        }
    }
}
