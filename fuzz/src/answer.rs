//! Answers of the Graph API → what is reported of a number, classes of errors, pauses.

use std::cell::OnceCell;
use std::time::Duration;

use http::Response;
use http::header::{HeaderName, HeaderValue};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep_until};
use waflows_core::meta::{ErrorClass, GraphError};
use waflows_operator::graph::call_limiter::{CallLimiter, Limits};
use waflows_operator::graph::{AccessToken, AppSecret, CallError, Credentials, replay};

/// In no usual form of a token: the code can hide it only if it knows it.
const TOKEN: &str = "fuzz|token";
const APP_SECRET: &str = "fuzz|app-secret";
/// printf %s 'fuzz|token' | openssl dgst -sha256 -hmac 'fuzz|app-secret'
const PROOF: &str = "7c188638c317c955ad83e6e9de101877a6306deb5a3af683715a961e28385795";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_ANSWERS: usize = 8;
const BETWEEN_ANSWERS: &[u8] = b"\n====\n";

/// Answers one after another. Each has the status in its first line, lines of headers, an empty line and the body. A
/// line `====` separates the answers.
pub fn answer(input: &[u8]) {
    converse(split(input, BETWEEN_ANSWERS).take(MAX_ANSWERS).map(|text| {
        let (head, body) = cut(text, b"\n\n").unwrap_or((text, b""));
        let mut lines = head.split(|byte| *byte == b'\n');
        let status = lines.next().and_then(|line| std::str::from_utf8(line).ok()?.trim().parse().ok());
        let headers = lines.filter_map(|line| cut(line, b":"));
        response(status.unwrap_or(200), headers, body)
    }));
}

/// Triples of lines: the values of `Retry-After`, `X-App-Usage` and `X-Business-Use-Case-Usage`. The first byte chooses
/// the status and the code of the error.
pub fn rate_limits(input: &[u8]) {
    const ANSWERS: [(u16, i64); 6] = [(200, 0), (429, 0), (400, 4), (400, 80_007), (400, 130_429), (503, 0)];
    let Some((&choice, text)) = input.split_first() else { return };
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    converse(lines.chunks(3).take(MAX_ANSWERS).enumerate().map(|(n, values)| {
        let (status, code) = ANSWERS[(usize::from(choice) + n) % ANSWERS.len()];
        let body = if status == 200 { "{}".to_owned() } else { format!(r#"{{"error":{{"code":{code}}}}}"#) };
        let names: [&[u8]; 3] = [b"retry-after", b"x-app-usage", b"x-business-use-case-usage"];
        response(status, names.into_iter().zip(values.iter().copied()), body.as_bytes())
    }));
}

fn response<'a>(
    status: u16,
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    body: &[u8],
) -> Option<Response<Vec<u8>>> {
    let mut response = Response::builder().status(status).body(body.to_vec()).ok()?;
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii())) {
            response.headers_mut().append(name, value);
        }
    }
    Some(response)
}

/// Makes calls that get these answers, one after the other, each as soon as the pauses allow.
fn converse(answers: impl Iterator<Item = Option<Response<Vec<u8>>>>) {
    thread_local!(static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() });
    RUNTIME.with(|runtime| {
        // The clock of the runtime stands still, and jumps where a call waits.
        let build = || Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        runtime.get_or_init(build).block_on(async {
            let token = AccessToken::new(TOKEN.as_bytes()).expect("a token");
            let secret = AppSecret::new(APP_SECRET.as_bytes()).expect("an app secret");
            let credentials = Credentials::new(token, Some(&secret));
            let limiter = CallLimiter::new(Limits { requests_per_second: None, concurrency: None, wait_scale: 1.0 });
            for answer in answers.flatten() {
                let is_success = answer.status().is_success();
                let result = replay::read(answer, &credentials, "messaging/storefront", "1", &limiter).await;
                let text = format!("{result:?}");
                assert!(!text.contains(TOKEN) && !text.contains(PROOF), "a credential in {text}");
                match result {
                    Ok(_) => assert!(is_success),
                    Err(CallError::Failed(error)) => check(&error),
                    Err(CallError::Held(hold)) => {
                        assert!(hold.until <= Instant::now() + DAY, "{hold:?}");
                        sleep_until(hold.until).await;
                    }
                    Err(CallError::Withdrawn) => unreachable!("a read is not withdrawn"),
                }
                // A success can announce a limit, too.
                assert!(limiter.active_holds().iter().all(|holds| holds.longest <= DAY));
            }
        });
    });
}

/// The texts for the status are bounded. A refusal that stops calls is a hold, and never an error.
fn check(error: &GraphError) {
    assert!(error.message.len() <= 256 && error.kind.as_ref().is_none_or(|text| text.len() <= 64), "{error:?}");
    assert!(error.trace_id.as_ref().is_none_or(|text| text.len() <= 64), "{error:?}");
    assert!(!error.class.refuses_credentials() && !matches!(error.class, ErrorClass::RateLimited { .. }), "{error:?}");
}

/// The text before and after the first `mark`.
fn cut<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(mark.len()).position(|window| window == mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}

fn split<'a>(text: &'a [u8], mark: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (part, after) = cut(text, mark).map_or((text, None), |(part, after)| (part, Some(after)));
        rest = after;
        Some(part)
    })
}
