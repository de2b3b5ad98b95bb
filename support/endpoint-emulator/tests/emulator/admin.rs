//! The emulator's own API.

use serde_json::{Value, json};
use waflows_core::endpoint::ProbeOutcome::{BadStatus, Proven, WrongKey};

use crate::{FIRST_KEY, SECOND_KEY, ask, client, emulator, public};

#[tokio::test]
async fn what_control_does_can_be_done_over_http() {
    let emulator = emulator(2).await;
    let base = emulator.url(1).replace("/flows", "/_emulator");
    let put = async |path: &str, body: Value| {
        let response = client().put(format!("{base}{path}")).body(body.to_string()).send().await.unwrap();
        response.status().as_u16()
    };
    let late = json!({"keys": [*SECOND_KEY], "change": "at-restart"});
    assert_eq!(put("/replicas/0/keys", late).await, 204);
    assert_eq!(ask(&emulator.url(0), &SECOND_KEY, None).await, WrongKey);
    client().post(format!("{base}/replicas/0/restart")).send().await.unwrap();
    assert_eq!(ask(&emulator.url(0), &SECOND_KEY, None).await, Proven);
    let later = json!({"keys": [*FIRST_KEY], "change": {"after": "1h"}});
    assert_eq!(put("/replicas/0/keys", later).await, 204);
    assert_eq!(put("/replicas/1/behaviour", json!({"status": 503})).await, 204);
    assert_eq!(ask(&emulator.url(1), &FIRST_KEY, None).await, BadStatus);

    let state: Value = client().get(format!("{base}/state")).send().await.unwrap().json().await.unwrap();
    let second = public(&SECOND_KEY).fingerprint().to_string();
    assert_eq!(state["replicas"][0], json!({"keys": [second], "behaviour": "right"}));
    let requests: Value = client().get(format!("{base}/requests")).send().await.unwrap().json().await.unwrap();
    assert_eq!(requests.as_array().unwrap().len(), 3, "its own API is not in the journal: {requests}");
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let emulator = emulator(1).await;
    let base = emulator.url(0).replace("/flows", "/_emulator");
    for (path, body, expected) in [
        ("/replicas/1/behaviour", r#""clear""#, 404),
        ("/replicas/0/behaviour", r#""friendly""#, 400),
        ("/replicas/0/keys", "{}", 400),
        ("/replicas/0/keys", r#"{"keys": ["no key"]}"#, 400),
    ] {
        let response = client().put(format!("{base}{path}")).body(body).send().await.unwrap();
        assert_eq!(response.status().as_u16(), expected, "{path} {body}");
    }
}
