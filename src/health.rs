//! Liveness and readiness of the process, for the probes of the kubelet.
//!
//! The process is alive while its loops move. Each loop beats its [`Heartbeat`] even when idle, and whether or not the
//! API server or Meta answers, because a restart would not help against an outage. Every wait of a loop has a limit, so
//! a silent heartbeat means a fault of this process.
//!
//! The process is ready while its watches see the cluster, whether it leads or not.

mod lock;
mod sight;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use kube::Client;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use self::lock::locked;
pub use self::sight::Sight;
use crate::apiserver::describe;

/// Interval of the heartbeats of an idle loop.
const BEAT_INTERVAL: Duration = Duration::from_secs(10);
/// A loop without a heartbeat for this long is stuck, unless it set a longer limit.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Interval of the requests for `/version`, which show that the API server answers.
const CONTACT_INTERVAL: Duration = Duration::from_secs(10);
/// The interval while the API server does not answer, or after a watch has failed.
const CONTACT_INTERVAL_IN_DOUBT: Duration = Duration::from_secs(1);
const CONTACT_TIMEOUT: Duration = Duration::from_secs(5);
/// After this time without an answer the process is not ready. A restart of the API server takes less.
const OUT_OF_CONTACT: Duration = Duration::from_secs(30);
/// After this time a failing watch makes the process not ready: it will not recover by itself.
const FAILED: Duration = Duration::from_secs(60);

/// The heartbeat of one loop.
#[derive(Debug)]
pub struct Heartbeat {
    origin: Instant,
    /// Milliseconds from the origin to the last beat.
    beaten: AtomicU64,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { origin: Instant::now(), beaten: AtomicU64::new(0) }
    }
}

impl Heartbeat {
    /// Records that the loop moves.
    pub fn beat(&self) {
        self.beaten.store(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Time since the last beat.
    pub fn silence(&self) -> Duration {
        self.origin.elapsed().saturating_sub(Duration::from_millis(self.beaten.load(Ordering::Relaxed)))
    }

    /// Waits for a future that may take any time, and beats meanwhile.
    pub async fn while_waiting<T>(&self, something: impl Future<Output = T>) -> T {
        let mut something = std::pin::pin!(something);
        loop {
            self.beat();
            tokio::select! {
                result = &mut something => return result,
                () = sleep(BEAT_INTERVAL) => {}
            }
        }
    }
}

struct Loop {
    name: &'static str,
    heartbeat: Weak<Heartbeat>,
    patience: Duration,
}

struct Contact {
    last: Instant,
    was_ever: bool,
    /// Time since which every request has failed. None while the API server answers.
    lost: Option<Instant>,
    said: String,
    /// The end of the last outage that made this process not ready.
    back: Option<Instant>,
}

/// The state behind the probes.
pub struct Health {
    loops: Mutex<Vec<Loop>>,
    sights: Mutex<Vec<Arc<Sight>>>,
    contact: Mutex<Contact>,
    doubt: Arc<Notify>,
    returns: watch::Sender<()>,
    wait_scale: f64,
}

impl Health {
    /// The initial state. `wait_scale` multiplies the time limits of readiness; 1 except in tests.
    pub fn new(wait_scale: f64) -> Self {
        let contact = Contact { last: Instant::now(), was_ever: false, lost: None, said: String::new(), back: None };
        Self {
            loops: Mutex::default(),
            sights: Mutex::default(),
            contact: Mutex::new(contact),
            doubt: Arc::default(),
            returns: watch::Sender::default(),
            wait_scale,
        }
    }

    /// Registers a loop. Dropping the heartbeat unregisters it.
    pub fn begin(&self, name: &'static str) -> Arc<Heartbeat> {
        let heartbeat = Arc::new(Heartbeat::default());
        self.follow(name, &heartbeat, PATIENCE);
        heartbeat
    }

    /// Registers a loop that has its own heartbeat.
    pub fn follow(&self, name: &'static str, heartbeat: &Arc<Heartbeat>, patience: Duration) {
        let mut loops = locked(&self.loops);
        loops.retain(|known| known.heartbeat.strong_count() > 0);
        loops.push(Loop { name, heartbeat: Arc::downgrade(heartbeat), patience });
    }

    /// The stuck loops, each as a clause for the body of `/healthz`.
    pub fn not_live_reasons(&self) -> Vec<String> {
        let silent = |known: &Loop| {
            let silence = known.heartbeat.upgrade()?.silence();
            (silence > known.patience).then(|| format!("{} has not moved for {} s", known.name, silence.as_secs()))
        };
        locked(&self.loops).iter().filter_map(silent).collect()
    }

    /// The reasons why this process does not see the cluster, each as a clause for the body of `/readyz`.
    pub fn not_ready_reasons(&self) -> Vec<String> {
        let mut clauses = Vec::new();
        let contact = locked(&self.contact);
        if self.is_out_of_contact(&contact) {
            let cause = if contact.said.is_empty() { String::new() } else { format!(": {}", contact.said) };
            let silence = contact.last.elapsed().as_secs();
            clauses.push(format!("the API server has not answered for {silence} s{cause}"));
        }
        for sight in locked(&self.sights).iter() {
            let Some(trouble) = sight.trouble() else { continue };
            let lasts = trouble.since.elapsed();
            // After an outage that made this process not ready, every watch must be open again.
            if lasts > FAILED.mul_f64(self.wait_scale) || contact.back.is_some_and(|back| trouble.since < back) {
                let (what, said) = (sight.what, trouble.said);
                clauses.push(format!("the watch of {what} has failed for {} s: {said}", lasts.as_secs()));
            }
        }
        clauses
    }

    fn is_out_of_contact(&self, contact: &Contact) -> bool {
        !contact.was_ever || contact.last.elapsed() > OUT_OF_CONTACT.mul_f64(self.wait_scale)
    }

    /// Registers a watch.
    pub fn sight(&self, what: &'static str) -> Arc<Sight> {
        let sight = Arc::new(Sight::new(what, Arc::clone(&self.doubt)));
        locked(&self.sights).push(Arc::clone(&sight));
        sight
    }

    /// Changes whenever the API server answers again after an outage.
    pub fn returns(&self) -> watch::Receiver<()> {
        self.returns.subscribe()
    }

    /// Whether the API server answered the last request for `/version`.
    pub fn is_in_contact(&self) -> bool {
        locked(&self.contact).lost.is_none()
    }

    /// Requests `/version` again and again. This detects dead connections: a watch is silent on a dead connection, and
    /// also when nothing changes.
    pub async fn keep_in_contact(&self, client: &Client) {
        loop {
            let answer = timeout(CONTACT_TIMEOUT.mul_f64(self.wait_scale), client.apiserver_version()).await;
            let failure = match answer {
                Ok(Ok(_)) => None,
                // A refusal is also an answer.
                Ok(Err(kube::Error::Api(status))) if status.code < 500 => None,
                Ok(Err(error)) => Some(describe(&error)),
                Err(_) => Some("it takes too long".to_owned()),
            };
            let pause = if failure.is_some() { CONTACT_INTERVAL_IN_DOUBT } else { CONTACT_INTERVAL };
            self.note_contact(failure);
            tokio::select! {
                () = sleep(pause.mul_f64(self.wait_scale)) => {}
                () = self.doubt.notified() => sleep(CONTACT_INTERVAL_IN_DOUBT.mul_f64(self.wait_scale)).await,
            }
        }
    }

    fn note_contact(&self, failure: Option<String>) {
        let mut contact = locked(&self.contact);
        let now = Instant::now();
        if let Some(said) = failure {
            contact.lost.get_or_insert(now);
            contact.said = said;
            return;
        }
        let (lost, mut back) = (contact.lost, contact.back);
        if let Some(lost) = lost
            && self.is_out_of_contact(&contact)
        {
            locked(&self.sights).iter().for_each(|sight| sight.suspect(lost));
            back = Some(now);
        }
        *contact = Contact { last: now, was_ever: true, lost: None, said: String::new(), back };
        if lost.is_some() {
            self.returns.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_at_rest_lives_and_one_that_hangs_does_not() {
        let health = Arc::new(Health::new(1.0));
        let resting = health.begin("the loop at rest");
        let rests = tokio::spawn(async move { resting.while_waiting(std::future::pending::<()>()).await });
        let hanging = health.begin("the loop that hangs");
        hanging.beat();
        sleep(PATIENCE).await;
        assert_eq!(health.not_live_reasons(), Vec::<String>::new());
        sleep(Duration::from_secs(60)).await;
        assert_eq!(health.not_live_reasons(), ["the loop that hangs has not moved for 180 s"]);

        drop(hanging);
        assert_eq!(health.not_live_reasons(), Vec::<String>::new(), "it ended");
        rests.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_waited_for_arrives() {
        let heartbeat = Heartbeat::default();
        assert_eq!(heartbeat.while_waiting(async { sleep(3 * BEAT_INTERVAL).await }).await, ());
        assert!(heartbeat.silence() <= BEAT_INTERVAL);
    }

    #[tokio::test(start_paused = true)]
    async fn the_api_server_must_have_answered_lately() {
        let health = Health::new(1.0);
        assert_eq!(health.not_ready_reasons(), ["the API server has not answered for 0 s"]);
        health.note_contact(None);
        pass(25).await;
        health.note_contact(Some("no route to host".to_owned()));
        assert_eq!(health.not_ready_reasons(), Vec::<String>::new(), "it may be restarting");
        pass(10).await;
        assert_eq!(health.not_ready_reasons(), ["the API server has not answered for 35 s: no route to host"]);
        health.note_contact(None);
        assert_eq!(health.not_ready_reasons(), Vec::<String>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_fails_for_long_makes_the_process_not_ready_until_it_is_open() {
        let health = Health::new(1.0);
        health.note_contact(None);
        let secrets = health.sight("secrets");
        for _ in 0..4 {
            secrets.failed("secrets is forbidden");
            pass(20).await;
            health.note_contact(None);
        }
        assert_eq!(health.not_ready_reasons(), ["the watch of secrets has failed for 80 s: secrets is forbidden"]);
        secrets.hear();
        assert_eq!(health.not_ready_reasons().len(), 1, "it may be listed, and not watched");
        assert!(secrets.opened());
        assert_eq!(health.not_ready_reasons(), Vec::<String>::new());
        assert!(!secrets.opened());

        secrets.failed("secrets is forbidden");
        assert_eq!(health.not_ready_reasons(), Vec::<String>::new(), "it may be over in a moment");
    }

    #[test]
    fn the_same_failure_is_no_news() {
        let secrets = Health::new(1.0).sight("secrets");
        assert!(secrets.failed("forbidden"));
        assert!(!secrets.failed("forbidden"));
        assert!(secrets.failed("connection refused"));
        secrets.opened();
        assert!(secrets.failed("connection refused"));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_long_absence_of_the_api_server_each_watch_must_be_open_again() {
        let health = Health::new(1.0);
        let (secrets, resources) = (health.sight("secrets"), health.sight("flowsencryptionkeys"));
        health.note_contact(None);
        pass(20).await;
        secrets.failed("connection refused");
        health.note_contact(Some("connection refused".to_owned()));
        assert!(!health.is_in_contact());
        pass(20).await;
        let returns = health.returns();
        health.note_contact(None);
        assert!(health.is_in_contact() && returns.has_changed().unwrap());
        // One watch failed. The connection of the other may be dead, and nothing shows this.
        let clauses = [
            "the watch of secrets has failed for 20 s: connection refused",
            "the watch of flowsencryptionkeys has failed for 20 s: it is begun anew, since the API server was away",
        ];
        assert_eq!(health.not_ready_reasons(), clauses);
        assert!(!secrets.opened(), "an attempt from before, which may yet turn out to have missed something");
        assert_eq!(health.not_ready_reasons(), clauses);
        for sight in [&secrets, &resources] {
            assert!(sight.take_lost() && !sight.take_lost(), "begun anew once");
        }
        resources.opened();
        assert_eq!(health.not_ready_reasons(), clauses[..1]);
        secrets.opened();
        assert_eq!(health.not_ready_reasons(), Vec::<String>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_absence_and_a_watch_that_goes_on_cost_nothing() {
        let health = Health::new(1.0);
        let secrets = health.sight("secrets");
        health.note_contact(None);
        health.note_contact(Some("connection refused".to_owned()));
        pass(20).await;
        let returns = health.returns();
        health.note_contact(None);
        assert!(returns.has_changed().unwrap(), "what waits for its next attempt need not wait");
        assert!(!secrets.take_lost(), "it would have heard of its end");

        health.note_contact(Some("it takes too long".to_owned()));
        pass(40).await;
        secrets.hear();
        health.note_contact(None);
        assert!(!secrets.take_lost(), "it is alive");
        assert_eq!(health.not_ready_reasons(), Vec::<String>::new());
        let returns = health.returns();
        health.note_contact(None);
        assert!(!returns.has_changed().unwrap(), "it was not away");
    }
}
