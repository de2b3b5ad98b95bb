//! What is measured. `docs/performance.md` says what each scenario is for.

mod cold_start;
mod encrypted_keys;
mod floor;
mod keys;
mod latency;
mod memory;
mod peer;
mod restart;
mod rotation;
mod size;
mod status;
mod steady;
mod unrelated_secrets;

use std::time::Duration;

use crate::error::Error;
use crate::fleet::Fleet;
use crate::graph::{Calls, Link};
use crate::operator::{Operator, UNBOUNDED};
use crate::progress::Progress;
use crate::report::Report;
use crate::usage::Usage;
use crate::world::{Programs, Surroundings, World};

/// The assumed time of a call to Meta.
const GRAPH_LATENCY: Duration = Duration::from_millis(20);
/// Read, upload, read back.
const FRESH: Calls = Calls { reads: 2, uploads: 1 };
const NONE: Calls = Calls { reads: 0, uploads: 0 };

/// One scenario.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    title: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Latency(usize, Duration),
    ColdStart(Fleet, Option<cold_start::Limits>),
    Floor,
    Rotation,
    Memory(Fleet, memory::Limits, bool),
    Steady,
    Restart,
    UnrelatedSecrets,
    Keys,
    EncryptedKeys,
    Size,
    Status,
    Peer,
}

/// All of them, in the order of the report.
pub(crate) fn all() -> Vec<Scenario> {
    let fast = cold_start::Limits { seconds: 8.0, cpu_seconds: 2.5 };
    let memory = |fleet, resident, anonymous| Kind::Memory(fleet, memory::Limits { resident, anonymous }, true);
    let plain = Kind::Memory(Fleet::of(2000, 5), memory::Limits { resident: 32.0, anonymous: None }, false);
    let scenario = |name, title, kind| Scenario { name, title, kind };
    vec![
        scenario("a", "apply to Ready, one number, Graph latency 20 ms", Kind::Latency(1, GRAPH_LATENCY)),
        scenario("a0", "apply to Ready, one number, no Graph latency", Kind::Latency(1, Duration::ZERO)),
        scenario("a5", "apply to Ready, five numbers, Graph latency 20 ms", Kind::Latency(5, GRAPH_LATENCY)),
        scenario(
            "b200",
            "cold start, 200 resources of 10 numbers, Graph latency 20 ms",
            Kind::ColdStart(Fleet::of(200, 10), None),
        ),
        scenario(
            "b2k",
            "cold start, 2,000 resources of 5 numbers, Graph latency 20 ms",
            Kind::ColdStart(Fleet::of(2000, 5), Some(fast)),
        ),
        scenario("floor", "what the API server takes for requests like those of a rollout", Kind::Floor),
        scenario("c", "new key in a Secret of 50 resources of 10 numbers, Graph latency 20 ms", Kind::Rotation),
        scenario("d0", "memory without resources", memory(Fleet::of(0, 0), 13.0, Some(4.0))),
        scenario("d2k", "memory at 2,000 resources of 5 numbers", memory(Fleet::of(2000, 5), 26.0, None)),
        scenario("d2k-plain", "the same over HTTP/1.1 without TLS", plain),
        scenario("d10k", "memory at 10,000 resources of 10 numbers", memory(Fleet::of(10_000, 10), 60.0, None)),
        scenario("e", "60 s with nothing due, 2,000 resources of 5 numbers, leader election", Kind::Steady),
        scenario("f", "restart with nothing due, 2,000 resources of 5 numbers", Kind::Restart),
        scenario("g", "5,000 unrelated Secrets of 100 KB beside 200 resources of 10 numbers", Kind::UnrelatedSecrets),
        scenario("h", "reading one private key, one thread", Kind::Keys),
        scenario("k", "40 resources whose keys are encrypted with scrypt", Kind::EncryptedKeys),
        scenario("size", "the release binary", Kind::Size),
        scenario("s", "the verb status, 2,000 resources of 5 numbers", Kind::Status),
        scenario("p", "b2k by this operator, and by a lean operator in Go", Kind::Peer),
    ]
}

impl Scenario {
    /// Measures it.
    pub(crate) async fn run(&self, programs: &Programs) -> Result<Report, Error> {
        let mut report = Report::new(self.name, self.title);
        match self.kind {
            Kind::Latency(numbers, latency) => latency::run(&mut report, programs, numbers, latency).await,
            Kind::ColdStart(fleet, limits) => cold_start::run(&mut report, programs, fleet, limits).await,
            Kind::Floor => floor::run(&mut report, programs).await,
            Kind::Rotation => rotation::run(&mut report, programs).await,
            Kind::Memory(fleet, limits, is_http2) => memory::run(&mut report, programs, fleet, limits, is_http2).await,
            Kind::Steady => steady::run(&mut report, programs).await,
            Kind::Restart => restart::run(&mut report, programs).await,
            Kind::UnrelatedSecrets => unrelated_secrets::run(&mut report, programs).await,
            Kind::Keys => keys::run(&mut report),
            Kind::EncryptedKeys => encrypted_keys::run(&mut report, programs).await,
            Kind::Size => size::run(&mut report, programs),
            Kind::Status => status::run(&mut report, programs).await,
            Kind::Peer => peer::run(&mut report, programs).await,
        }?;
        Ok(report)
    }
}

/// A fleet that was created before the operator was started and is now Ready.
struct RolledOut {
    world: World,
    operator: Operator,
    /// From the start of the process to the sight of the last Ready.
    time: Duration,
    /// What the operator had used by then.
    at_ready: Usage,
    /// What the other processes used meanwhile.
    others: Surroundings,
}

/// Creates a fleet, starts an operator without limits of requests, and waits until all resources are Ready. Checks
/// calls and writes.
async fn roll_out(
    report: &mut Report,
    programs: &Programs,
    fleet: Fleet,
    link: impl Into<Link>,
    flags: &[&str],
) -> Result<RolledOut, Error> {
    let world = World::set_up(programs, link.into()).await?;
    fleet.create(&world.client, &world.key).await?;
    roll_out_in(report, world, fleet, flags).await
}

/// The same in a world where the fleet has been created.
async fn roll_out_in(report: &mut Report, mut world: World, fleet: Fleet, flags: &[&str]) -> Result<RolledOut, Error> {
    world.graph.reset().await?;
    world.audit.reset()?;
    let mut progress = Progress::begin(&world.client).await?;
    let before = world.surroundings()?;
    let mut operator = Operator::start(&world, &[&UNBOUNDED, flags].concat())?;
    let ready = progress.ready(fleet.names(), &world.key.fingerprint);
    operator.during("all resources are Ready", ready).await?;
    let time = operator.started.elapsed();
    report.check("rollout: writes of a status, one each", fleet.resources, progress.count);
    let (at_ready, others) = (operator.usage()?, world.surroundings()?.since(before));
    check_calls(report, "rollout", &world, fleet, FRESH).await?;
    Ok(RolledOut { world, operator, time, at_ready, others })
}

/// Every phone number must have seen exactly these calls, and there must be no others.
async fn check_calls(report: &mut Report, phase: &str, world: &World, fleet: Fleet, each: Calls) -> Result<(), Error> {
    let numbers = fleet.numbers() as u64;
    let all = Calls { reads: each.reads * numbers, uploads: each.uploads * numbers };
    let what = format!("{phase}: numbers with {} reads, {} uploads", each.reads, each.uploads);
    report.check(what, fleet.numbers(), world.graph.numbers_with(fleet, each).await?);
    let found = world.graph.calls().await?;
    report.check(format!("{phase}: reads in all"), all.reads, found.reads);
    report.check(format!("{phase}: uploads in all"), all.uploads, found.uploads);
    Ok(())
}

/// Reports the requests to the API server. A rollout of a resource costs one event, which comes after the last status.
async fn report_requests(report: &mut Report, world: &World, fleet: Fleet) -> Result<(), Error> {
    let requests = world.audit.requests_with("create events", fleet.resources).await?;
    for (kind, count) in requests.kinds() {
        report.figure(format!("API requests: {kind}"), count as f64, "");
    }
    report.check("rollout: events, one each", fleet.resources, requests.of("create events"));
    Ok(())
}
