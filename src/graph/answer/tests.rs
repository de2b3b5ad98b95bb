use waflows_core::api::crd::MAX_NUMBER_TEXT;
use waflows_core::meta::{ErrorClass as C, GraphError};

use super::super::redact::Redactor;
use super::*;

fn error(status: u16, body: &str) -> GraphError {
    let usage = Usage::default();
    let answer =
        Answer { status, body: body.as_bytes(), retry_after: None, usage: &usage, trace_id: Some("header-trace") };
    answer.error(&Redactor::new([Some("the-token"), None]))
}

fn limited(scope: RateLimitScope) -> C {
    C::RateLimited { scope, wait: None }
}

fn body(code: i64) -> String {
    format!(r#"{{"error":{{"message":"m","type":"OAuthException","code":{code}}}}}"#)
}

fn sub(code: i64, subcode: i64) -> String {
    format!(r#"{{"error":{{"message":"m","type":"GraphMethodException","code":{code},"error_subcode":{subcode}}}}}"#)
}

fn transient(code: i64) -> String {
    format!(r#"{{"error":{{"message":"m","code":{code},"is_transient":true}}}}"#)
}

fn said(kind: &str, message: &str) -> String {
    format!(r#"{{"error":{{"message":"{message}","type":"{kind}","code":100}}}}"#)
}

#[test]
fn what_refuses_the_credentials() {
    let rows = [
        (401, body(190), C::Token),
        (400, sub(190, 463), C::Token),
        (500, body(190), C::Token),
        (400, transient(190), C::Token),
        (400, body(102), C::Token),
        (400, sub(102, 7), C::Token),
        (401, body(104), C::Token),
        (401, body(0), C::Token),
        (401, body(100), C::Token),
        (401, "<html>".into(), C::Token),
        (401, r#"{"error":"invalid_token","error_description":"d"}"#.into(), C::Token),
        (400, said("GraphMethodException", "Invalid appsecret_proof provided in the API argument"), C::AppSecretProof),
        (
            400,
            said("GraphMethodException", "API calls from the server require an appsecret_proof argument"),
            C::AppSecretProof,
        ),
        (400, said("OAuthException", "Unknown parameter appsecret_proof"), C::Invalid),
    ];
    check(&rows);
}

#[test]
fn what_refuses_the_number() {
    let waba = "(#100) Tried accessing nonexisting field (whatsapp_business_encryption) on node type (WhatsAppBusinessAccount)";
    let rows = [
        (403, sub(200, 1_349_174), C::Permission),
        (400, body(3), C::Permission),
        (500, body(3), C::Permission),
        (400, body(10), C::Permission),
        (400, body(200), C::Permission),
        (500, body(299), C::Permission),
        (403, "{}".into(), C::Permission),
        (403, body(300), C::Permission),
        (400, body(33), C::UnknownId),
        (404, body(803), C::UnknownId),
        (400, body(803), C::UnknownId),
        (404, String::new(), C::UnknownId),
        (404, body(100), C::UnknownId),
        (400, sub(100, 33), C::UnknownId),
        (400, said("OAuthException", waba), C::UnknownId),
        (400, body(133_010), C::NotRegistered),
        (500, body(133_010), C::NotRegistered),
        (400, body(100), C::Invalid),
        (400, sub(100, 2_388_003), C::Invalid),
        (422, body(100), C::Invalid),
        (422, body(9), C::Invalid),
        (422, String::new(), C::Invalid),
        (400, body(368), C::Policy),
        (403, transient(368), C::Policy),
    ];
    check(&rows);
}

#[test]
fn what_asks_for_patience() {
    use RateLimitScope::{BusinessAccount, PhoneNumber, Token};
    let rows = [
        (400, body(4), limited(Token)),
        (403, body(17), limited(Token)),
        (400, body(32), limited(Token)),
        (400, transient(613), limited(Token)),
        (400, body(80_007), limited(BusinessAccount(None))),
        (429, body(80_008), limited(BusinessAccount(None))),
        (400, body(130_429), limited(PhoneNumber)),
        (429, "<html>".into(), limited(Token)),
        (429, body(9), limited(Token)),
        (429, body(100), limited(Token)),
        (429, transient(9), limited(Token)),
        (500, body(1), C::Transient),
        (400, body(2), C::Transient),
        (400, transient(100), C::Transient),
        (403, transient(200), C::Transient),
        (400, transient(7_777), C::Transient),
        (503, body(7_777), C::Transient),
        (500, body(100), C::Transient),
        (503, "<html>bad gateway</html>".into(), C::Transient),
        (408, String::new(), C::Transient),
    ];
    check(&rows);
}

#[test]
fn what_this_version_does_not_understand() {
    let rows = [
        (302, String::new(), C::Unexpected),
        (200, "<html>".into(), C::Unexpected),
        (200, "{}".into(), C::Unexpected),
        (400, "<html>".into(), C::Unexpected),
        (400, r#"{"error":[]}"#.into(), C::Unexpected),
        (418, body(7_777), C::Unexpected),
    ];
    check(&rows);
}

fn check(rows: &[(u16, String, C)]) {
    for (status, body, class) in rows {
        assert_eq!(&error(*status, body).class, class, "{status} {body}");
    }
}

#[test]
fn a_proxy_refuses_neither_the_token_nor_the_number() {
    let usage = Usage::default();
    for status in [401, 403, 404] {
        let answer = |body: &'static [u8], trace_id| {
            Answer { status, body, retry_after: None, usage: &usage, trace_id }.error(&Redactor::new([None, None]))
        };
        let of_proxy = answer(b"<html>blocked</html>", None);
        assert_eq!(of_proxy.class, C::Unexpected, "{status}");
        assert!(of_proxy.message.contains("check --graph-url and the proxy"), "{}", of_proxy.message);
        assert_ne!(answer(b"<html>blocked</html>", Some("trace")).class, C::Unexpected, "{status}");
        assert_ne!(answer(br#"{"error":{"message":"m"}}"#, None).class, C::Unexpected, "{status}");
    }
}

#[test]
fn a_limit_names_its_account_and_its_end() {
    let usage = Usage {
        business_account: Some("102".into()),
        regain_access: Some(Duration::from_secs(60)),
        ..Usage::default()
    };
    let class = |code: i64, retry_after| {
        let body = body(code);
        let answer = Answer { status: 429, body: body.as_bytes(), retry_after, usage: &usage, trace_id: None };
        answer.error(&Redactor::new([None, None])).class
    };
    let account = || RateLimitScope::BusinessAccount(Some("102".into()));
    let (minute, second) = (Some(Duration::from_secs(60)), Some(Duration::from_secs(1)));
    assert_eq!(class(80_007, None), C::RateLimited { scope: account(), wait: minute });
    assert_eq!(class(80_008, second), C::RateLimited { scope: account(), wait: second });
    assert_eq!(class(9, second), C::RateLimited { scope: account(), wait: second });
    assert_eq!(class(4, None), C::RateLimited { scope: RateLimitScope::Token, wait: minute });
}

#[test]
fn what_support_asks_for_is_kept_and_the_token_is_not() {
    let body = r#"{"error":{"message":"Malformed access token the-token","type":"OAuthException","code":190,
        "error_subcode":463,"fbtrace_id":"Abc","error_user_title":"t"}}"#;
    assert_eq!(
        error(400, body),
        GraphError {
            class: C::Token,
            http_status: Some(400),
            code: Some(190),
            subcode: Some(463),
            kind: Some("OAuthException".into()),
            message: "Malformed access token [redacted]".into(),
            trace_id: Some("Abc".into()),
        }
    );
}

#[test]
fn every_text_is_scrubbed() {
    let body = r#"{"error":{"message":"the-token","type":"the-token","code":100,"error_user_msg":"a the-token",
        "fbtrace_id":"the-token"}}"#;
    let error = error(400, body);
    assert!(!format!("{error:?} {error}").contains("the-token"), "{error:?}");
    assert_eq!(error.message, "a [redacted] [[redacted]]");
}

#[test]
fn the_text_for_users_goes_before_the_one_for_developers() {
    let error = |fields: &str| error(400, &format!(r#"{{"error":{{"code":100,{fields}}}}}"#));
    let both = error(r#""message":"dev","error_user_msg":"user","error_subcode":7"#);
    assert_eq!(both.trace_id.as_deref(), Some("header-trace"));
    assert_eq!(both.to_string(), "user [dev] (code 100, subcode 7)");
    assert_eq!(error(r#""message":"dev","error_user_msg":" ""#).message, "dev");
    assert_eq!(error(r#""message":"same","error_user_msg":"same""#).message, "same");
    assert_eq!(error(r#""message":"dev","error_data":{"details":"more"}"#).message, "more [dev]");
}

#[test]
fn an_error_in_the_form_of_oauth_is_told_too() {
    let described = error(401, r#"{"error":"invalid_token","error_description":"it has expired"}"#);
    assert_eq!(described.message, "it has expired");
    assert_eq!(error(401, r#"{"error":"invalid_token"}"#).message, "invalid_token");
}

#[test]
fn a_field_of_another_type_hides_no_other() {
    let error =
        error(400, r#"{"error":{"code":"190","message":7,"is_transient":null,"error_subcode":{},"type":null}}"#);
    assert_eq!((error.class, error.code, error.subcode), (C::Token, Some(190), None));
    assert_eq!(error.message, "Meta answers HTTP 400");
}

#[test]
fn long_texts_are_cut_at_a_character_boundary() {
    let error = error(400, &format!(r#"{{"error":{{"message":"{}","code":100}}}}"#, "é".repeat(1000)));
    assert!(error.message.len() <= MAX_NUMBER_TEXT && error.message.ends_with('…'), "{}", error.message);
}
