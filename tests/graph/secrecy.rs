//! Token, app secret and proof are in the request and nowhere else: not in errors, their Debug, nor in any log line, at
//! the finest level, of any crate.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io;
use std::sync::Once;

use graph_emulator::{Config, Emulator, FOREIGN_PUBLIC_KEY, Fault, FaultAction, NumberSettings, Token};
use harness::TOKEN;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::world::{
    APP_SECRET, Graph, NUMBER, RESOURCE, client, config, impatient, key, proof, proven_credentials, unlimited,
};

thread_local! {
    /// The log of the test that runs on this thread. Others keep none.
    static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Writes to the log of the thread.
struct ThreadLog;

impl io::Write for ThreadLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A thread that ends has no log any more.
        let _ = LOG.try_with(|log| log.borrow_mut().iter_mut().for_each(|log| log.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Everything that is logged on this thread from now on.
struct Log;

impl Log {
    fn start() -> Self {
        // All tests share one subscriber: a subscriber that comes and goes changes for a moment what the others see.
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            let is_kept = dynamic_filter_fn(|_, _| LOG.try_with(|log| log.borrow().is_some()).unwrap_or(false));
            let layer =
                tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| ThreadLog).with_filter(is_kept);
            tracing_subscriber::registry().with(layer).init();
        });
        LOG.set(Some(Vec::new()));
        Self
    }

    fn text(&self) -> String {
        LOG.with_borrow(|log| String::from_utf8_lossy(log.as_deref().unwrap_or_default()).into_owned())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        LOG.set(None);
    }
}

#[track_caller]
fn assert_no_secret(text: &str) {
    let proof = proof();
    let key_line = FOREIGN_PUBLIC_KEY.lines().nth(2).unwrap();
    for secret in [TOKEN, APP_SECRET, proof.as_str(), key_line] {
        let line = text.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret} in {line:?}");
    }
}

/// Answers that repeat the whole request.
fn echoes() -> Vec<FaultAction> {
    let texts = format!("{TOKEN} {}", proof());
    let error = |status: u16, code: i64| FaultAction::Answer {
        status,
        headers: vec![
            ("x-fb-trace-id".into(), texts.clone()),
            ("www-authenticate".into(), texts.clone()),
            ("retry-after".into(), texts.clone()),
            ("x-app-usage".into(), texts.clone()),
            ("x-business-use-case-usage".into(), format!(r#"{{"{TOKEN}":[{{"call_count":100}}]}}"#)),
        ],
        body: format!(
            r#"{{"error":{{"message":"m {texts}","type":"{texts}","code":{code},"fbtrace_id":"{texts}","error_user_msg":"u {texts}","error_user_title":"{texts}"}}}}"#
        ),
    };
    vec![
        error(400, 100),
        error(400, 80_007),
        error(401, 190),
        FaultAction::Answer { status: 200, headers: Vec::new(), body: texts.clone() },
        FaultAction::Redirect { status: 307, location: format!("https://{TOKEN}.test/{}", proof()) },
        FaultAction::ResetBeforeAnswer,
        FaultAction::ResetMidBody,
        FaultAction::Hang,
        FaultAction::ProxyError { status: 502 },
    ]
}

async fn talk(graph: &Graph) -> String {
    let mut seen = format!("{:?}\n", proven_credentials(TOKEN));
    let read = graph.client.read(&proven_credentials(TOKEN), RESOURCE, NUMBER).await;
    let upload = graph.client.upload(&proven_credentials(TOKEN), RESOURCE, NUMBER, &key(), || true).await;
    for error in [read.as_ref().err(), upload.as_ref().err()].into_iter().flatten() {
        writeln!(seen, "{error:?}").unwrap();
        if let waflows_operator::graph::CallError::Failed(error) = error {
            writeln!(seen, "{error} {error:#?}").unwrap();
        }
    }
    writeln!(seen, "{read:?} {upload:?}").unwrap();
    seen
}

async fn converse(tls: bool) {
    let log = Log::start();
    let good = Graph::with(Config { tls, ..Config::default() }, |_| {}).await;
    good.emulator.set_token(TOKEN, Token { app_secret: Some(APP_SECRET.into()), ..Token::default() });
    assert_no_secret(&talk(&good).await);
    let status = format!("{TOKEN} {}", proof());
    let public_key = Some(FOREIGN_PUBLIC_KEY.into());
    good.emulator
        .set_number(NUMBER, NumberSettings { signature_status: status, public_key, ..NumberSettings::default() });
    assert_no_secret(&talk(&good).await);

    for action in echoes() {
        let graph = Graph::with(Config { tls, ..Config::default() }, impatient).await;
        graph.emulator.set_token(TOKEN, Token { app_secret: Some(APP_SECRET.into()), ..Token::default() });
        graph.emulator.inject(Fault::new(action));
        assert_no_secret(&talk(&graph).await);
    }
    // Meta repeats the token that it does not know, in the message and in a header.
    let unknown = Graph::with(Config { tls, ..Config::default() }, impatient).await;
    unknown.emulator.remove_token(TOKEN);
    let seen = talk(&unknown).await;
    assert!(seen.contains("Malformed access token [redacted]"), "{seen}");
    assert_no_secret(&seen);

    let log = log.text();
    assert_no_secret(&log);
    let path = format!("path=\"/v25.0/{NUMBER}/whatsapp_business_encryption\"");
    let is_complete = |line: &str| {
        [r#"method="GET""#, &path, "status=200", "trace_id=", "duration_ms="].iter().all(|part| line.contains(part))
    };
    assert!(log.lines().any(is_complete), "{log}");
    assert!(log.contains("TRACE") && log.contains("hyper"), "other crates are heard, too");
}

#[tokio::test]
async fn nothing_leaks_over_http() {
    converse(false).await;
}

#[tokio::test]
async fn nothing_leaks_over_tls() {
    converse(true).await;
}

#[tokio::test]
async fn nothing_leaks_where_nobody_listens() {
    let log = Log::start();
    let gone = Emulator::start(Config::default()).await.unwrap();
    let url = gone.base_url().to_owned();
    gone.stop().await;
    let client = client(&config(&url), unlimited());
    let error = client.read(&proven_credentials(TOKEN), RESOURCE, NUMBER).await.unwrap_err();
    assert_no_secret(&format!("{error:?}"));
    assert_no_secret(&log.text());
}
