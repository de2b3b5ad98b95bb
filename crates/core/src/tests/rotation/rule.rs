//! The rule over all combinations of what up to three targets do with the two keys.

use crate::api::crd::Gate;
use crate::proof::Tally;
use crate::replacement::decision::{Decision, decide};

/// What one target does with one key.
#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Opens,
    Lacks,
    Unknown,
}

const ANSWERS: [Answer; 3] = [Answer::Opens, Answer::Lacks, Answer::Unknown];

/// All ways in which so many targets answer to one key.
fn ways(targets: usize) -> Vec<Vec<Answer>> {
    (0..targets).fold(vec![Vec::new()], |ways, _| {
        ways.iter().flat_map(|way| ANSWERS.map(|answer| [way.as_slice(), &[answer]].concat())).collect()
    })
}

fn tally(answers: &[Answer]) -> Tally {
    let count = |wanted| answers.iter().filter(|answer| **answer == wanted).count();
    Tally { targets: answers.len(), opened: count(Answer::Opens), refused: count(Answer::Lacks) }
}

#[test]
fn a_valid_key_is_replaced_only_while_every_target_opens_the_new_one() {
    let mut seen = 0;
    for targets in 0..=3 {
        for in_use in ways(targets) {
            for new in ways(targets) {
                seen += 1;
                let decision = decide(Some(Gate::Required), tally(&in_use), tally(&new));
                let all_open = targets > 0 && new.iter().all(|answer| *answer == Answer::Opens);
                let clients_fail = in_use.contains(&Answer::Lacks);
                assert_eq!(decision.allows(), all_open, "{decision:?}: {targets} targets");
                if all_open {
                    assert_eq!(decision == Decision::FastForward, clients_fail, "clients that fail do not wait");
                }
                if decision == Decision::AwaitSwap {
                    assert!(clients_fail && new.contains(&Answer::Opens));
                }
                if decision == Decision::EndpointLacksKeys {
                    assert!(in_use.iter().chain(&new).all(|answer| *answer == Answer::Lacks));
                }
                for gate in [None, Some(Gate::Report)] {
                    assert!(decide(gate, tally(&in_use), tally(&new)).allows(), "nothing waits with {gate:?}");
                }
            }
        }
    }
    assert_eq!(seen, 1 + 9 + 81 + 729);
}
