//! Whole accounts: their numbers join, hold the key, and leave.

use graph_emulator::{Cursors, Fault, GraphError, ListSettings, NumberSettings, Token};
use harness::{TOKEN, World, number_of};
use serde_json::{Value, json};
use waflows_core::api::crd::{AccountState, FlowsEncryptionKey, NumberState};

use crate::OPERATOR;

const ACCOUNT: &str = "200000000000001";
const NUMBERS: [&str; 3] = ["106540352242922", "107995438950512", "108811432100233"];

/// A spec for accounts.
fn spec(accounts: Value) -> Value {
    let mut spec = World::spec(&[]);
    spec.as_object_mut().unwrap().remove("phoneNumberIds");
    spec["businessAccounts"] = accounts;
    spec
}

async fn world_with(numbers: &[&str], flags: &[&str]) -> World {
    let world = World::with_flags(OPERATOR, &[], flags).await;
    world.set_default_secrets().await;
    world.emulator.add_account(ACCOUNT);
    world.emulator.add_numbers_to(ACCOUNT, numbers);
    world
}

fn ids(resource: &FlowsEncryptionKey) -> Vec<&str> {
    resource.status.as_ref().unwrap().phone_numbers.iter().map(|number| number.phone_number_id.as_str()).collect()
}

#[tokio::test]
async fn a_number_that_is_added_to_the_account_holds_the_key_at_the_next_check() {
    let world = world_with(&NUMBERS[..2], &["--wait-scale", "0.02", "--default-check-interval", "2s"]).await;
    world.apply("storefront", spec(json!([{"id": ACCOUNT}]))).await.unwrap();
    let resource = world.wait_ready("storefront").await;
    assert_eq!(ids(&resource), NUMBERS[..2]);
    let account = &resource.status.as_ref().unwrap().business_accounts[0];
    assert_eq!((account.state, account.phone_numbers), (AccountState::Listed, Some(2)));
    assert_eq!(number_of(&resource, NUMBERS[0]).business_account_id.as_deref(), Some(ACCOUNT));

    world.emulator.add_numbers_to(ACCOUNT, &NUMBERS[2..]);
    world
        .wait("storefront", "covering the new number", |resource| {
            resource.status.as_ref().unwrap().valid.as_deref() == Some("3/3")
        })
        .await;
    assert_eq!(world.at_meta(NUMBERS[2]).1.as_deref(), Some("VALID"));
    let events = world.events().await;
    assert!(events.iter().any(|event| event.reason.as_deref() == Some("NumbersJoined")), "{events:?}");
    assert_eq!(world.emulator.counters().tokens_in_urls, 0);
}

#[tokio::test]
async fn a_number_leaves_after_two_complete_lists_without_it() {
    let world = world_with(&NUMBERS, &[]).await;
    world.apply("storefront", spec(json!([{"id": ACCOUNT}]))).await.unwrap();
    world.wait_ready("storefront").await;

    world.emulator.add_numbers_to("200000000000002", &NUMBERS[2..]);
    let first = world.sync("storefront", "1").await;
    assert_eq!(ids(&first), NUMBERS, "one list may miss a number");
    assert!(number_of(&first, NUMBERS[2]).unlisted_since.is_some());
    for (value, settings) in [
        ("cut", ListSettings { cursors: Cursors::Stale, ..ListSettings::default() }),
        ("endless", ListSettings { cursors: Cursors::Endless, ..ListSettings::default() }),
    ] {
        world.emulator.set_list(ACCOUNT, settings);
        assert_eq!(ids(&world.sync("storefront", value).await), NUMBERS, "a list that is not complete changes nothing");
    }
    world.emulator.set_list(ACCOUNT, ListSettings::default());
    world.emulator.inject(Fault::error(GraphError::new(500, 2, "down")).lists());
    assert_eq!(ids(&world.sync("storefront", "down").await), NUMBERS, "nor does one that fails");
    world.emulator.clear_faults();
    assert_eq!(ids(&world.sync("storefront", "2").await), NUMBERS[..2]);
    assert_eq!(world.emulator.calls_to(NUMBERS[2]).uploads, 1);
}

#[tokio::test]
async fn a_valid_key_of_somebody_else_stays_without_consent() {
    let world = world_with(&NUMBERS, &[]).await;
    let foreign = world.emulator.set_foreign_key(NUMBERS[0], graph_emulator::FOREIGN_PUBLIC_KEY).unwrap().fingerprint;
    world.apply("storefront", spec(json!([{"id": ACCOUNT}]))).await.unwrap();
    let resource = world.wait_reason("storefront", "NumberNotAdopted").await;
    assert_eq!(number_of(&resource, NUMBERS[0]).state, NumberState::Foreign);
    assert_eq!(number_of(&resource, NUMBERS[1]).state, NumberState::Valid, "the others hold the key");
    world.sync("storefront", "again").await;
    assert_eq!(world.emulator.number(NUMBERS[0]).unwrap().fingerprint, foreign);
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).uploads, 0);

    world.apply("storefront", spec(json!([{"id": ACCOUNT, "adopt": "All"}]))).await.unwrap();
    world.wait_ready("storefront").await;
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).uploads, 1);
}

#[tokio::test]
async fn an_account_that_is_refused_stops_no_listed_number() {
    let world = world_with(&NUMBERS, &[]).await;
    world.emulator.set_token(TOKEN, Token { whatsapp_business_management: false, ..Token::default() });
    let mut mixed = spec(json!([{"id": ACCOUNT}]));
    mixed["phoneNumberIds"] = json!([NUMBERS[0]]);
    world.apply("storefront", mixed.clone()).await.unwrap();
    let resource = world.wait_reason("storefront", "AccountRefused").await;
    assert_eq!(number_of(&resource, NUMBERS[0]).state, NumberState::Valid);
    let account = &resource.status.as_ref().unwrap().business_accounts[0];
    assert_eq!(account.state, AccountState::Refused);
    assert!(account.message.contains("whatsapp_business_management"), "{}", account.message);

    world.emulator.add_token(TOKEN);
    mixed["businessAccounts"] = json!([{"id": NUMBERS[0]}]);
    world.apply("storefront", mixed).await.unwrap();
    let is_explained = |resource: &FlowsEncryptionKey| {
        let accounts = &resource.status.as_ref().unwrap().business_accounts;
        accounts.iter().any(|account| account.message.contains("This is the ID of a phone number"))
    };
    world.wait("storefront", "explained", is_explained).await;
}

#[tokio::test]
async fn numbers_that_are_not_connected_wait_and_excluded_ones_are_left_alone() {
    let world = world_with(&NUMBERS, &[]).await;
    world.emulator.take_off(NUMBERS[0]).unwrap();
    let account = json!([{"id": ACCOUNT, "excludePhoneNumberIds": [NUMBERS[1]]}]);
    world.apply("storefront", spec(account)).await.unwrap();
    let resource = world.wait_ready("storefront").await;
    assert_eq!(ids(&resource), [NUMBERS[0], NUMBERS[2]]);
    assert_eq!(number_of(&resource, NUMBERS[0]).state, NumberState::Unregistered);
    assert_eq!(resource.status.as_ref().unwrap().valid.as_deref(), Some("1/1"));
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).total() + world.emulator.calls_to(NUMBERS[1]).total(), 0);

    world.emulator.connect(NUMBERS[0]).unwrap();
    let resource = world.sync("storefront", "connected").await;
    assert_eq!(number_of(&resource, NUMBERS[0]).state, NumberState::Valid);
}

#[tokio::test]
async fn more_numbers_than_a_resource_may_have_are_not_worked_on() {
    let world = world_with(&[], &[]).await;
    world.emulator.add_numbers_to(ACCOUNT, harness::many_numbers(501));
    world.emulator.set_number(NUMBERS[0], NumberSettings::default());
    let mut mixed = spec(json!([{"id": ACCOUNT}]));
    mixed["phoneNumberIds"] = json!([NUMBERS[0]]);
    world.apply("storefront", mixed).await.unwrap();
    let resource = world.wait_reason("storefront", "AccountTooLarge").await;
    assert_eq!(ids(&resource), NUMBERS[..1]);
    assert_eq!(number_of(&resource, NUMBERS[0]).state, NumberState::Valid);
    assert_eq!(world.emulator.counters().calls.uploads, 1);
}

#[tokio::test]
async fn twenty_accounts_cost_one_list_each_at_a_check_and_nothing_in_between() {
    let mut world = World::with_flags(OPERATOR, &NUMBERS[..1], &["--wait-scale", "0.02"]).await;
    world.set_default_secrets().await;
    let accounts: Vec<_> = (0..20).map(|n| format!("30000000000{n:04}")).collect();
    for (n, account) in accounts.iter().enumerate() {
        world.emulator.add_numbers_to(account, (0..25).map(|k| format!("10000000{n:03}{k:04}")));
    }
    let listed: Vec<_> = accounts.iter().map(|id| json!({"id": id})).collect();
    world.apply("storefront", spec(json!(listed))).await.unwrap();
    let resource = world.wait_ready("storefront").await;
    assert_eq!(resource.status.as_ref().unwrap().valid.as_deref(), Some("500/500"));
    let calls = || world.emulator.counters().calls;
    let first = calls();
    assert_eq!((first.lists, first.uploads), (20, 500));
    world.sync("storefront", "again").await;
    let second = calls();
    assert_eq!((second.lists - first.lists, second.reads - first.reads, second.uploads), (20, 500, 500));

    // Another process looks at the resource as well, and finds nothing due. A new resource is the last in the queue.
    world.operator.kill();
    world.operator = world.another(&[]);
    world.roll_out("later", &NUMBERS[..1]).await;
    let (third, later) = (world.emulator.counters().calls, world.emulator.calls_to(NUMBERS[0]));
    assert_eq!((third.lists, third.reads - later.reads), (second.lists, second.reads));
    assert_eq!(world.emulator.counters().tokens_in_urls, 0);
}
