//! How many calls trouble costs.

use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use graph_emulator::{Config, Fault, FaultAction, GraphError, NumberSettings, RateLimit, RetryAfter, Token, Usage};
use harness::TOKEN;
use waflows_core::meta::ErrorClass;
use waflows_operator::graph::{CallError, Credentials, HoldCause};

use crate::world::{APP_SECRET, Graph, NUMBER, RESOURCE, class_of, credentials, limits, proven_credentials, unlimited};

const BAD: &str = "EAABadTokenOfTheTests0123456789abc";

/// Reads many numbers for a resource like a reconcile: one alone, then eight at a time. Returns how many answered.
async fn read_all(graph: &Graph, credentials: &Credentials, resource: &str, numbers: &[String]) -> usize {
    let read = |number: String| async move { graph.client.read(credentials, resource, &number).await.is_ok() };
    let first = read(numbers[0].clone()).await;
    let others: Vec<_> = numbers[1..].iter().cloned().map(read).collect();
    let others = futures::stream::iter(others).buffer_unordered(8).filter(|ok| std::future::ready(*ok)).count().await;
    usize::from(first) + others
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("10654{n:010}")).collect()
}

async fn graph_with(numbers: &[String], config: Config) -> Graph {
    let graph = Graph::with(config, |_| {}).await;
    graph.emulator.add_numbers(numbers);
    graph
}

#[tokio::test]
async fn a_bad_token_costs_one_call_for_500_numbers_and_20_resources() {
    let numbers = numbers(500);
    let graph = graph_with(&numbers, Config { latency: Duration::from_millis(5), ..Config::default() }).await;
    let bad = credentials(BAD);
    let resources: Vec<_> = (0..20).map(|n| format!("ns/{n}")).collect();
    let reads = resources.iter().map(|resource| read_all(&graph, &bad, resource, &numbers));
    assert_eq!(join_all(reads).await.into_iter().sum::<usize>(), 0);
    assert_eq!(graph.emulator.calls_with(BAD).total(), 1);
    assert_eq!(read_all(&graph, &credentials(TOKEN), "ns/0", &numbers).await, 500, "another token is free");
}

#[tokio::test]
async fn a_bad_app_secret_costs_one_call() {
    let numbers = numbers(100);
    let graph = graph_with(&numbers, Config::default()).await;
    graph.emulator.set_token(TOKEN, Token { app_secret: Some(APP_SECRET.into()), ..Token::default() });
    assert_eq!(read_all(&graph, &credentials(TOKEN), "ns/a", &numbers).await, 0);
    assert_eq!(graph.reads(), 1);
    assert_eq!(read_all(&graph, &proven_credentials(TOKEN), "ns/a", &numbers).await, 100);
}

#[tokio::test]
async fn a_bad_token_costs_little_when_the_network_is_bad_too() {
    for seed in 0..5 {
        let numbers = numbers(100);
        let graph = graph_with(&numbers, Config { seed, ..Config::default() }).await;
        graph.emulator.inject(Fault::new(FaultAction::ProxyError { status: 502 }).probability(0.3));
        let bad = credentials(BAD);
        join_all(["ns/a", "ns/b", "ns/c"].map(|resource| read_all(&graph, &bad, resource, &numbers))).await;
        let refusals = graph.emulator.calls().iter().filter(|call| call.status == Some(401)).count();
        assert!((1..=2).contains(&refusals), "{refusals}");
    }
}

#[tokio::test]
async fn a_token_that_is_revoked_in_the_middle_stops_what_has_not_begun() {
    let numbers = numbers(500);
    let graph = graph_with(&numbers, Config { latency: Duration::from_millis(2), ..Config::default() }).await;
    let good = credentials(TOKEN);
    let revoke = async {
        crate::world::until(|| graph.reads() > 100).await;
        graph.emulator.expire_token(TOKEN);
    };
    let (answered, ()) = tokio::join!(read_all(&graph, &good, "ns/a", &numbers), revoke);
    let refusals = graph.reads() as usize - answered;
    assert!((1..=8).contains(&refusals), "only those under way: {refusals}");
    let result = graph.client.read(&good, "ns/b", NUMBER).await;
    assert!(matches!(&result, Err(CallError::Held(hold)) if matches!(hold.cause, HoldCause::CredentialsRefused(_))));
    assert_eq!(graph.reads() as usize, answered + refusals);
}

#[tokio::test]
async fn a_refused_token_gets_one_call_after_its_wait() {
    let graph = Graph::limited(
        Config::default(),
        |_| {},
        waflows_operator::graph::call_limiter::Limits {
            // 5 minutes become 30 milliseconds.
            wait_scale: 0.0001,
            ..unlimited()
        },
    )
    .await;
    graph.emulator.expire_token(TOKEN);
    assert_eq!(class_of(graph.read().await), ErrorClass::Token);
    graph.emulator.add_token(TOKEN);
    crate::world::until(|| futures::FutureExt::now_or_never(graph.read()).is_none()).await;
    graph.read().await.unwrap();
}

#[tokio::test]
async fn a_limit_of_the_token_stops_its_resources_and_one_of_a_number_stops_the_number() {
    let numbers = numbers(50);
    let retry_after = Some(RetryAfter::Seconds(60));
    for (code, calls, answered) in [(4, 1, 0), (130_429, 100, 98)] {
        let graph = graph_with(&numbers, Config::default()).await;
        let limit = RateLimit { code, retry_after, ..RateLimit::default() };
        graph.emulator.inject(Fault::new(FaultAction::RateLimit(limit)).number(&numbers[0]));
        let good = credentials(TOKEN);
        let both = read_all(&graph, &good, "ns/a", &numbers).await + read_all(&graph, &good, "ns/b", &numbers).await;
        assert_eq!((both, graph.reads()), (answered, calls - u64::from(code == 130_429)), "{code}");
    }
}

/// Twenty numbers of two accounts, of which one is limited.
async fn two_accounts(numbers: &[String]) -> Graph {
    let graph = Graph::with(Config::default(), |_| {}).await;
    let (limited, others) = numbers.split_at(10);
    for id in others {
        graph.emulator.set_number(id, NumberSettings { waba_id: "999".into(), ..NumberSettings::default() });
        let usage = Usage { business_percent: Some(7), ..Usage::default() };
        graph.emulator.inject(Fault::new(FaultAction::Usage(usage)).number(id));
    }
    for id in limited {
        graph.emulator.add_number(id);
        let usage = Usage { business_percent: Some(100), minutes_to_regain_access: 3, ..Usage::default() };
        graph
            .emulator
            .inject(Fault::new(FaultAction::RateLimit(RateLimit { usage, ..RateLimit::default() })).number(id));
    }
    graph
}

#[tokio::test]
async fn a_limited_account_costs_one_call_and_numbers_known_to_be_of_another_go_on() {
    let numbers = numbers(20);
    let graph = two_accounts(&numbers).await;
    let good = credentials(TOKEN);
    assert_eq!(read_all(&graph, &good, "ns/a", &numbers).await, 0);
    assert_eq!(graph.reads(), 1, "nobody knows whose the other numbers are");

    let graph = two_accounts(&numbers).await;
    assert_eq!(read_all(&graph, &good, "ns/a", &numbers[10..]).await, 10);
    assert_eq!(read_all(&graph, &good, "ns/a", &numbers).await, 10);
    assert_eq!(graph.reads(), 10 + 1 + 10);
}

#[tokio::test]
async fn the_limit_of_calls_under_way_holds_and_one_token_leaves_room() {
    let config = Config { latency: Duration::from_millis(3), ..Config::default() };
    let graph = Graph::limited(config, |_| {}, limits(1_000_000, 8)).await;
    let numbers = numbers(100);
    graph.emulator.add_numbers(&numbers);
    let good = credentials(TOKEN);
    join_all(["ns/a", "ns/b", "ns/c"].map(|resource| read_all(&graph, &good, resource, &numbers))).await;
    assert_eq!(graph.emulator.counters().max_in_flight, 6);
}

#[tokio::test]
async fn a_token_whose_calls_hang_holds_nobody_back() {
    let graph = Graph::limited(Config::default(), |_| {}, limits(1_000_000, 8)).await;
    let numbers = numbers(50);
    graph.emulator.add_numbers(&numbers);
    graph.emulator.add_token(BAD);
    let slow = credentials(BAD);
    graph.client.read(&slow, "ns/slow", &numbers[0]).await.unwrap();
    graph.emulator.inject(Fault::new(FaultAction::Hang).token(BAD));
    let hanging = join_all(numbers.iter().map(|number| graph.client.read(&slow, "ns/slow", number)));
    let good = credentials(TOKEN);
    let others = async {
        crate::world::until(|| graph.emulator.counters().in_flight >= 2).await;
        read_all(&graph, &good, "ns/a", &numbers).await
    };
    tokio::select! {
        _ = hanging => panic!("they hang for ten seconds"),
        answered = others => assert_eq!(answered, 50),
    }
}

#[tokio::test]
async fn an_upload_that_meets_trouble_is_sent_once() {
    for action in
        [FaultAction::ResetBeforeAnswer, FaultAction::GraphError(GraphError::new(500, 2, "m").transient(true))]
    {
        let graph = Graph::faulty(Fault::new(action).landing()).await;
        assert!(class_of(graph.upload().await).leaves_outcome_open());
        assert_eq!((graph.uploads(), graph.emulator.counters().landed), (1, 1));
    }
}

#[tokio::test]
async fn an_upload_whose_leave_is_withdrawn_while_it_waits_is_not_made() {
    let graph = Graph::start().await;
    let (credentials, key) = (credentials(TOKEN), crate::world::key());
    let result = graph.client.upload(&credentials, RESOURCE, NUMBER, &key, || false).await;
    assert_eq!(result, Err(CallError::Withdrawn));
    assert_eq!(graph.uploads(), 0);
    graph.upload().await.unwrap();
}
