//! `/metrics`, as Prometheus reads it.

mod page;

use std::collections::BTreeMap;

use harness::wait::look;
use harness::{Operator, TOKEN, World, number_of};
use waflows_core::api::crd::NumberState;
use waflows_operator::metrics::catalog;

use self::page::Page;
use crate::OPERATOR;

const NUMBERS: [&str; 3] = ["106540352242922", "107995438950512", "108811432100233"];

/// The page now; none while the operator does not listen yet.
async fn scrape(operator: &Operator) -> Option<Page> {
    let (status, body) = operator.get("/metrics").await?;
    assert_eq!(status, 200);
    Some(Page::parse(&body))
}

async fn page(operator: &Operator) -> Page {
    scrape(operator).await.expect("it listens")
}

/// Scrapes until the page is as it should be.
async fn page_with(operator: &Operator, what: &str, condition: impl Fn(&Page) -> bool) -> Page {
    let scraped = look(async || scrape(operator).await.filter(&condition));
    scraped.await.unwrap_or_else(|| panic!("not {what}\nlog:\n{}", operator.log()))
}

#[tokio::test]
async fn the_page_shows_what_was_done_and_what_is() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    let resource = world.roll_out("storefront", &NUMBERS).await;
    // The status can be seen a moment before the operator has the answer to its write.
    let written = |page: &Page| page.value("waflows_reconcile_duration_seconds_count", &[("outcome", "written")]);
    let page = page_with(&world.operator, "done", |page| written(page) >= Some(1.0)).await;

    assert_eq!(page.names(), catalog::ALL.map(|metric| metric.full_name()), "as documented, in this order");
    for metric in catalog::ALL {
        let family = &page.families[&metric.full_name()];
        assert_eq!((family.kind.as_str(), family.help.as_str()), (metric.kind(), metric.help));
        assert_eq!(family.unit.as_deref(), metric.unit());
    }

    let namespace = world.namespace.as_str();
    let of = [("namespace", namespace), ("name", "storefront"), ("resource_namespace", namespace)];
    let with = |further| [of[0], of[1], of[2], further];
    assert_eq!(page.value("waflows_phone_numbers", &with(("state", "Valid"))), Some(3.0));
    assert_eq!(page.sum("waflows_phone_numbers", &of), 3.0);
    assert_eq!(page.value("waflows_resource_ready", &with(("reason", "AllNumbersValid"))), Some(1.0));
    assert_eq!(page.sum("waflows_resources", &[("ready", "True")]), 1.0);
    assert_eq!(page.value("waflows_leader", &[]), Some(1.0));
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(page.value("waflows_build_info", &version), Some(1.0));

    let status = resource.status.as_ref().unwrap();
    let read = NUMBERS.iter().map(|id| number_of(&resource, id).last_read_time.as_ref().unwrap().0.as_second()).min();
    assert_eq!(page.value("waflows_resource_last_check_timestamp_seconds", &of), read.map(|time| time as f64));
    let next = status.next_check_time.as_ref().map(|time| time.0.as_second() as f64);
    assert_eq!(page.value("waflows_resource_next_check_timestamp_seconds", &of), next);

    let since = status.public_key_since.as_ref().map(|time| time.0.as_second() as f64);
    assert_eq!(page.value("waflows_resource_key_timestamp_seconds", &of), since);

    assert_eq!(page.value("waflows_uploads_total", &[("reason", "missing"), ("result", "valid")]), Some(3.0));
    assert_eq!(page.sum("waflows_uploads_total", &[]), 3.0);
    let calls = world.emulator.counters().calls;
    for (operation, count) in [("read", calls.reads), ("upload", calls.uploads)] {
        let ok = [("operation", operation), ("outcome", "ok")];
        assert_eq!(page.value("waflows_graph_requests_total", &ok), Some(count as f64));
        assert_eq!(page.sum("waflows_graph_requests_total", &ok[..1]), count as f64, "and nothing else");
        assert_eq!(page.value("waflows_graph_request_duration_seconds_count", &ok[..1]), Some(count as f64));
        let last = [ok[0], ("le", "+Inf")];
        assert_eq!(page.value("waflows_graph_request_duration_seconds_bucket", &last), Some(count as f64));
    }
    assert!(written(&page) >= Some(1.0));
    for name in
        ["waflows_tokens_refused", "waflows_queue_depth", "waflows_graph_paused", "waflows_watch_restarts_total"]
    {
        assert_eq!(page.sum(name, &[]), 0.0, "{name}");
    }
    assert!(page.value("process_resident_memory_bytes", &[]) > Some(1e6));

    let (_, text) = world.operator.get("/metrics").await.unwrap();
    assert!(!text.contains(TOKEN) && !NUMBERS.iter().any(|id| text.contains(id)), "neither secrets nor numbers");

    world.delete("storefront").await;
    let page = page_with(&world.operator, "rid of its series", |page| page.sum("waflows_resources", &[]) == 0.0).await;
    assert_eq!(page.samples_of("waflows_phone_numbers").count(), 0);
    assert_eq!(page.samples_of("waflows_resource_last_check_timestamp_seconds").count(), 0);
}

#[tokio::test]
async fn trouble_shows_in_labels_that_are_known_before() {
    let world = World::with_flags(OPERATOR, &NUMBERS, &["--wait-scale", "0.1"]).await;
    world.set_default_secrets().await;
    let spec = |token: &str| {
        let mut spec = World::spec(&NUMBERS[..1]);
        spec["accessTokenSecretRef"]["name"] = token.into();
        spec
    };
    world.set_secret("bad-token", "token", "EAABadTokenOfTheTests0123456789").await;
    for name in ["first", "second"] {
        world.apply(name, spec("bad-token")).await.unwrap();
        world.wait_reason(name, "TokenRefused").await;
    }
    let page = page(&world.operator).await;
    assert_eq!(page.value("waflows_tokens_refused", &[]), Some(1.0), "one token, though two resources use it");
    assert_eq!(page.value("waflows_graph_paused", &[("scope", "token")]), Some(1.0));
    assert!(page.value("waflows_graph_pause_remaining_seconds", &[("scope", "token")]) > Some(0.0));
    assert_eq!(page.sum("waflows_resources", &[("ready", "False"), ("reason", "TokenRefused")]), 2.0);
    let refused = [("operation", "read"), ("outcome", "token")];
    assert_eq!(
        page.value("waflows_graph_requests_total", &refused),
        Some(world.emulator.counters().calls.reads as f64)
    );

    // The series are the same as on a page of a process that has done nothing.
    let idle = World::new(OPERATOR, &NUMBERS).await;
    let idle = page_with(&idle.operator, "listening", |_| true).await;
    for name in ["waflows_graph_requests_total", "waflows_uploads_total", "waflows_watch_restarts_total"] {
        let labels = |page: &Page| page.samples_of(name).map(|sample| sample.labels.clone()).collect::<Vec<_>>();
        let (mut known, mut seen) = (labels(&idle), labels(&page));
        known.sort();
        seen.sort();
        assert_eq!(known, seen, "{name}");
    }
}

#[tokio::test]
async fn a_lost_signature_and_a_foreign_key_are_uploads_of_their_own_kind() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;
    world.emulator.lose_signature(NUMBERS[0]).unwrap();
    world.emulator.set_foreign_key(NUMBERS[1], graph_emulator::FOREIGN_PUBLIC_KEY).unwrap();
    world.request_sync("storefront", "now").await;
    world
        .wait("storefront", "synced", |resource| {
            resource.status.as_ref().unwrap().last_handled_sync_request.as_deref() == Some("now")
                && resource.status.as_ref().unwrap().phone_numbers.iter().all(|n| n.state == NumberState::Valid)
        })
        .await;
    let page = page(&world.operator).await;
    for (reason, count) in [("missing", 3.0), ("signature_lost", 1.0), ("foreign", 1.0), ("outdated", 0.0)] {
        let labels = [("reason", reason), ("result", "valid")];
        assert_eq!(page.value("waflows_uploads_total", &labels), Some(count), "{reason}");
    }
}

#[tokio::test]
async fn without_series_of_resources_nothing_names_one() {
    let mut world = World::new(OPERATOR, &NUMBERS).await;
    world.operator = world.another(&["--metrics-per-resource=false"]);
    world.set_default_secrets().await;
    for (name, number) in [("first", NUMBERS[0]), ("second", NUMBERS[1])] {
        world.roll_out(name, &[number]).await;
    }
    let page = page(&world.operator).await;
    assert!(page.samples.iter().all(|sample| !sample.labels.contains_key("namespace")));
    assert_eq!(page.value("waflows_phone_numbers", &[("state", "Valid")]), Some(2.0));
    assert_eq!(page.samples_of("waflows_resource_ready").count(), 0);
    assert_eq!(page.sum("waflows_resources", &[("ready", "True")]), 2.0);
    assert_eq!(page.samples_of("waflows_resource_next_check_timestamp_seconds").count(), 1);
}

#[tokio::test]
async fn only_the_leader_speaks_for_the_resources() {
    let flags = ["--leader-election", "--lease-namespace", "default", "--lease-name", "metrics"];
    let mut world = World::with_flags(OPERATOR, &NUMBERS, &flags).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;
    let standby = world.another(&flags);
    world.wait_until("the standby lists", || standby.log().contains("are listed")).await;
    let page = page(&standby).await;
    assert_eq!(page.value("waflows_leader", &[]), Some(0.0));
    let of_resources: BTreeMap<_, _> = page
        .samples
        .iter()
        .filter(|sample| sample.labels.contains_key("namespace"))
        .map(|s| (&s.name, s.value))
        .collect();
    assert_eq!(of_resources, BTreeMap::new());
    assert_eq!(page.sum("waflows_queue_depth", &[]) + page.sum("waflows_queue_oldest_seconds", &[]), 0.0);

    assert_eq!(world.operator.terminate(), Some(0));
    let page = page_with(&standby, "leading", |page| page.value("waflows_leader", &[]) == Some(1.0)).await;
    assert_eq!(page.sum("waflows_phone_numbers", &[("name", "storefront"), ("state", "Valid")]), 3.0);
}
