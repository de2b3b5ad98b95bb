//! The steps with a Flow endpoint: a rotation that no customer sees, a wrong key that reaches no number, and the same
//! without the gate.

use std::time::{Duration, Instant};

use serde_json::Value;
use waflows_core::api::crd::FlowsEncryptionKey;
use whatsapp_clients::Counts;

use crate::error::Error;
use crate::flow::Flow;
use crate::scene::{NUMBERS, Scene, title};
use crate::story::{RESOURCE, SHOW, check_emulator, expect, generate_key, replace_key, shows_everywhere};
use crate::wait;

/// The key that is in the Secret when these steps begin.
const FIRST: &str = "private-2.pem";
const SECOND: &str = "private-3.pem";
const WRONG: &str = "private-4.pem";
const POLL: Duration = Duration::from_millis(20);
/// Requests that show whether customers see failures.
const LOOK: u64 = 90;

/// Plays all steps.
///
/// # Errors
/// At the first step that does not happen, and at a failure that a customer must not see.
pub(crate) async fn play(scene: &Scene) -> Result<Flow, Error> {
    let flow = set_up(scene).await?;
    let fingerprint = rotate(scene, &flow).await?;
    let wrong = wrong_key(scene, &flow).await?;
    without_the_gate(scene, &flow, &wrong, &fingerprint).await?;
    Ok(flow)
}

async fn set_up(scene: &Scene) -> Result<Flow, Error> {
    title("6. A Flow endpoint of two pods, and customers who use the Flow all the time");
    let flow = Flow::set_up(scene, FIRST).await?;
    println!(
        "An emulated endpoint serves as the pods flows-1 and flows-2 of the Service flows. Simulated WhatsApp clients"
    );
    println!("encrypt with the key of a number, which they keep for no time, for seconds or for ever.");
    let patch = r#"kubectl patch fek storefront --type=merge -p '{"spec":{"endpoint":{"service":{"name":"flows","path":"/flows"}},"rotation":{"overlap":"4s"}}}'"#;
    scene.shell.run(patch).await?;
    scene.shell.run("kubectl wait --for=condition=EndpointReady fek/storefront --timeout=60s").await?;
    scene.shell.run(SHOW).await?;
    print_counts("Since the start", &flow.counts());
    Ok(flow)
}

async fn rotate(scene: &Scene, flow: &Flow) -> Result<String, Error> {
    title("7. A new key, first in the operator's Secret: the operator waits for the endpoint");
    let fingerprint = generate_key(scene, SECOND).await?;
    replace_key(scene, SECOND).await?;
    let before = flow.counts();
    let lags = [Duration::from_secs(2), Duration::from_secs(4)];
    flow.load(scene, &[FIRST, SECOND], lags)?;
    println!("The pods get the new key beside the old one, as a kubelet would bring it: after 2 s and after 4 s.\n");
    let is_over = |resource: &FlowsEncryptionKey| phase(resource) == "Completed";
    follow(scene, flow, &before, &fingerprint, "the rotation is Completed", is_over).await?;
    println!();
    scene.shell.run(SHOW).await?;
    check_emulator(scene, &fingerprint)?;
    println!("Now the old private key may go from the endpoint.");
    flow.load(scene, &[SECOND], [Duration::ZERO; 2])?;
    flow.go_on_for(LOOK).await?;
    let seen = flow.since(&before);
    print_counts("Since the new key", &seen);
    expect("no request of a customer to fail".to_owned(), seen.failures, 0)?;
    Ok(fingerprint)
}

async fn wrong_key(scene: &Scene, flow: &Flow) -> Result<String, Error> {
    title("8. A key that the endpoint does not have: it reaches no number");
    let wrong = generate_key(scene, WRONG).await?;
    let held = scene.emulator.uploads().len();
    let before = flow.counts();
    replace_key(scene, WRONG).await?;
    let is_staged = |resource: &FlowsEncryptionKey| phase(resource) == "Staged" && to(resource) == wrong;
    let expected = format!("FlowsEncryptionKey {RESOURCE} waits with {wrong}");
    wait::for_resource(&scene.resources(), RESOURCE, expected, is_staged).await?;
    flow.go_on_for(LOOK).await?;
    scene.shell.run(SHOW).await?;
    expect("no upload of a key that the endpoint lacks".to_owned(), scene.emulator.uploads().len(), held)?;
    let seen = flow.since(&before);
    print_counts("Since the wrong key", &seen);
    expect("no request of a customer to fail".to_owned(), seen.failures, 0)?;
    Ok(wrong)
}

async fn without_the_gate(scene: &Scene, flow: &Flow, wrong: &str, right: &str) -> Result<(), Error> {
    title("9. The same wrong key without the gate: this is what the gate prevents");
    let before = flow.counts();
    let patch = r#"kubectl patch fek storefront --type=merge -p '{"spec":{"endpoint":{"gate":"Report"}}}'"#;
    scene.shell.run(patch).await?;
    let is_everywhere = |resource: &FlowsEncryptionKey| holders(resource, wrong) == NUMBERS.len();
    let expected = format!("all numbers hold {wrong}");
    wait::for_resource(&scene.resources(), RESOURCE, expected, is_everywhere).await?;
    flow.go_on_for(LOOK).await?;
    scene.shell.run(SHOW).await?;
    let seen = flow.since(&before);
    print_counts("Since the gate is gone", &seen);
    expect("requests of customers to fail".to_owned(), seen.failures > 0, true)?;
    println!("The way back: the right key in the Secret, and the gate.");
    replace_key(scene, SECOND).await?;
    scene.shell.run(&patch.replace("Report", "Required")).await?;
    let expected = format!("FlowsEncryptionKey {RESOURCE} reports {right} as VALID on all numbers");
    let is_back = |resource: &FlowsEncryptionKey| shows_everywhere(resource, right);
    wait::for_resource(&scene.resources(), RESOURCE, expected, is_back).await?;
    // Requests that were under way may still fail.
    flow.go_on_for(CLIENTS_UNDER_WAY).await?;
    let seen = flow.go_on_for(LOOK).await?;
    print_counts("With the right key", &seen);
    expect("no request of a customer to fail".to_owned(), seen.failures, 0)
}

/// More than requests that can be under way at one moment.
const CLIENTS_UNDER_WAY: u64 = 20;

/// Prints a line at each change, until the resource fulfils a condition.
async fn follow(
    scene: &Scene,
    flow: &Flow,
    before: &Counts,
    fingerprint: &str,
    expected: &str,
    is_over: impl Fn(&FlowsEncryptionKey) -> bool,
) -> Result<(), Error> {
    println!("   time  phase        pods with the key  numbers with the key  requests  failed");
    let (resources, begun) = (scene.resources(), Instant::now());
    wait::within(expected, async {
        let mut shown = None;
        loop {
            let resource = resources.get(RESOURCE).await;
            let resource = resource.map_err(|source| Error::Kubernetes { doing: "reading the resource", source })?;
            let state = (phase(&resource), pods(&resource, fingerprint), holders(&resource, fingerprint));
            if shown.as_ref() != Some(&state) {
                let ((phase, pods, numbers), seen) = (&state, flow.since(before));
                let numbers = format!("{numbers}/{}", NUMBERS.len());
                let seconds = begun.elapsed().as_secs_f64();
                let Counts { requests, failures, .. } = seen;
                println!("{seconds:5.1} s  {phase:11}  {pods:17}  {numbers:20}  {requests:8}  {failures:6}");
                shown = Some(state);
            }
            if is_over(&resource) {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    })
    .await
}

fn status(resource: &FlowsEncryptionKey) -> Value {
    serde_json::to_value(&resource.status).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn phase(resource: &FlowsEncryptionKey) -> String {
    text(&status(resource)["rotation"]["phase"])
}

/// Fingerprint of the key of the rotation.
fn to(resource: &FlowsEncryptionKey) -> String {
    text(&status(resource)["rotation"]["to"])
}

/// Pods that open the key, as `1/2`; a dash before they were asked.
fn pods(resource: &FlowsEncryptionKey, fingerprint: &str) -> String {
    let endpoint = &status(resource)["endpoint"];
    if endpoint["publicKeyFingerprint"] != fingerprint {
        return "-".to_owned();
    }
    let opens = [&endpoint["opensNewKey"], &endpoint["opensKeyInUse"]];
    opens.into_iter().find_map(Value::as_str).unwrap_or("-").to_owned()
}

/// Numbers that hold the key.
fn holders(resource: &FlowsEncryptionKey, fingerprint: &str) -> usize {
    let numbers = resource.status.iter().flat_map(|status| &status.phone_numbers);
    numbers.filter(|number| number.key_fingerprint.as_deref() == Some(fingerprint)).count()
}

fn print_counts(since: &str, seen: &Counts) {
    let Counts { requests, refreshed, failures, .. } = seen;
    println!(
        "{since}: {requests} requests, {refreshed} of them after the client fetched the key anew, {failures} failed."
    );
}
