//! Every fault, through every stage of the main job.

use std::time::{Duration, Instant};

use axum::http::Method;
use fault_proxy::{Action, Call, Fault};
use futures::StreamExt;

use crate::job::{Job, Leg, Reference, Stage, at_once};
use crate::oracle;

struct Row {
    leg: Leg,
    name: &'static str,
    fault: Fault,
    /// Whether the fault is about calls that come only at the start, or when watches break. If so, watches break at the
    /// beginning of each stage.
    breaks_watches: bool,
    /// Whether the operator holds a Lease.
    elects: bool,
}

impl Row {
    fn breaking_watches(self) -> Self {
        Self { breaks_watches: true, ..self }
    }

    fn electing(self) -> Self {
        Self { elects: true, ..self }
    }

    /// How often the fault is met before it is lifted: twice, so that the operator has given up at least once. A watch
    /// without events meets its fault once, since nothing happens then.
    fn times(&self) -> usize {
        let watch = Call { method: Method::GET, path: String::new(), is_watch: true };
        let action = &self.fault.action;
        let hides_events = action.silences_watches() || action.holds_watches();
        if (self.fault.of)(&watch) && hides_events && self.leg == Leg::Kubernetes { 1 } else { 2 }
    }
}

fn rows() -> Vec<Row> {
    use Action as A;
    use Leg::{Graph, Kubernetes};
    let row = |leg, name, of, action| {
        let fault = Fault { of, action };
        Row { leg, name, fault, breaks_watches: false, elects: false }
    };
    let answer = |status| A::Answer { status, retry_after: None };
    let later = |status| A::Answer { status, retry_after: Some(1) };
    let (slow, drip) = (A::Delay(Duration::from_millis(300)), A::Drip(Duration::from_millis(3)));
    let all: fn(&Call) -> bool = |_| true;
    let watches: fn(&Call) -> bool = |call| call.is_watch;
    let lists: fn(&Call) -> bool = Call::is_list;
    let secrets: fn(&Call) -> bool = Call::is_secret;
    let writes: fn(&Call) -> bool = Call::is_write;
    let statuses: fn(&Call) -> bool = Call::is_status;
    let events: fn(&Call) -> bool = Call::is_event;
    let reads: fn(&Call) -> bool = |call| !call.is_write();
    let leases: fn(&Call) -> bool = Call::is_lease;
    vec![
        row(Kubernetes, "all is slow", all, slow.clone()),
        row(Kubernetes, "byte by byte", all, drip.clone()),
        row(Kubernetes, "all is reset", all, A::Reset),
        row(Kubernetes, "watches are cut", watches, A::Reset),
        row(Kubernetes, "watches are half open", watches, A::Silence),
        row(Kubernetes, "watches fall silent", watches, A::SilenceAfter),
        row(Kubernetes, "watches are stale", watches, A::HoldEvents),
        row(Kubernetes, "watches lose events, then 410", watches, A::LoseEvents),
        row(Kubernetes, "watches: 410", watches, answer(410)).breaking_watches(),
        row(Kubernetes, "watches: 429", watches, later(429)).breaking_watches(),
        row(Kubernetes, "lists: 410", lists, answer(410)).breaking_watches(),
        row(Kubernetes, "lists: 500", lists, answer(500)).breaking_watches(),
        row(Kubernetes, "lists are cut in the middle", lists, A::Stall).breaking_watches(),
        row(Kubernetes, "secrets: 403", secrets, answer(403)),
        row(Kubernetes, "secrets: 429", secrets, later(429)),
        row(Kubernetes, "secrets: 500", secrets, answer(500)),
        row(Kubernetes, "secrets: no answer", secrets, A::Silence),
        row(Kubernetes, "secrets: half an answer", secrets, A::Stall),
        row(Kubernetes, "statuses: 404", statuses, answer(404)),
        row(Kubernetes, "statuses: 409", statuses, answer(409)),
        row(Kubernetes, "statuses: 410", statuses, answer(410)),
        row(Kubernetes, "statuses: 429", statuses, later(429)),
        row(Kubernetes, "statuses: 500", statuses, answer(500)),
        row(Kubernetes, "statuses: reset", statuses, A::Reset),
        row(Kubernetes, "statuses: written, then reset", statuses, A::ResetAfter),
        row(Kubernetes, "statuses: written, no answer", statuses, A::SilenceAfter),
        row(Kubernetes, "statuses: half an answer", statuses, A::Stall),
        row(Kubernetes, "events: 500", events, answer(500)),
        row(Kubernetes, "events: no answer", events, A::Silence),
        row(Kubernetes, "all: 429", all, later(429)),
        row(Kubernetes, "all: 500", all, answer(500)),
        row(Kubernetes, "all: 503", all, answer(503)),
        row(Kubernetes, "Lease: slow", leases, slow.clone()).electing(),
        row(Kubernetes, "Lease: 409", leases, answer(409)).electing(),
        row(Kubernetes, "Lease: 500", leases, answer(500)).electing(),
        row(Kubernetes, "Lease: reset", leases, A::Reset).electing(),
        row(Kubernetes, "Lease: written, then reset", leases, A::ResetAfter).electing(),
        row(Kubernetes, "Lease: no answer", leases, A::Silence).electing(),
        row(Kubernetes, "all: 500, with a Lease", all, answer(500)).electing(),
        row(Graph, "all is slow", all, slow),
        row(Graph, "byte by byte", all, drip),
        row(Graph, "all is reset", all, A::Reset),
        row(Graph, "reads: no answer", reads, A::Silence),
        row(Graph, "reads: half an answer", reads, A::Stall),
        row(Graph, "reads: 429", reads, later(429)),
        row(Graph, "reads: 503", reads, answer(503)),
        row(Graph, "uploads: reset", writes, A::Reset),
        row(Graph, "uploads: landed, then reset", writes, A::ResetAfter),
        row(Graph, "uploads: landed, no answer", writes, A::SilenceAfter),
        row(Graph, "uploads: half an answer", writes, A::Stall),
        row(Graph, "uploads: 409", writes, answer(409)),
        row(Graph, "uploads: 410", writes, answer(410)),
        row(Graph, "uploads: 429", writes, later(429)),
        row(Graph, "uploads: 500", writes, answer(500)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_the_job_is_done_once_it_is_over() {
    let reference = Reference::get().await;
    println!("without faults: {:?}, {:?}", reference.footprint, reference.uploads);
    let only = std::env::var("WAFLOWS_FAULT").unwrap_or_default();
    let rows: Vec<_> = rows().into_iter().filter(|row| title(row).contains(&only)).collect();
    assert!(!rows.is_empty(), "WAFLOWS_FAULT={only:?} is in the name of no fault");
    let runs = rows.into_iter().map(|row| async move {
        let name = title(&row);
        let ended = tokio::spawn(async move { run(&row, reference).await }).await;
        let result = ended.unwrap_or_else(|panic| Err(format!("{panic}")));
        result.map_err(|error| format!("== {name}\n{error}"))
    });
    let results: Vec<_> = futures::stream::iter(runs).buffer_unordered(at_once()).collect().await;
    let failures: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{} faults left a trace\n{}", failures.len(), failures.join("\n"));
}

fn title(row: &Row) -> String {
    let leg = match row.leg {
        Leg::Kubernetes => "API server",
        Leg::Graph => "Meta",
    };
    format!("{leg}: {}", row.name)
}

async fn run(row: &Row, reference: &Reference) -> Result<(), String> {
    let flags: &[&str] = if row.elects { &["--leader-election", "--lease-namespace", "{namespace}"] } else { &[] };
    let job = Job::under(flags, |kubernetes, graph| match row.leg {
        Leg::Kubernetes => kubernetes.set(row.fault.clone()),
        Leg::Graph => graph.set(row.fault.clone()),
    })
    .await;
    let (proxy, begun) = (job.proxy(row.leg), Instant::now());
    let mut met = Vec::new();
    for stage in Stage::ALL {
        if stage != Stage::Applied {
            // Only an open watch can lose events.
            job.rest().await;
            if row.breaks_watches {
                job.lose_watches().await;
            }
        }
        let expected = reference.state(stage);
        proxy.set(row.fault.clone());
        job.begin(stage).await;
        job.until(expected, || proxy.met() >= row.times()).await.map_err(|error| format!("{stage:?}: {error}"))?;
        // Some calls of a stage come after its state is reached. A fault that nothing meets tests nothing.
        job.world.wait_until(&format!("met in stage {stage:?}"), || proxy.met() > 0).await;
        proxy.lift();
        job.settle(expected).await.map_err(|error| format!("{stage:?}: {error}"))?;
        met.push(proxy.met());
    }
    job.verdict(reference).await?;
    let tries = oracle::tried_too_often(&reference.writes, &job.writes.made(), met.iter().sum());
    tries.map_or(Ok(()), Err)?;
    let seconds = begun.elapsed().as_secs_f64();
    println!("{seconds:5.1} s  {}: met {met:?}", title(row));
    Ok(())
}
