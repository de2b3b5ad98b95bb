//! Keys that arrive at once, late, at a restart, never.

use std::time::Duration;

use endpoint_emulator::{Emulator, KeyChange};
use harness::wait::until;

use crate::{FIRST_KEY, SECOND_KEY, emulator, public};

fn has(emulator: &Emulator, key: &str) -> bool {
    emulator.keys(0).iter().any(|fingerprint| **fingerprint == *public(key).fingerprint().to_string())
}

#[tokio::test]
async fn keys_come_at_their_time_or_never() {
    let emulator = emulator(1).await;
    let give = |change| emulator.set_keys(0, &[&SECOND_KEY], change).unwrap();
    for change in [KeyChange::Never, KeyChange::AtRestart, KeyChange::After(Duration::from_secs(3600))] {
        give(change);
        assert!(has(&emulator, &FIRST_KEY) && !has(&emulator, &SECOND_KEY), "{change:?}");
    }
    give(KeyChange::AtRestart);
    emulator.restart(0);
    assert!(has(&emulator, &SECOND_KEY) && !has(&emulator, &FIRST_KEY));
    emulator.set_keys(0, &[&FIRST_KEY], KeyChange::Now).unwrap();
    give(KeyChange::Never);
    emulator.restart(0);
    assert!(has(&emulator, &FIRST_KEY), "what never comes does not come at a restart either");
}

#[tokio::test]
async fn keys_come_after_a_while() {
    let emulator = emulator(1).await;
    emulator.set_keys(0, &[&SECOND_KEY], KeyChange::After(Duration::from_millis(20))).unwrap();
    assert!(until(|| has(&emulator, &SECOND_KEY)).await);
}
