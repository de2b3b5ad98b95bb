//! The forms of a read, and the list edge.

use graph_emulator::{KeyText, LineBreaks, NoKey, NumberSettings, Presentation, ResponseShape};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{FIRST_KEY, Graph, NUMBER, OTHER_NUMBER, TOKEN, answer};

impl Graph {
    fn present(&self, presentation: Presentation) {
        let change = |number: &mut NumberSettings| {
            number.public_key = Some(FIRST_KEY.to_owned());
            number.presentation = presentation;
        };
        self.emulator.update_number(NUMBER, change).unwrap();
    }

    async fn entry(&self, presentation: Presentation) -> Value {
        self.present(presentation);
        self.read(NUMBER).await["data"][0].clone()
    }
}

#[tokio::test]
async fn every_shape_with_a_key() {
    let graph = Graph::start().await;
    graph.present(Presentation::default());
    let entry = json!({
        "business_public_key": FIRST_KEY,
        "business_public_key_signature_status": "VALID",
    });
    let expected = [
        (ResponseShape::Flat, entry.clone()),
        (ResponseShape::DataList, json!({ "data": [entry] })),
        (ResponseShape::DataMap, json!({ "data": {"0": entry} })),
    ];
    for (shape, body) in expected {
        graph.emulator.set_response_shape(shape);
        assert_eq!(graph.read(NUMBER).await, body);
    }
}

#[tokio::test]
async fn every_shape_without_key() {
    let graph = Graph::start().await;
    let blank = json!({"business_public_key": " ", "business_public_key_signature_status": "MISMATCH"});
    let expected = [
        (ResponseShape::Flat, NoKey::NoEntry, json!({})),
        (ResponseShape::Flat, NoKey::BlankMismatch, blank.clone()),
        (ResponseShape::DataList, NoKey::BlankMismatch, json!({"data": [blank]})),
        (ResponseShape::Flat, NoKey::EmptyEntry, json!({})),
        (ResponseShape::DataList, NoKey::NoEntry, json!({"data": []})),
        (ResponseShape::DataList, NoKey::EmptyEntry, json!({"data": [{}]})),
        (ResponseShape::DataList, NoKey::EmptyObject, json!({})),
        (ResponseShape::DataMap, NoKey::NoEntry, json!({"data": {}})),
        (ResponseShape::DataMap, NoKey::EmptyEntry, json!({"data": {"0": {}}})),
    ];
    for (shape, no_key, body) in expected {
        let presentation = Presentation { shape: Some(shape), no_key, ..Presentation::default() };
        let change = |number: &mut NumberSettings| number.presentation = presentation;
        graph.emulator.update_number(NUMBER, change).unwrap();
        assert_eq!(graph.read(NUMBER).await, body);
    }
    assert_eq!(graph.read(OTHER_NUMBER).await, json!({"data": []}));
}

#[tokio::test]
async fn the_key_text_can_be_absent_or_blank() {
    let graph = Graph::start().await;
    let status = "business_public_key_signature_status";
    for (key_text, expected) in [
        (KeyText::Absent, json!({status: "VALID"})),
        (KeyText::Blank, json!({status: "VALID", "business_public_key": " "})),
    ] {
        let presentation = Presentation { key_text, ..Presentation::default() };
        assert_eq!(graph.entry(presentation).await, expected);
    }
}

#[tokio::test]
async fn the_key_text_can_have_other_line_breaks() {
    let graph = Graph::start().await;
    let variants = [
        LineBreaks::AsSent,
        LineBreaks::CrLf,
        LineBreaks::Escaped,
        LineBreaks::Spaces,
        LineBreaks::OneLine,
        LineBreaks::Width76,
    ];
    let bare = |text: &str| text.replace("\\n", "").replace(char::is_whitespace, "");
    let mut seen = Vec::new();
    for line_breaks in variants {
        let presentation = Presentation { line_breaks, ..Presentation::default() };
        let entry = graph.entry(presentation).await;
        let text = entry["business_public_key"].as_str().unwrap().to_owned();
        assert_eq!(bare(&text), bare(FIRST_KEY));
        assert!(!seen.contains(&text), "{line_breaks:?} differs from the others");
        seen.push(text);
    }
    assert_eq!(seen[0], FIRST_KEY);
}

#[tokio::test]
async fn status_fields_and_body_can_be_anything() {
    let graph = Graph::start().await;
    let extra_fields = json!({"id": NUMBER, "new": [1, null]});
    let presentation =
        Presentation { extra_fields: extra_fields.as_object().unwrap().clone(), ..Presentation::default() };
    graph.present(presentation);
    let set_status = |number: &mut NumberSettings| number.signature_status = "PENDING".to_owned();
    graph.emulator.update_number(NUMBER, set_status).unwrap();
    let entry = json!({
        "business_public_key": FIRST_KEY,
        "business_public_key_signature_status": "PENDING",
        "id": NUMBER,
        "new": [1, null],
    });
    assert_eq!(graph.read(NUMBER).await["data"][0], entry);

    graph.present(Presentation { raw_body: Some("{\"data\":".to_owned()), ..Presentation::default() });
    let response = graph.get(NUMBER).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "{\"data\":");
}

#[tokio::test]
async fn a_read_can_ask_for_fields() {
    let graph = Graph::start().await;
    graph.present(Presentation::default());
    let fields = |fields: &str| graph.get(NUMBER).query(&[("fields", fields)]);
    let (_, body) = answer(fields("business_public_key_signature_status")).await;
    let entry = json!({"business_public_key_signature_status": "VALID"});
    assert_eq!(body, json!({ "data": [entry] }));
    let both = "business_public_key,business_public_key_signature_status";
    let (_, body) = answer(fields(both)).await;
    assert_eq!(body, graph.read(NUMBER).await);
    let (status, body) = answer(fields("colour")).await;
    assert_eq!((status, &body["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(100)));
}

#[tokio::test]
async fn answers_carry_metas_headers() {
    let graph = Graph::start().await;
    let url = graph.url(NUMBER).replace("v25.0", "v23.0");
    let request = graph.client.get(url).bearer_auth(TOKEN);
    let response = request.send().await.unwrap();
    let headers = response.headers();
    assert_eq!(headers["facebook-api-version"], "v23.0");
    assert_eq!(headers["content-type"], "application/json; charset=UTF-8");
    assert!(headers["x-fb-trace-id"].to_str().unwrap().starts_with('A'));
}

#[tokio::test]
async fn a_wabas_numbers_are_listed_page_by_page() {
    let graph = Graph::start().await;
    let waba = "200000000000001";
    let ids: Vec<String> = (0..5).map(|last| format!("10000000000000{last}")).collect();
    for id in &ids {
        let waba_id = waba.to_owned();
        let settings = NumberSettings { waba_id, ..NumberSettings::default() };
        graph.emulator.set_number(id, settings);
    }
    let base_url = graph.emulator.base_url();
    let mut url = Some(format!("{base_url}/v25.0/{waba}/phone_numbers?limit=2"));
    let mut pages = Vec::new();
    while let Some(page) = url {
        let (status, body) = answer(graph.client.get(page).bearer_auth(TOKEN)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let page = body["data"].as_array().unwrap().iter();
        pages.push(page.map(|entry| entry["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>());
        url = body["paging"]["next"].as_str().map(str::to_owned);
    }
    assert_eq!(pages, [&ids[..2], &ids[2..4], &ids[4..]]);
    assert_eq!(graph.emulator.calls_to(waba).lists, 3);
}
