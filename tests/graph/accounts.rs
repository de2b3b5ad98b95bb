//! Lists of accounts, and inspections of tokens, with the traps of both.

use graph_emulator::{
    Config, Cursors, Expiry, Fault, GraphError as MetaError, Inspection, ListSettings, RateLimit, TargetIds, Token,
};
use harness::TOKEN;
use waflows_core::meta::ErrorClass;
use waflows_core::status::accounts::remedy;
use waflows_operator::graph::{AppCredentials, AppSecret, CallError, is_not_its_own_judge};

use crate::world::{APP_SECRET, Graph, NUMBER, RESOURCE, class_of, error_of, proven_credentials};

const ACCOUNT: &str = "200000000000001";
const APP: &str = "1234567890";

fn id(n: usize) -> String {
    format!("1000000000{n:05}")
}

impl Graph {
    async fn with_account(count: usize) -> Self {
        let graph = Self::start().await;
        graph.emulator.add_numbers_to(ACCOUNT, (0..count).map(id));
        graph
    }

    /// The IDs that a list gives.
    async fn ids(&self, account: &str) -> Result<Vec<String>, CallError> {
        let numbers = self.client.list_numbers(&self.credentials, RESOURCE, account).await?;
        Ok(numbers.into_iter().map(|number| number.id).collect())
    }

    fn inspection(&self, inspection: Inspection) {
        self.emulator.set_token(TOKEN, Token { inspection, ..Token::default() });
    }
}

#[tokio::test]
async fn a_list_is_read_to_its_end_by_cursors_alone() {
    let graph = Graph::with_account(250).await;
    assert_eq!(graph.ids(ACCOUNT).await.unwrap(), (0..250).map(id).collect::<Vec<_>>());
    let counters = graph.emulator.counters();
    assert_eq!((counters.calls.lists, counters.tokens_in_urls), (3, 0), "100 on a page, and no page by its URL");
    graph.emulator.add_account("200000000000002");
    assert_eq!(graph.ids("200000000000002").await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_list_that_does_not_end_is_an_error() {
    let graph = Graph::with_account(120).await;
    for (cursors, message) in [
        (Cursors::Stale, "repeats a page"),
        (Cursors::Endless, "more than 50 pages"),
        (Cursors::Absent, "something that cannot be read"),
    ] {
        graph.emulator.set_list(ACCOUNT, ListSettings { cursors, ..ListSettings::default() });
        let error = error_of(graph.ids(ACCOUNT).await);
        assert_eq!(error.class, ErrorClass::Unexpected);
        assert!(error.message.contains(message), "{cursors:?}: {error}");
    }
    let repeated = ListSettings { repeated: [id(99)].into(), ..ListSettings::default() };
    graph.emulator.set_list(ACCOUNT, repeated);
    assert_eq!(graph.ids(ACCOUNT).await.unwrap().len(), 121, "a number on two pages is the caller's matter");
}

#[tokio::test]
async fn a_page_that_fails_fails_the_list() {
    let graph = Graph::with_account(150).await;
    let transient = || Fault::error(MetaError::new(500, 2, "Service temporarily unavailable")).lists();
    graph.emulator.inject(transient().times(2));
    assert_eq!(graph.ids(ACCOUNT).await.unwrap().len(), 150, "brief failures are tried again");
    graph.emulator.inject(transient());
    assert_eq!(class_of(graph.ids(ACCOUNT).await), ErrorClass::Transient);
    graph.emulator.clear_faults();
    let limit = RateLimit { code: 80_008, ..RateLimit::default() };
    graph.emulator.inject(Fault::new(graph_emulator::FaultAction::RateLimit(limit)).lists());
    assert!(matches!(graph.ids(ACCOUNT).await, Err(CallError::Held(_))));
}

#[tokio::test]
async fn a_wrong_id_is_described_by_what_it_names() {
    let graph = Graph::with_account(1).await;
    graph.emulator.set_node("300000000000001", "Business");
    for (id, words) in [(NUMBER, "the ID of a phone number"), ("300000000000001", "the ID of a business portfolio")] {
        let error = error_of(graph.ids(id).await);
        let remedy = remedy(&error).unwrap();
        assert!(remedy.contains(words) && remedy.contains("WhatsApp Business Account"), "{remedy}");
    }
    let error = error_of(graph.ids("404").await);
    assert!(remedy(&error).unwrap().contains("assign the account"), "{error:?}");
    graph.emulator.set_token(TOKEN, Token { whatsapp_business_management: false, ..Token::default() });
    let error = error_of(graph.ids(ACCOUNT).await);
    assert_eq!(error.class, ErrorClass::Permission);
    assert!(remedy(&error).unwrap().contains("whatsapp_business_management"));
}

#[tokio::test]
async fn a_token_shows_its_permissions_and_its_end() {
    let graph = Graph::start().await;
    graph.inspection(Inspection {
        expires_at: Expiry::At(1_800_000_000),
        target_ids: TargetIds::Only(vec![ACCOUNT.into()]),
        ..Inspection::default()
    });
    let facts = graph.client.inspect_token(&graph.credentials, None, RESOURCE).await.unwrap();
    assert_eq!(facts.end().map(jiff::Timestamp::as_second), Some(1_800_000_000));
    assert!(facts.is_valid && facts.missing(["whatsapp_business_messaging"]).is_empty());
    assert_eq!(facts.targets["whatsapp_business_messaging"], [ACCOUNT]);
    graph.emulator.expire_token(TOKEN);
    let error = error_of(graph.client.inspect_token(&graph.credentials, None, RESOURCE).await);
    assert_eq!(error.class, ErrorClass::Token);
    // No decision depends on an inspection: the client still tries the token for numbers.
    graph.emulator.add_token(TOKEN);
    assert!(graph.read().await.is_ok());
}

#[tokio::test]
async fn where_a_token_may_not_ask_the_app_does() {
    let graph = Graph::start().await;
    graph.inspection(Inspection { allows_itself: false, ..Inspection::default() });
    let refused = graph.client.inspect_token(&graph.credentials, None, RESOURCE).await.unwrap_err();
    assert!(is_not_its_own_judge(&refused), "{refused:?}");
    graph.emulator.set_app(APP, APP_SECRET);
    let app = AppCredentials::new(APP, &AppSecret::new(APP_SECRET.as_bytes()).unwrap());
    let facts = graph.client.inspect_token(&graph.credentials, Some(&app), RESOURCE).await.unwrap();
    assert!(facts.is_valid);
    // Meta repeats the inspected token in its answer.
    graph.emulator.expire_token(TOKEN);
    let refused = Fault::error(MetaError::new(400, 100, "(#100) You must provide an app access token")).inspections();
    graph.emulator.inject(refused.times(1));
    let facts = graph.client.inspect_token(&graph.credentials, Some(&app), RESOURCE).await.unwrap();
    let reason = facts.reason.unwrap();
    assert!(!facts.is_valid && reason.contains("[redacted]") && !reason.contains(TOKEN), "{reason}");
}

#[tokio::test]
async fn neither_token_is_in_any_error() {
    let graph = Graph::with(Config::default(), |config| config.timeout = std::time::Duration::from_millis(300)).await;
    let credentials = proven_credentials(TOKEN);
    let app = AppCredentials::new(APP, &AppSecret::new(APP_SECRET.as_bytes()).unwrap());
    let repeated = format!("Malformed access token {TOKEN} of {APP}|{APP_SECRET}");
    let faults = [
        Fault::error(MetaError::new(400, 100, repeated.clone())),
        Fault::error(MetaError::new(401, 190, repeated)),
        Fault::new(graph_emulator::FaultAction::Hang),
        Fault::new(graph_emulator::FaultAction::ResetBeforeAnswer),
    ];
    for fault in faults {
        graph.emulator.inject(fault.inspections());
        let error = graph.client.inspect_token(&credentials, Some(&app), RESOURCE).await.unwrap_err();
        let text = format!("{error:?}");
        assert!(!text.contains(TOKEN) && !text.contains(APP_SECRET) && !text.contains("input_token"), "{text}");
        graph.emulator.clear_faults();
    }
}
