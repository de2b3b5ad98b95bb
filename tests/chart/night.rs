//! A night of incidents. For each, the log, the events and `kubectl get` alone show what happened, to which numbers,
//! since when, and that it is over. Exactly one alert fires, and it is the right one.

use graph_emulator::{Fault, FaultAction, RateLimit, RetryAfter, Usage};
use harness::TOKEN;
use serde_json::{Value, json};

use crate::alerts::RULES;
use crate::pod::Pod;
use crate::scene::{NUMBER, Scene};
use crate::timeline::{Night, hasten};

const BRANCHES: [(&str, &str); 2] = [("branch", "107995438950512"), ("support", "108811432100233")];
const ACCOUNT: &str = "102290129340398";

/// A pod that works for the resource `storefront` and these beside it, all of them Ready.
fn start(scene: &Scene, beside: &[(&str, &str)]) -> Pod {
    scene.emulator.add_numbers(beside.iter().map(|(_, number)| number));
    for (name, number) in beside {
        scene.add_resource(name, &[number]);
    }
    let mut objects = scene.scoped();
    hasten(&mut objects);
    scene.install(&objects);
    let pod = scene.start(&objects, "flows-0");
    for (name, _) in [("storefront", NUMBER)].iter().chain(beside) {
        wait_ready(scene, &pod, name);
    }
    pod
}

fn wait_ready(scene: &Scene, pod: &Pod, name: &str) {
    let resource = format!("fek/{name}");
    let arguments = ["-n", &scene.namespace, "wait", "--for=condition=Ready", &resource, "--timeout=100s"];
    let printed = scene.cluster.try_kubectl(&arguments, "");
    assert!(printed.is_success(), "{}\nlog:\n{}", printed.stderr, pod.log());
}

/// The row of `kubectl get -o wide`.
fn row(scene: &Scene, name: &str) -> String {
    scene.cluster.kubectl(&["-n", &scene.namespace, "get", "fek", name, "-o", "wide", "--no-headers"], "")
}

/// The lines of a level.
fn lines(pod: &Pod, level: &str) -> Vec<String> {
    let level = format!("\"level\":\"{level}\"");
    pod.log().lines().filter(|line| line.contains(&level)).map(str::to_owned).collect()
}

/// The only line of the level with these words. It has a time that begins with the year.
fn only_line(pod: &Pod, level: &str, words: &[&str]) {
    let found: Vec<_> = lines(pod, level).into_iter().filter(|line| line.contains(words[0])).collect();
    assert_eq!(found.len(), 1, "{level} {words:?}: {found:#?}\nlog:\n{}", pod.log());
    assert!(words.iter().all(|word| found[0].contains(word)), "{words:?}: {}", found[0]);
}

/// The note of an event for a reason.
fn note(scene: &Scene, name: &str, reason: &str) -> Option<String> {
    let events = scene.events_of(name);
    let event = events.iter().rfind(|event| event["reason"] == reason)?;
    Some(event["note"].as_str().unwrap().to_owned())
}

fn wait_note(scene: &Scene, night: &Night<'_>, name: &str, reason: &str, words: &[&str]) {
    night.wait_until(&format!("published {reason} of {name}"), || note(scene, name, reason).is_some());
    let note = note(scene, name, reason).unwrap();
    assert!(words.iter().all(|word| note.contains(word)), "{reason} of {name}: {note} lacks some of {words:?}");
}

/// The labels of an alert about the resources of the scene.
fn alert(scene: &Scene, name: &str, severity: &str, further: Value) -> Value {
    let mut labels = json!({"alertname": name, "alertstate": "firing", "severity": severity, "job": "flows"});
    for (name, value) in further.as_object().unwrap() {
        labels[name] = value.clone();
    }
    if labels["instance"].is_null() {
        labels["namespace"] = json!(scene.namespace);
    }
    labels.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    labels
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_expires() {
    let scene = Scene::new().await;
    tokio::task::block_in_place(|| {
        let pod = start(&scene, &BRANCHES);
        let secret = format!("Secret {}/meta-token", scene.namespace);
        let names = ["storefront", BRANCHES[0].0, BRANCHES[1].0];
        let scrapes = Night::live(&scene.namespace, &pod, |night| {
            night.pass(20);
            scene.emulator.expire_token(TOKEN);
            for name in names {
                wait_note(&scene, night, name, "TokenRefused", &[&secret, "190"]);
                let row = row(&scene, name);
                assert!(row.contains("False") && row.contains("TokenRefused") && row.contains(&secret), "{row}");
            }
            night.pass(60);
            let token = "EAANextTokenOfTheTests0123456789";
            scene.emulator.add_token(token);
            scene.set_token(token);
            for name in names {
                wait_ready(&scene, &pod, name);
                wait_note(&scene, night, name, "AllNumbersValid", &["Ready was False (TokenRefused) since 20"]);
            }
            night.pass(10);
        });
        let entry = format!("{secret}, entry token");
        only_line(&pod, "WARN", &["calls to Meta wait", &entry, "\"until\":\"20", "190"]);
        only_line(&pod, "INFO", &["calls to Meta go on", &entry, "\"since\":\"20"]);
        assert_eq!(lines(&pod, "WARN").len(), 1, "{:#?}", lines(&pod, "WARN"));
        let of = json!({"resource_namespace": scene.namespace, "secret": "meta-token"});
        scrapes.assert_fired(RULES, &[alert(&scene, "WaflowsTokenRefused", "warning", of)]);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_limited() {
    let scene = Scene::new().await;
    tokio::task::block_in_place(|| {
        let pod = start(&scene, &BRANCHES);
        let scrapes = Night::live(&scene.namespace, &pod, |night| {
            night.pass(20);
            let usage = Usage { business_percent: Some(100), waba_id: Some(ACCOUNT.to_owned()), ..Usage::default() };
            // An hour and a half of the night: the test does not shorten the waits of Meta.
            let retry_after = Some(RetryAfter::Seconds(30));
            let limit = FaultAction::RateLimit(RateLimit { retry_after, usage, ..RateLimit::default() });
            let fault = scene.emulator.inject(Fault::new(limit));
            night.wait_until("limited", || pod.log().contains("calls to Meta wait"));
            night
                .wait_until("shown", || row(&scene, "storefront").contains("Meta has limited the rate of calls since"));
            let row = row(&scene, "storefront");
            assert!(row.contains("True") && row.contains("as of 20"), "{row}");
            // All have met it by then.
            night.pass(70);
            scene.emulator.clear_fault(fault);
            night.wait_until("over", || pod.log().contains("calls to Meta go on"));
            night.wait_until("shown", || !self::row(&scene, "storefront").contains("limited"));
            night.pass(10);
        });
        only_line(&pod, "WARN", &["calls to Meta wait", ACCOUNT, "\"scope\":\"waba\"", "\"until\":\"20", "80007"]);
        only_line(&pod, "INFO", &["calls to Meta go on", ACCOUNT, "\"since\":\"20"]);
        assert_eq!(lines(&pod, "WARN").len(), 1, "{:#?}", lines(&pod, "WARN"));
        scrapes.assert_fired(RULES, &[alert(&scene, "WaflowsGraphPaused", "warning", json!({"scope": "waba"}))]);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn meta_is_down_for_four_hours() {
    let scene = Scene::new().await;
    tokio::task::block_in_place(|| {
        let pod = start(&scene, &BRANCHES);
        let names = ["storefront", BRANCHES[0].0, BRANCHES[1].0];
        let scrapes = Night::live(&scene.namespace, &pod, |night| {
            night.pass(20);
            let fault = scene.emulator.inject(Fault::new(FaultAction::ProxyError { status: 503 }));
            for name in names {
                night.wait_until("shown", || row(&scene, name).contains("Meta has not answered since"));
                let row = row(&scene, name);
                assert!(row.contains("True") && row.contains("as of 20"), "{row}");
            }
            night.pass(200);
            for name in names {
                wait_note(&scene, night, name, "CheckOverdue", &["Phone number ID"]);
                let row = row(&scene, name);
                assert!(row.contains("Unknown") && row.contains("CheckOverdue"), "{row}");
            }
            scene.emulator.clear_fault(fault);
            for name in names {
                wait_ready(&scene, &pod, name);
                wait_note(&scene, night, name, "AllNumbersValid", &["Ready was Unknown (CheckOverdue) since 20"]);
            }
            night.pass(40);
        });
        only_line(&pod, "WARN", &["Meta has stopped answering", "503", "\"since\":\"20"]);
        only_line(&pod, "INFO", &["Meta answers again", "\"since\":\"20"]);
        assert_eq!(lines(&pod, "WARN").len(), 1, "{:#?}", lines(&pod, "WARN"));
        let of = json!({"instance": "10.0.0.0:8080"});
        scrapes.assert_fired(RULES, &[alert(&scene, "WaflowsGraphErrors", "warning", of)]);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signature_is_lost_on_three_numbers_of_fifty() {
    let scene = Scene::new().await;
    tokio::task::block_in_place(|| {
        let ids: Vec<_> = (0..50).map(|n| format!("10{n:013}")).collect();
        let numbers: Vec<_> = ids.iter().map(String::as_str).collect();
        scene.emulator.add_numbers(&numbers);
        scene.add_resource("storefront", &numbers);
        let pod = start(&scene, &[]);
        let lost = [numbers[7], numbers[21], numbers[40]];
        let scrapes = Night::live(&scene.namespace, &pod, |night| {
            night.pass(20);
            for number in lost {
                scene.emulator.lose_signature(number).unwrap();
                // Five uploads have no effect; the sixth comes half an hour after the first.
                scene.emulator.inject(Fault::upload_lands_as("MISMATCH").number(number).times(5));
            }
            let named = format!("hone number IDs {}:", lost.join(", "));
            wait_note(&scene, night, "storefront", "SignatureLost", &[&named]);
            wait_note(&scene, night, "storefront", "UploadsWithoutEffect", &[&named, "registered"]);
            let row = row(&scene, "storefront");
            assert!(row.contains("False") && row.contains("47/50") && row.contains(&named), "{row}");
            wait_ready(&scene, &pod, "storefront");
            let since = format!("{} (seen without it since 20", lost[0]);
            wait_note(&scene, night, "storefront", "SignatureRestored", &[&since, lost[1], lost[2]]);
            wait_note(
                &scene,
                night,
                "storefront",
                "AllNumbersValid",
                &["Ready was False (UploadsWithoutEffect) since 20"],
            );
            night.pass(10);
        });
        only_line(&pod, "WARN", &["not ready until a person acts", lost[0], lost[1], lost[2], "registered"]);
        let healed = lines(&pod, "INFO").into_iter().rfind(|line| line.contains("reconciled")).unwrap();
        assert!(healed.contains("was signed again on") && lost.iter().all(|id| healed.contains(id)), "{healed}");
        let of = json!({"resource_namespace": scene.namespace, "name": "storefront", "state": "Mismatch"});
        scrapes.assert_fired(RULES, &[alert(&scene, "WaflowsPhoneNumberNotValid", "critical", of)]);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_suspended() {
    let scene = Scene::new().await;
    tokio::task::block_in_place(|| {
        let pod = start(&scene, &[]);
        let suspend = |suspend: bool| {
            let change = json!({"spec": {"suspend": suspend}}).to_string();
            let arguments = ["-n", &scene.namespace, "patch", "fek", "storefront", "--type", "merge", "-p", &change];
            scene.cluster.kubectl(&arguments, "");
        };
        let scrapes = Night::live(&scene.namespace, &pod, |night| {
            night.pass(20);
            suspend(true);
            scene.emulator.lose_signature(NUMBER).unwrap();
            night.pass(90);
            let row = row(&scene, "storefront");
            assert!(row.split_whitespace().any(|column| column == "true"), "{row}");
            // An owner that is forgotten for a week wakes somebody.
            let of = json!({"resource_namespace": scene.namespace, "name": "storefront"});
            let forgotten = [alert(&scene, "WaflowsResourceSuspended", "warning", of)];
            night.in_a_week(&scene.namespace).assert_firing(RULES, &forgotten);
            assert_eq!(scene.emulator.number(NUMBER).unwrap().signature_status(), Some("MISMATCH"), "nobody looks");
            suspend(false);
            wait_note(&scene, night, "storefront", "SignatureRestored", &[NUMBER, "(last seen valid 20"]);
            wait_ready(&scene, &pod, "storefront");
            night.pass(10);
        });
        let healed = lines(&pod, "INFO").into_iter().rfind(|line| line.contains("reconciled")).unwrap();
        assert!(healed.contains(NUMBER) && healed.contains("last seen valid 20"), "{healed}");
        // A night is not long enough for the alert.
        scrapes.assert_fired(RULES, &[]);
    });
}
