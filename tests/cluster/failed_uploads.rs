//! Meta refuses uploads, and still answers reads. The status and an event say why the uploads fail.

use graph_emulator::{Fault, FaultAction, GraphError};
use harness::{World, condition_of, many_numbers, number_of, strs};
use k8s_openapi::api::events::v1::Event;
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::{FailedCall, FlowsEncryptionKey, NumberState};

use crate::OPERATOR;
use crate::history::History;

fn answer(status: u16, body: &str) -> FaultAction {
    FaultAction::Answer { status, headers: Vec::new(), body: body.into() }
}

/// Notes of events for this reason and resource, and how often each was published.
async fn notes(world: &World, reason: &str, name: &str) -> Vec<(String, i32)> {
    let is_it = |event: &Event| {
        event.reason.as_deref() == Some(reason)
            && event.regarding.as_ref().is_some_and(|object| object.name.as_deref() == Some(name))
    };
    let events = world.events().await.into_iter().filter(is_it);
    events.map(|event| (event.note.unwrap_or_default(), event.series.map_or(1, |series| series.count))).collect()
}

#[tokio::test]
async fn why_an_upload_keeps_failing_is_reported_until_one_succeeds() {
    let rows = [
        (FaultAction::GraphError(GraphError::new(500, 1, "An unknown error occurred")), "Meta answers HTTP 500"),
        (FaultAction::GraphError(GraphError::new(400, 7_777, "Something of the future")), "Meta answers HTTP 400"),
        (FaultAction::ProxyError { status: 502 }, "Meta answers HTTP 502"),
        (FaultAction::ResetBeforeAnswer, "The connection to the Graph API broke"),
        (answer(200, r#"{"success": false}"#), "Meta answered that the upload was not successful"),
        (answer(400, "<html>not today</html>"), "Meta answers HTTP 400"),
    ];
    let ids = many_numbers(rows.len());
    let world = World::with_flags(OPERATOR, &strs(&ids), &["--wait-scale", "0.005"]).await;
    world.set_default_secrets().await;
    for (n, ((action, _), id)) in rows.iter().zip(&ids).enumerate() {
        world.emulator.inject(Fault::new(action.clone()).uploads().number(id));
        world.apply(&format!("row-{n}"), World::spec(&[id])).await.unwrap();
    }
    for (n, ((_, cause), id)) in rows.iter().zip(&ids).enumerate() {
        let name = format!("row-{n}");
        let has_failed = |resource: &FlowsEncryptionKey| {
            number_of(resource, id).error.as_ref().is_some_and(|error| error.call == Some(FailedCall::Upload))
        };
        world.wait_reason(&name, "KeyMissing").await;
        let history = History::of(&world, &name).await;
        let tried = world.emulator.calls_to(id).uploads;
        world.wait_until("tried again", || world.emulator.calls_to(id).uploads >= tried + 2).await;
        let resource = world.resources().get(&name).await.unwrap();
        assert!(history.up_to(&world, &resource).await.iter().all(has_failed), "{cause}: {resource:#?}");
        assert_eq!(number_of(&resource, id).state, NumberState::Missing);
        let (status, _, message) = condition_of(&resource, ConditionType::Ready);
        let expected = format!("{id}: The number holds no key; the last upload failed. {cause}");
        assert!(status == "False" && message.contains(&expected), "{message}");
        let notes = notes(&world, "UploadFailed", &name).await;
        let [(note, 1)] = notes.as_slice() else { panic!("not one event: {notes:?}") };
        assert!(note.contains(id.as_str()) && note.contains(cause), "{note}");
    }
    world.emulator.clear_faults();
    for (n, id) in ids.iter().enumerate() {
        let resource = world.wait_ready(&format!("row-{n}")).await;
        let number = number_of(&resource, id);
        assert_eq!((&number.error, number.message.as_str()), (&None, ""));
    }
}
