//! Which key opened which request.

use endpoint_emulator::{Behaviour, Signature};

use crate::{APP_SECRET, FIRST_KEY, SECOND_KEY, ask, client, emulator, public};

#[tokio::test]
async fn every_request_is_remembered_with_the_key_that_opened_it() {
    let emulator = emulator(2).await;
    emulator.set_app_secret(Some(APP_SECRET));
    ask(&emulator.url(0), &FIRST_KEY, Some(APP_SECRET)).await;
    ask(&emulator.url(1), &SECOND_KEY, Some(APP_SECRET)).await;
    ask(&emulator.url(1), &FIRST_KEY, Some("another")).await;
    client().post(emulator.url(0) + "?a=b").body("{}").send().await.unwrap();
    let first = public(&FIRST_KEY).fingerprint().to_string();
    let requests = emulator.requests();
    let seen: Vec<_> = requests
        .iter()
        .map(|request| {
            (request.sequence, request.replica, request.signature, request.opened_by.as_deref(), request.status)
        })
        .collect();
    let expected = [
        (1, 0, Signature::Right, Some(&*first), Some(200)),
        (2, 1, Signature::Right, None, Some(421)),
        (3, 1, Signature::Other, Some(&*first), Some(432)),
        (4, 0, Signature::Missing, None, Some(432)),
    ];
    assert_eq!(seen, expected);
    assert_eq!((requests[0].action.as_deref(), &*requests[3].path), (Some("ping"), "/flows?a=b"));
    emulator.clear_journal();
    assert!(emulator.requests().is_empty());
}

#[tokio::test]
async fn what_opens_a_request_is_noted_even_where_the_answer_is_wrong() {
    let emulator = emulator(1).await;
    emulator.set_behaviour(0, Behaviour::Status(500));
    ask(&emulator.url(0), &FIRST_KEY, None).await;
    let request = emulator.requests().remove(0);
    assert!(request.opened_by.is_some() && request.status == Some(500), "{request:?}");
}
