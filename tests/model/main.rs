//! Exhaustive model checking of the operator's decisions: every order of everything that may happen, within bounds.
//!
//! A [`world::World`] is what the API server stores, what Meta holds, and what each process has in memory.
//! [`environment`] says what may happen in a world, and [`endpoint`] which keys the Flow endpoint opens. [`reconcile`]
//! drives the operator's own `Reconcile`, `Store` and `Election`, one step at a time. The `stateright` crate visits
//! every state, breadth first, so that each trace is a shortest one. It checks in each state
//!
//! - safety: no [`history::Violation`] happened;
//! - liveness, as a property of states: if nothing goes wrong from here on, the world comes to rest within
//!   [`rest::MOST_STEPS`] reconciles and waits. The schedule is fair and deterministic, and distances are remembered,
//!   so this check costs little more than a step.
//!
//! [`canonical`] says which states are the same. Each of [`setups`] has few features and bounded faults. Each test in
//! [`broken`] breaks the operator on purpose and asserts that the model finds the fault.
//!
//! With `WAFLOWS_MODEL=wide` in the environment every kind of fault may happen once more. That takes half an hour:
//! `WAFLOWS_MODEL=wide cargo test --profile soak --test model -- --nocapture`. `--nocapture` also shows the number of
//! states.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod canonical;
mod checker;
mod endpoint;
mod environment;
mod history;
mod objects;
mod reconcile;
mod rest;
mod setup;
mod setups;
mod world;

use checker::{COMES_TO_REST, check};
use setup::{Mutation, Setup};

fn assert_holds(setup: &Setup) {
    let is_wide = std::env::var("WAFLOWS_MODEL").is_ok_and(|size| size == "wide");
    let setup = &if is_wide { setup.clone().widened() } else { setup.clone() };
    let found = check(setup, None);
    for (property, trace) in &found {
        eprintln!("{}: {property} is violated after\n{trace}", setup.name);
    }
    assert!(found.is_empty(), "{} is violated, see the trace", found.into_keys().collect::<Vec<_>>().join(", "));
}

fn assert_found(setup: Setup, mutation: Mutation, property: &'static str) {
    let found = check(&setup.broken(mutation), Some(property));
    assert!(found.contains_key(property), "{mutation:?} is not noticed");
}

macro_rules! hold {
    ($($name:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            assert_holds(&setups::$name());
        })+
    };
}

hold! {
    drift,
    two_numbers,
    unreliable_meta,
    late_uploads,
    unregistered,
    rotation,
    endpoint,
    endpoint_crash,
    endpoint_drift,
    endpoint_two_numbers,
    endpoint_people,
    endpoint_rotations,
    missing_secret,
    modes,
    contested,
    ownership,
    shared_and_own_number,
    succession,
    replicas,
    replica_crash,
    replica_drift,
    replica_renewal,
}

mod broken {
    use super::*;

    macro_rules! noticed {
        ($($test:ident: $setup:ident, $mutation:ident => $property:expr;)+) => {
            $(#[test]
            fn $test() {
                assert_found(setups::$setup(), Mutation::$mutation, $property);
            })+
        };
    }

    noticed! {
        nobody_asks_who_owns: ownership, IgnoreOwnership => "UploadOfOther";
        observe_is_enforce: modes, IgnoreMode => "ForbiddenUpload";
        suspension_is_noticed_late: modes, IgnoreChanges => "ForbiddenUpload";
        rotation_is_noticed_late: rotation, IgnoreChanges => "UploadOfOldKey";
        no_lease_expires: replicas, IgnoreExpiry => "UploadOfFollower";
        followers_write: replicas, WriteAsFollower => "WriteOfFollower";
        nobody_asks_the_endpoint: endpoint_crash, IgnoreEndpoint => "UnprovenKey";
        the_endpoint_is_asked_once: endpoint_crash, ProbeOnce => COMES_TO_REST;
        no_key_is_tried: rotation, SkipCanary => "UntriedKey";
        success_is_valid: unregistered, TrustUploads => "FalseReady";
        ready_stays: drift, KeepReady => "FalseReady";
        attempts_are_forgotten: unregistered, ForgetAttempts => "NeedlessUpload";
        what_is_read_is_uploaded: drift, UploadAlways => "NeedlessUpload";
        both_conditions: drift, StallWhileReconciling => "ReconcilingAndStalled";
        no_next_reconcile: drift, ForgetNextReconcile => COMES_TO_REST;
    }
}
