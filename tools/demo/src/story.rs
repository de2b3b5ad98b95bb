//! The steps, in their order.

use std::net::SocketAddr;
use std::time::Instant;

use harness::http;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use waflows_core::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeySpec, NumberState, SYNC_ANNOTATION};

use crate::error::Error;
use crate::latency::measure;
use crate::scene::{NUMBERS, Scene, TOKEN, title};
use crate::wait;

/// Name of the resource in `examples/minimal.yaml`.
pub(crate) const RESOURCE: &str = "storefront";
/// Resources that the latency is measured with; an odd number, so that the median is one of them.
const MEASURED: usize = 15;
pub(crate) const SHOW: &str = "kubectl get fek -o wide";
const SHOW_NUMBERS: &str = r#"kubectl get fek storefront -o jsonpath='{range .status.phoneNumbers[*]}{.phoneNumberId}{"  "}{.state}{"  "}{.signatureStatus}{"  "}{.keyFingerprint}{"\n"}{end}'"#;

/// Plays all steps.
///
/// # Errors
/// At the first step that does not happen.
pub(crate) async fn play(scene: &Scene, operator: SocketAddr) -> Result<(), Error> {
    wait_for_operator(operator).await?;
    let resource = roll_out(scene).await?;
    show_latency(scene, &resource.spec).await?;
    rotate(scene).await?;
    heal(scene).await
}

async fn wait_for_operator(address: SocketAddr) -> Result<(), Error> {
    let start = Instant::now();
    let expected = format!("the operator answers 200 at http://{address}/readyz");
    let address = address.to_string();
    wait::until(expected, async || Ok(http::is_ready(&address).await.then_some(()))).await?;
    println!("It is ready after {:.1} s.", start.elapsed().as_secs_f64());
    Ok(())
}

async fn roll_out(scene: &Scene) -> Result<FlowsEncryptionKey, Error> {
    title("2. A key, two Secrets and one resource: the key goes to three numbers");
    let fingerprint = generate_key(scene, "private.pem").await?;
    scene.shell.run("kubectl create secret generic flows-key --from-file=private.pem").await?;
    scene.shell.run(&format!("kubectl create secret generic meta-token --from-literal=token={TOKEN}")).await?;
    scene.shell.run("kubectl apply -f examples/minimal.yaml").await?;
    scene.shell.run("kubectl wait --for=condition=Ready fek/storefront --timeout=60s").await?;
    show_key(scene, &fingerprint).await
}

async fn show_latency(scene: &Scene, template: &FlowsEncryptionKeySpec) -> Result<(), Error> {
    title("3. How long that takes");
    let latency = measure(scene, template, MEASURED).await?;
    let (times, calls) = (latency.range(), latency.calls());
    println!(
        "From the creation of a resource with one number to Ready: median {:.0?} of {MEASURED} new resources \
         (fastest {:.0?}, slowest {:.0?}).",
        latency.median(),
        times.start(),
        times.end(),
    );
    let calls = if calls.start() == calls.end() {
        calls.start().to_string()
    } else {
        format!("{} to {}", calls.start(), calls.end())
    };
    println!(
        "Each took {calls} calls to the Graph API (read, upload, read back), which the emulator answers without delay: \
         to Meta, add as many round trips."
    );
    println!("The {MEASURED} resources are deleted again.");
    Ok(())
}

async fn rotate(scene: &Scene) -> Result<(), Error> {
    title("4. A new key in the Secret: all three numbers follow");
    let fingerprint = generate_key(scene, "private-2.pem").await?;
    replace_key(scene, "private-2.pem").await?;
    let start = Instant::now();
    let expected = format!("FlowsEncryptionKey {RESOURCE} reports {fingerprint} as VALID on all numbers");
    wait::for_resource(&scene.resources(), RESOURCE, expected, |resource| shows_everywhere(resource, &fingerprint))
        .await?;
    println!("All numbers are seen with the new key {:.0?} after kubectl returned.", start.elapsed());
    show_key(scene, &fingerprint).await.map(drop)
}

async fn heal(scene: &Scene) -> Result<(), Error> {
    title("5. Meta loses a signature: a check finds it, and the operator has it signed again");
    let number = NUMBERS[1];
    let before = scene.emulator.lose_signature(number)?;
    println!("The emulator loses the signature of one number (POST /_emulator/numbers/{number}/lose-signature):");
    println!("{}", scene.describe(number));

    let annotate = "kubectl annotate fek storefront waflows.dev/sync-requested-at=\"$(date -u +%FT%TZ)\" --overwrite";
    scene.shell.run(annotate).await?;
    let start = Instant::now();
    let fingerprint = format!("sha256:{}", before.fingerprint.as_deref().unwrap_or_default());
    let expected = format!("FlowsEncryptionKey {RESOURCE} reports the check as done and {number} as Valid");
    let is_healed = |resource: &FlowsEncryptionKey| has_synced(resource) && shows_everywhere(resource, &fingerprint);
    wait::for_resource(&scene.resources(), RESOURCE, expected, is_healed).await?;
    println!("It is seen healed {:.0?} after kubectl returned.", start.elapsed());
    check_emulator(scene, &fingerprint)?;
    let uploads = scene.emulator.number(number).map_or(0, |number| number.uploads);
    expect(format!("one more upload to {number} than the {} before", before.uploads), uploads, before.uploads + 1)?;
    println!("{}", scene.describe(number));

    wait_for_event(scene, "SignatureRestored").await?;
    scene.shell.run("kubectl events --for fek/storefront").await?;
    scene.shell.run(SHOW).await.map(drop)
}

/// Makes a key as a user would, and returns its fingerprint as `openssl` computes it.
pub(crate) async fn generate_key(scene: &Scene, file: &str) -> Result<String, Error> {
    let generate = format!("openssl genrsa -out {file} 2048");
    scene.shell.run(&generate).await?;
    let digest = format!("openssl pkey -in {file} -pubout -outform DER | openssl dgst -sha256 -r");
    let digest = scene.shell.run(&digest).await?;
    Ok(format!("sha256:{}", digest.split_whitespace().next().unwrap_or_default()))
}

/// Puts the key in this file into the operator's Secret.
pub(crate) async fn replace_key(scene: &Scene, file: &str) -> Result<(), Error> {
    let create = format!("kubectl create secret generic flows-key --from-file=private.pem={file}");
    scene.shell.run(&format!("{create} --dry-run=client -o yaml | kubectl replace -f -")).await.map(drop)
}

/// Shows the resource, and checks that it and the emulator agree on the key.
async fn show_key(scene: &Scene, fingerprint: &str) -> Result<FlowsEncryptionKey, Error> {
    scene.shell.run(SHOW).await?;
    scene.shell.run(SHOW_NUMBERS).await?;
    let resource = scene.resources().get(RESOURCE).await;
    let resource = resource.map_err(|source| Error::Kubernetes { doing: "reading the resource", source })?;
    expect(format!("all numbers with {fingerprint} in the status"), shows_everywhere(&resource, fingerprint), true)?;
    check_emulator(scene, fingerprint)?;
    println!("The emulator itself holds the same:");
    for number in NUMBERS {
        println!("{}", scene.describe(number));
    }
    Ok(resource)
}

/// Whether the resource is Ready and reports the key, with a valid signature, on every number.
pub(crate) fn shows_everywhere(resource: &FlowsEncryptionKey, fingerprint: &str) -> bool {
    let Some(status) = &resource.status else { return false };
    let numbers = &status.phone_numbers;
    wait::is_ready(resource)
        && status.public_key_fingerprint.as_deref() == Some(fingerprint)
        && numbers.iter().map(|number| number.phone_number_id.as_str()).eq(NUMBERS)
        && numbers.iter().all(|number| {
            number.state == NumberState::Valid
                && number.signature_status.as_deref() == Some("VALID")
                && number.key_fingerprint.as_deref() == Some(fingerprint)
        })
}

fn has_synced(resource: &FlowsEncryptionKey) -> bool {
    let asked = resource.metadata.annotations.as_ref().and_then(|annotations| annotations.get(SYNC_ANNOTATION));
    let handled = resource.status.as_ref().and_then(|status| status.last_handled_sync_request.as_ref());
    asked.is_some() && asked == handled
}

/// The emulator is the judge of what the numbers hold, whatever the status says.
pub(crate) fn check_emulator(scene: &Scene, fingerprint: &str) -> Result<(), Error> {
    for phone_number_id in NUMBERS {
        let number = scene.emulator.number(phone_number_id);
        let held = number.as_ref().map(|number| (number.fingerprint.as_deref(), number.signature_status()));
        let wanted = Some((fingerprint.strip_prefix("sha256:"), Some("VALID")));
        expect(format!("the emulator to hold {fingerprint} as VALID for {phone_number_id}"), held, wanted)?;
    }
    Ok(())
}

async fn wait_for_event(scene: &Scene, reason: &str) -> Result<(), Error> {
    let events: Api<Event> = Api::default_namespaced(scene.client.clone());
    let list = ListParams::default().fields(&format!("reason={reason}"));
    wait::until(format!("an event {reason} of FlowsEncryptionKey {RESOURCE}"), async || {
        let found = events.list(&list).await;
        let found = found.map_err(|source| Error::Kubernetes { doing: "listing events", source })?;
        let regards = |event: &Event| {
            event.regarding.as_ref().is_some_and(|regarding| regarding.name.as_deref() == Some(RESOURCE))
        };
        Ok(found.items.iter().any(regards).then_some(()))
    })
    .await
}

pub(crate) fn expect<T: PartialEq + std::fmt::Debug>(expected: String, found: T, wanted: T) -> Result<(), Error> {
    if found == wanted { Ok(()) } else { Err(Error::Differs { expected, found: format!("{found:?}") }) }
}
