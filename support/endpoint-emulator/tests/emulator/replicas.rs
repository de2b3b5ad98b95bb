//! Replicas, each on its own.

use std::collections::BTreeSet;

use waflows_core::endpoint::ProbeOutcome::{NotReadable, Proven, SignatureRefused, WrongKey};

use crate::{APP_SECRET, FIRST_KEY, SECOND_KEY, ask, client, emulator};
use endpoint_emulator::{Behaviour, Emulator, KeyChange};

#[tokio::test]
async fn each_has_an_address_and_keys_of_its_own() {
    let emulator = emulator(3).await;
    let addresses: BTreeSet<_> = (0..3).map(|n| emulator.address(n).ip()).collect();
    let ports: BTreeSet<_> = (0..3).map(|n| emulator.address(n).port()).collect();
    assert_eq!((addresses.len(), ports.len()), (3, 1));
    emulator.set_keys(1, &[&SECOND_KEY], KeyChange::Now).unwrap();
    emulator.set_keys(2, &[&FIRST_KEY, &SECOND_KEY], KeyChange::Now).unwrap();
    for (replica, first, second) in [(0, Proven, WrongKey), (1, WrongKey, Proven), (2, Proven, Proven)] {
        assert_eq!(ask(&emulator.url(replica), &FIRST_KEY, None).await, first);
        assert_eq!(ask(&emulator.url(replica), &SECOND_KEY, None).await, second);
    }
    assert!(emulator.set_keys(0, &["no key"], KeyChange::Now).is_err());
    assert_eq!(emulator.keys(0).len(), 1);
}

#[tokio::test]
async fn one_can_answer_wrongly_while_the_others_do_not() {
    let emulator = emulator(2).await;
    emulator.set_behaviour(1, Behaviour::IvNotFlipped);
    assert_eq!(ask(&emulator.url(0), &FIRST_KEY, None).await, Proven);
    assert_eq!(ask(&emulator.url(1), &FIRST_KEY, None).await, NotReadable);
}

#[tokio::test]
async fn signatures_are_checked_once_there_is_a_secret() {
    let emulator = emulator(1).await;
    let url = emulator.url(0);
    assert_eq!(ask(&url, &FIRST_KEY, Some("anything")).await, Proven);
    emulator.set_app_secret(Some(APP_SECRET));
    assert_eq!(ask(&url, &FIRST_KEY, Some(APP_SECRET)).await, Proven);
    assert_eq!(ask(&url, &FIRST_KEY, Some("anything")).await, SignatureRefused);
    assert_eq!(ask(&url, &FIRST_KEY, None).await, SignatureRefused);
}

#[tokio::test]
async fn a_replica_can_go_and_come_back() {
    let mut emulator = emulator(2).await;
    emulator.stop_replica(0).await;
    assert!(is_gone(&emulator, 0).await && !is_gone(&emulator, 1).await);
    emulator.set_keys(0, &[&SECOND_KEY], KeyChange::AtRestart).unwrap();
    emulator.start_replica(0).await.unwrap();
    assert_eq!(ask(&emulator.url(0), &SECOND_KEY, None).await, Proven);
}

async fn is_gone(emulator: &Emulator, replica: usize) -> bool {
    client().post(emulator.url(replica)).send().await.is_err_and(|error| error.is_connect())
}
