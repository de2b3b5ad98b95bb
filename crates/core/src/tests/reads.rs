//! How many reads go at the same time.

use super::*;
use crate::reconcile::action::{Action, Event};
use crate::reconcile::reads::PARALLEL_CALLS;

/// The reads that may start before any answer, of a resource with so many numbers.
fn started(numbers: usize, is_trusted: bool) -> usize {
    let ids: Vec<_> = (0..numbers).map(|n| n.to_string()).collect();
    let stage = Stage::new(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let mut reconcile = stage.begin(Work::everything(&stage.resource));
    assert_eq!(reconcile.next(stage.now), Some(Action::ReadSecrets));
    reconcile.handle(Event::SecretsRead(stage.inputs()), stage.now);
    if is_trusted {
        reconcile.trust_credentials();
    }
    std::iter::from_fn(|| reconcile.next(stage.now)).count()
}

#[test]
fn the_first_read_goes_alone_unless_the_credentials_are_trusted() {
    for (numbers, is_trusted, expected) in [(1, false, 1), (5, false, 1), (5, true, 5), (20, true, PARALLEL_CALLS)] {
        assert_eq!(started(numbers, is_trusted), expected, "{numbers} numbers, trusted: {is_trusted}");
    }
}
