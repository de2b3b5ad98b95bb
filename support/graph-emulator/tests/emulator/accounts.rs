//! Lists of accounts and inspections of tokens, with the traps of both.

use graph_emulator::{Cursors, Expiry, Inspection, ListSettings, TargetIds, Token};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{Graph, NUMBER, TOKEN, answer};

const WABA: &str = "200000000000001";

impl Graph {
    async fn with_account(count: usize) -> Self {
        let graph = Self::start().await;
        graph.emulator.add_numbers_to(WABA, (0..count).map(|n| format!("10000000000000{n}")));
        graph
    }

    async fn page(&self, id: &str, query: &[(&str, &str)]) -> (StatusCode, Value) {
        let url = format!("{}/v25.0/{id}/phone_numbers", self.emulator.base_url());
        answer(self.client.get(url).query(query).bearer_auth(TOKEN)).await
    }

    /// The pages that a client gets by following the cursors, at most five.
    async fn pages(&self) -> Vec<Vec<String>> {
        let (mut pages, mut after) = (Vec::new(), String::new());
        while pages.len() < 5 {
            let mut query = vec![("limit", "2")];
            if !after.is_empty() {
                query.push(("after", &after));
            }
            let (_, body) = self.page(WABA, &query).await;
            let ids = body["data"].as_array().unwrap().iter();
            pages.push(ids.map(|entry| entry["id"].as_str().unwrap()[14..].to_owned()).collect());
            let next = body["paging"]["cursors"]["after"].as_str().filter(|_| body["paging"]["next"].is_string());
            let Some(next) = next else { break };
            after = next.to_owned();
        }
        pages
    }

    async fn inspect(&self, caller: &str, inspected: &str) -> (StatusCode, Value) {
        let url = format!("{}/v25.0/debug_token", self.emulator.base_url());
        answer(self.client.get(url).query(&[("input_token", inspected)]).bearer_auth(caller)).await
    }
}

#[tokio::test]
async fn the_next_page_is_a_url_that_holds_the_token() {
    let graph = Graph::with_account(3).await;
    let (_, body) = graph.page(WABA, &[("limit", "2")]).await;
    let next = body["paging"]["next"].as_str().unwrap();
    assert!(next.contains(&format!("access_token={TOKEN}")), "{next}");
    assert_eq!(graph.emulator.counters().tokens_in_urls, 0);
    graph.client.get(next).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(graph.emulator.counters().tokens_in_urls, 1, "who follows it is noticed");

    let (_, last) = graph.page(WABA, &[]).await;
    assert!(last["paging"]["cursors"]["after"].is_string() && last["paging"]["next"].is_null(), "{last}");
    graph.emulator.add_account("200000000000002");
    assert_eq!(graph.page("200000000000002", &[]).await.1, json!({"data": []}));
}

#[tokio::test]
async fn a_list_has_the_fields_that_are_asked_for() {
    let graph = Graph::with_account(1).await;
    graph.emulator.take_off("100000000000000").unwrap();
    let (_, body) = graph.page(WABA, &[("fields", "id,status,host_platform")]).await;
    let entry = json!({"id": "100000000000000", "status": "DISCONNECTED", "host_platform": "CLOUD_API"});
    assert_eq!(body["data"], json!([entry]));
    graph.emulator.connect("100000000000000").unwrap();
    let (_, body) = graph.page(WABA, &[("fields", "status")]).await;
    assert_eq!(body["data"], json!([{"id": "100000000000000", "status": "CONNECTED"}]));
    let (status, body) = graph.page(WABA, &[("fields", "colour")]).await;
    assert_eq!((status, &body["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(100)));
}

#[tokio::test]
async fn lists_go_wrong_as_metas_do() {
    let graph = Graph::with_account(4).await;
    assert_eq!(graph.pages().await, [["0", "1"], ["2", "3"]]);
    let set = |settings| graph.emulator.set_list(WABA, settings);
    set(ListSettings { cursors: Cursors::Stale, ..ListSettings::default() });
    assert_eq!(graph.pages().await, [["0", "1"], ["2", "3"], ["2", "3"], ["2", "3"], ["2", "3"]]);
    set(ListSettings { cursors: Cursors::Endless, ..ListSettings::default() });
    assert_eq!(graph.pages().await, [vec!["0", "1"], vec!["2", "3"], vec![], vec![], vec![]]);
    set(ListSettings { cursors: Cursors::Absent, ..ListSettings::default() });
    let (_, body) = graph.page(WABA, &[]).await;
    assert!(body["paging"]["next"].is_string() && body["paging"]["cursors"].is_null(), "{body}");
    let id = |n: &str| format!("10000000000000{n}");
    set(ListSettings { missed: [id("1")].into(), ..ListSettings::default() });
    assert_eq!(graph.pages().await, [vec!["0", "2"], vec!["3"]]);
    set(ListSettings { repeated: [id("1")].into(), ..ListSettings::default() });
    assert_eq!(graph.pages().await, [vec!["0", "1"], vec!["1", "2", "3"]]);
}

#[tokio::test]
async fn an_id_of_another_kind_is_refused_with_its_kind() {
    let graph = Graph::with_account(1).await;
    graph.emulator.set_node("300000000000001", "Business");
    for (id, kind) in [(NUMBER, "WhatsAppBusinessPhoneNumber"), ("300000000000001", "Business")] {
        let (status, body) = graph.page(id, &[]).await;
        let message = format!("(#100) Tried accessing nonexisting field (phone_numbers) on node type ({kind})");
        assert_eq!((status, &body["error"]["message"]), (StatusCode::BAD_REQUEST, &json!(message)));
        assert!(body["error"]["error_subcode"].is_null());
    }
    graph.emulator.set_token(TOKEN, Token { accounts: Some([].into()), ..Token::default() });
    assert_eq!(graph.page(WABA, &[]).await.1["error"]["error_subcode"], 33);
    graph.emulator.set_token(TOKEN, Token { whatsapp_business_management: false, ..Token::default() });
    assert_eq!(graph.page(WABA, &[]).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_token_asks_about_itself_or_the_app_does() {
    let graph = Graph::start().await;
    graph.emulator.set_app("1234567890", "app-secret");
    let (status, body) = graph.inspect(TOKEN, TOKEN).await;
    assert_eq!((status, &body["data"]["is_valid"]), (StatusCode::OK, &json!(true)));
    let inspection = Inspection { allows_itself: false, ..Inspection::default() };
    graph.emulator.set_token(TOKEN, Token { inspection, ..Token::default() });
    let (status, body) = graph.inspect(TOKEN, TOKEN).await;
    assert_eq!((status, &body["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(100)));
    assert!(body["error"]["message"].as_str().unwrap().contains("You must provide an app access token"));
    assert_eq!(graph.inspect("1234567890|app-secret", TOKEN).await.0, StatusCode::OK);
    assert_eq!(graph.inspect("1234567890|wrong", TOKEN).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(graph.emulator.counters().calls.inspections, 4);
}

#[tokio::test]
async fn an_inspection_has_every_shape() {
    let graph = Graph::start().await;
    let shapes = [
        (Expiry::Zero, TargetIds::Absent, json!(0), json!([{"scope": "whatsapp_business_messaging"}])),
        (
            Expiry::Null,
            TargetIds::Null,
            Value::Null,
            json!([{"scope": "whatsapp_business_messaging", "target_ids": null}]),
        ),
        (
            Expiry::At(17),
            TargetIds::Only(vec![WABA.into()]),
            json!(17),
            json!([{"scope": "whatsapp_business_messaging", "target_ids": [WABA]}]),
        ),
        (Expiry::Text(17), TargetIds::NoGranularScopes, json!("17"), Value::Null),
    ];
    for (expires_at, target_ids, expected, granular) in shapes {
        let inspection = Inspection { expires_at, target_ids, ..Inspection::default() };
        graph.emulator.set_token(TOKEN, Token { inspection, whatsapp_business_management: false, ..Token::default() });
        let data = &graph.inspect(TOKEN, TOKEN).await.1["data"];
        assert_eq!((&data["expires_at"], &data["granular_scopes"]), (&expected, &granular));
    }
    let inspection = Inspection { expires_at: Expiry::Absent, ..Inspection::default() };
    graph.emulator.set_token(TOKEN, Token { inspection, ..Token::default() });
    assert!(graph.inspect(TOKEN, TOKEN).await.1["data"].get("expires_at").is_none());

    graph.emulator.set_app("1", "secret");
    graph.emulator.expire_token(TOKEN);
    for (inspected, subcode) in [(TOKEN, json!(463)), ("EAAunknown", Value::Null)] {
        let data = &graph.inspect("1|secret", inspected).await.1["data"];
        assert_eq!((&data["is_valid"], &data["error"]["subcode"]), (&json!(false), &subcode));
        assert!(data["error"]["message"].as_str().unwrap().contains(inspected), "Meta repeats the token: {data}");
    }
}
