//! All forms of the answer to a read.

use graph_emulator::{KeyText, LineBreaks, NoKey, NumberSettings, Presentation, ResponseShape};
use serde_json::json;
use waflows_core::meta::{ErrorClass, Reported, ReportedKey};

use crate::world::{Graph, NUMBER, answer, class_of, key};

const SHAPES: [ResponseShape; 3] = [ResponseShape::Flat, ResponseShape::DataList, ResponseShape::DataMap];

fn holding_our_key(signature_status: &str, presentation: Presentation) -> NumberSettings {
    let public_key = Some(key().pem().to_owned());
    NumberSettings {
        public_key,
        signature_status: signature_status.to_owned(),
        presentation,
        ..NumberSettings::default()
    }
}

fn reported(key: Option<ReportedKey>, status: Option<&str>) -> Reported {
    let public_key = key.filter(|key| matches!(key, ReportedKey::Readable(_))).map(|_| self::key().clone());
    Reported { key, signature_status: status.map(str::to_owned), public_key }
}

fn ours() -> Option<ReportedKey> {
    Some(ReportedKey::Readable(*key().fingerprint()))
}

#[tokio::test]
async fn every_shape_with_every_way_to_break_lines_is_the_same_key() {
    let graph = Graph::start().await;
    let breaks = [
        LineBreaks::AsSent,
        LineBreaks::CrLf,
        LineBreaks::Escaped,
        LineBreaks::Spaces,
        LineBreaks::OneLine,
        LineBreaks::Width76,
    ];
    for shape in SHAPES {
        for line_breaks in breaks {
            let extra_fields = [("id".to_owned(), json!("1")), ("new_in_v99".to_owned(), json!({"a": [1]}))];
            let presentation = Presentation {
                shape: Some(shape),
                line_breaks,
                extra_fields: extra_fields.into_iter().collect(),
                ..Presentation::default()
            };
            graph.emulator.set_number(NUMBER, holding_our_key("VALID", presentation));
            assert_eq!(graph.read().await, Ok(reported(ours(), Some("VALID"))), "{shape:?} {line_breaks:?}");
        }
    }
}

#[tokio::test]
async fn an_absent_or_blank_key_is_not_reported_which_is_not_missing() {
    let graph = Graph::start().await;
    for shape in SHAPES {
        for key_text in [KeyText::Absent, KeyText::Blank] {
            for status in ["VALID", "MISMATCH"] {
                let presentation = Presentation { shape: Some(shape), key_text, ..Presentation::default() };
                graph.emulator.set_number(NUMBER, holding_our_key(status, presentation));
                assert_eq!(graph.read().await, Ok(reported(None, Some(status))), "{shape:?} {key_text:?}");
            }
        }
    }
}

#[tokio::test]
async fn no_key_in_every_shape() {
    let graph = Graph::start().await;
    for shape in SHAPES {
        for no_key in [NoKey::NoEntry, NoKey::EmptyEntry, NoKey::EmptyObject] {
            let presentation = Presentation { shape: Some(shape), no_key, ..Presentation::default() };
            graph.emulator.set_number(NUMBER, NumberSettings { presentation, ..NumberSettings::default() });
            assert_eq!(graph.read().await, Ok(Reported::default()), "{shape:?} {no_key:?}");
        }
        let presentation = Presentation { shape: Some(shape), no_key: NoKey::BlankMismatch, ..Presentation::default() };
        graph.emulator.set_number(NUMBER, NumberSettings { presentation, ..NumberSettings::default() });
        assert_eq!(graph.read().await, Ok(reported(None, Some("MISMATCH"))), "{shape:?}");
    }
}

#[tokio::test]
async fn a_status_of_the_future_is_kept_word_for_word() {
    let graph = Graph::start().await;
    for status in ["PENDING_REVIEW", "mismatch", "ungültig – später"] {
        graph.emulator.set_number(NUMBER, holding_our_key(status, Presentation::default()));
        assert_eq!(graph.read().await, Ok(reported(ours(), Some(status))));
    }
}

#[tokio::test]
async fn a_key_that_does_not_parse_is_a_key_all_the_same() {
    let graph = Graph::start().await;
    let other_kind = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----";
    for (text, is_readable) in
        [("garbage", false), ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", false), (other_kind, true)]
    {
        let settings = NumberSettings { public_key: Some(text.to_owned()), ..NumberSettings::default() };
        graph.emulator.set_number(NUMBER, settings);
        let read = graph.read().await.unwrap();
        assert_eq!(matches!(read.key, Some(ReportedKey::Readable(_))), is_readable, "{text}");
        assert!(read.key.is_some() && read.key != ours());
    }
}

#[tokio::test]
async fn what_is_no_answer_is_not_taken_for_no_key() {
    for body in [
        "",
        "<html>login</html>",
        "[]",
        "null",
        r#"{"data":"x"}"#,
        r#"{"data":[1]}"#,
        r#"{"data":[],"error":{"message":"m"}}"#,
        r#"{"data":[{"business_public_key_signature_status":7}]}"#,
    ] {
        let graph = Graph::faulty(answer(200, body)).await;
        assert_eq!(class_of(graph.read().await), ErrorClass::Unexpected, "{body}");
        assert_eq!(graph.reads(), 1);
    }
}

#[tokio::test]
async fn an_error_under_a_200_is_an_error() {
    let graph = Graph::faulty(answer(200, r#"{"error":{"message":"m","code":190}}"#)).await;
    assert_eq!(class_of(graph.read().await), ErrorClass::Token);
}

#[tokio::test]
async fn an_upload_succeeds_only_where_meta_says_so() {
    let graph = Graph::start().await;
    assert_eq!(graph.upload().await, Ok(()));
    assert_eq!(graph.read().await, Ok(reported(ours(), Some("VALID"))));
    for (body, class) in [
        (r#"{"success":false}"#, ErrorClass::Transient),
        (r#"{"success":"true"}"#, ErrorClass::Unexpected),
        ("{}", ErrorClass::Unexpected),
        ("", ErrorClass::Unexpected),
    ] {
        graph.emulator.reset_counters();
        graph.emulator.inject(answer(200, body).times(1));
        let error = class_of(graph.upload().await);
        assert!(error == class && error.leaves_outcome_open(), "{body}");
        assert_eq!(graph.uploads(), 1, "{body}");
    }
}
