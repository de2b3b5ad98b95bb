//! Numbers that are none, and what Meta answers.

use graph_emulator::{Config, Emulator, Fault, FaultAction, GraphError, NumberSettings, RateLimit, RetryAfter};

use super::page::{Caught, Row};
use super::{FILES, Scene};
use crate::scene::{NUMBERS, PUBLIC_KEY, resource};

/// The WhatsApp Business Account of the emulator's numbers.
const WABA: &str = "102290129340398";

pub(super) async fn rows() -> Vec<Row> {
    let scene = Scene::with_secrets().await;
    let mut rows: Vec<_> = [
        ("the phone number itself as an ID", "4915112345678"),
        ("the WhatsApp Business Account's ID as an ID", WABA),
        ("an ID that Meta does not know", "999999999999999"),
    ]
    .into_iter()
    .map(|(input, id)| judge(&scene, input, id))
    .collect();
    let settings = NumberSettings { registered: false, ..NumberSettings::default() };
    rows.push(judge_number(&scene, "a number that is not registered", settings));
    let settings = NumberSettings { blocked: true, ..NumberSettings::default() };
    rows.push(judge_number(&scene, "a number that is blocked for policy", settings));
    let settings = NumberSettings {
        public_key: Some(PUBLIC_KEY.clone()),
        signature_status: "PENDING_REVIEW".to_owned(),
        ..NumberSettings::default()
    };
    rows.push(judge_number(&scene, "a signature status that nobody knows", settings));
    scene.emulator.set_number(NUMBERS[0], NumberSettings::default());
    for (input, action) in answers() {
        scene.emulator.clear_faults();
        scene.emulator.inject(Fault::new(action));
        rows.push(judge(&scene, input, NUMBERS[0]));
    }
    scene.emulator.clear_faults();
    rows.extend(unreachable(&scene).await);
    rows
}

fn judge(scene: &Scene, input: &str, id: &str) -> Row {
    scene.write(FILES[0], &[resource("storefront", &[id])]);
    scene.judge(input, &FILES, &[])
}

fn judge_number(scene: &Scene, input: &str, settings: NumberSettings) -> Row {
    scene.emulator.set_number(NUMBERS[0], settings);
    judge(scene, input, NUMBERS[0])
}

fn answers() -> Vec<(&'static str, FaultAction)> {
    let error = |status, code, message: &str| FaultAction::GraphError(GraphError::new(status, code, message));
    let limit = |code| {
        FaultAction::RateLimit(RateLimit { code, retry_after: Some(RetryAfter::Seconds(600)), ..RateLimit::default() })
    };
    let answer = |status, body: &str| FaultAction::Answer { status, headers: Vec::new(), body: body.to_owned() };
    vec![
        ("a rate limit of the app", limit(4)),
        ("a rate limit of the business account", limit(80_007)),
        ("a rate limit of the number", limit(130_429)),
        ("403, a permission is missing", error(403, 10, "(#10) Application does not have permission for this action")),
        ("400, an unknown parameter", error(400, 100, "(#100) Invalid parameter")),
        ("500, a passing failure", error(500, 2, "Service temporarily unavailable")),
        ("418, an error that nobody knows", error(418, 999_999, "I am a teapot")),
        ("503 with a page of HTML", FaultAction::ProxyError { status: 503 }),
        ("200 with a page of HTML", answer(200, "<html>Log in to the network</html>")),
        ("200 without a body", answer(200, "")),
        ("an answer of 20 MB", FaultAction::OversizedBody { bytes: 20_000_000 }),
        ("a redirect", FaultAction::Redirect { status: 302, location: "https://example.com/".to_owned() }),
        ("a connection that is reset", FaultAction::ResetBeforeAnswer),
    ]
}

/// Where nobody is, or somebody whom one cannot trust.
async fn unreachable(scene: &Scene) -> Vec<Row> {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let impostor = Emulator::start(Config { tls: true, ..Config::default() }).await.unwrap();
    scene.write(FILES[0], &[resource("storefront", &NUMBERS[..1])]);
    let (storefront, secrets) = (scene.path(FILES[0]), scene.path(FILES[1]));
    let row = |input: &str, url: &str| {
        let arguments =
            ["check", "-f", &storefront, "-f", &secrets, "-o", "json", "--allow-http-graph-url", "--graph-url", url];
        let printed = crate::process::run(&arguments, b"");
        let report = serde_json::from_str(&printed.stdout).unwrap();
        Row::new(input, Caught::Status, &super::verdict(&report).1)
    };
    vec![
        row("nobody listens at Meta's address", &format!("http://{nobody}")),
        row("a certificate of an unknown authority", impostor.base_url()),
    ]
}
