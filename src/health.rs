//! Whether the process lives and is ready, for the probes of the kubelet.
//!
//! It lives while its loops move. Each shows its [`Pulse`] also while it has nothing to do, whether or not the API
//! server or Meta answers: a restart would mend neither. What a loop waits for is bounded, so that a silent pulse means
//! a fault of this process.
//!
//! It is ready while it sees the cluster, whether it leads or not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use kube::Client;
use tokio::time::{Instant, sleep, timeout};

use crate::apiserver::describe;

/// How often a loop at rest shows that it lives.
const REST: Duration = Duration::from_secs(10);
/// A loop that was silent for this long is stuck, unless it asks for more.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How often the API server is asked for a sign of life.
const CONTACT_INTERVAL: Duration = Duration::from_secs(10);
const CONTACT_TIMEOUT: Duration = Duration::from_secs(5);
/// Without an answer for this long, the process does not see the cluster. Restarts of the API server are shorter.
const OUT_OF_CONTACT: Duration = Duration::from_secs(30);
/// A watch that is refused for this long does not recover by itself.
const REFUSED: Duration = Duration::from_secs(60);
/// Refusals further apart than this are not in a row: a watch is tried again after 30 s at the latest.
const IN_A_ROW: Duration = Duration::from_secs(90);

/// The sign of life of one loop.
#[derive(Debug)]
pub struct Pulse {
    origin: Instant,
    /// Milliseconds from the origin to the last beat.
    beaten: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { origin: Instant::now(), beaten: AtomicU64::new(0) }
    }
}

impl Pulse {
    /// The loop moves.
    pub fn beat(&self) {
        self.beaten.store(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Since the last beat.
    pub fn silence(&self) -> Duration {
        self.origin.elapsed().saturating_sub(Duration::from_millis(self.beaten.load(Ordering::Relaxed)))
    }

    /// Waits for something that may take any time, and shows meanwhile that the loop can move.
    pub async fn rest<T>(&self, something: impl Future<Output = T>) -> T {
        let mut something = std::pin::pin!(something);
        loop {
            self.beat();
            tokio::select! {
                result = &mut something => return result,
                () = sleep(REST) => {}
            }
        }
    }
}

struct Loop {
    name: &'static str,
    pulse: Weak<Pulse>,
    patience: Duration,
}

/// A watch that the API server refuses.
struct Refusal {
    since: Instant,
    last: Instant,
    said: String,
}

struct Contact {
    last: Instant,
    was_ever: bool,
    said: String,
}

/// What the probes ask.
pub struct Health {
    loops: Mutex<Vec<Loop>>,
    refusals: Mutex<BTreeMap<(&'static str, usize), Refusal>>,
    contact: Mutex<Contact>,
    wait_scale: f64,
}

impl Health {
    /// Nothing known yet. `wait_scale` multiplies the times that readiness counts in; 1 but in tests.
    pub fn new(wait_scale: f64) -> Self {
        let contact = Contact { last: Instant::now(), was_ever: false, said: String::new() };
        Self { loops: Mutex::default(), refusals: Mutex::default(), contact: Mutex::new(contact), wait_scale }
    }

    /// A loop begins. It ends when its pulse is dropped.
    pub fn begin(&self, name: &'static str) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse::default());
        self.follow(name, &pulse, PATIENCE);
        pulse
    }

    /// Follows the pulse of a loop that makes its own.
    pub fn follow(&self, name: &'static str, pulse: &Arc<Pulse>, patience: Duration) {
        let mut loops = locked(&self.loops);
        loops.retain(|known| known.pulse.strong_count() > 0);
        loops.push(Loop { name, pulse: Arc::downgrade(pulse), patience });
    }

    /// The loops that are stuck, each in a clause.
    pub fn stuck(&self) -> Vec<String> {
        let silent = |known: &Loop| {
            let silence = known.pulse.upgrade()?.silence();
            (silence > known.patience).then(|| format!("{} has not moved for {} s", known.name, silence.as_secs()))
        };
        locked(&self.loops).iter().filter_map(silent).collect()
    }

    /// What this process does not see of the cluster, each in a clause.
    pub fn blind_spots(&self) -> Vec<String> {
        let mut clauses = Vec::new();
        let contact = locked(&self.contact);
        let silence = contact.last.elapsed();
        if !contact.was_ever || silence > OUT_OF_CONTACT.mul_f64(self.wait_scale) {
            let cause = if contact.said.is_empty() { String::new() } else { format!(": {}", contact.said) };
            clauses.push(format!("the API server has not answered for {} s{cause}", silence.as_secs()));
        }
        for ((what, _), refusal) in locked(&self.refusals).iter() {
            let lasts = refusal.since.elapsed();
            if lasts > REFUSED && refusal.last.elapsed() < IN_A_ROW {
                clauses.push(format!(
                    "the watch of {what} has been refused for {} s: {}",
                    lasts.as_secs(),
                    refusal.said
                ));
            }
        }
        clauses
    }

    /// The API server refused a watch.
    pub fn watch_refused(&self, what: &'static str, watch: usize, said: &str) {
        let now = Instant::now();
        let mut refusals = locked(&self.refusals);
        let known = refusals.get(&(what, watch)).filter(|known| now - known.last < IN_A_ROW);
        let since = known.map_or(now, |known| known.since);
        refusals.insert((what, watch), Refusal { since, last: now, said: said.to_owned() });
    }

    /// A watch brought something.
    pub fn watch_works(&self, what: &'static str, watch: usize) {
        locked(&self.refusals).remove(&(what, watch));
    }

    /// Asks the API server for a sign of life again and again: watches are silent where nothing changes, also on a
    /// connection that leads nowhere.
    pub async fn keep_in_contact(&self, client: &Client) {
        loop {
            let answer = timeout(CONTACT_TIMEOUT.mul_f64(self.wait_scale), client.apiserver_version()).await;
            let failure = match answer {
                Ok(Ok(_)) => None,
                // Whoever refuses is there.
                Ok(Err(kube::Error::Api(status))) if status.code < 500 => None,
                Ok(Err(error)) => Some(describe(&error)),
                Err(_) => Some("it takes too long".to_owned()),
            };
            self.note_contact(failure);
            sleep(CONTACT_INTERVAL.mul_f64(self.wait_scale)).await;
        }
    }

    fn note_contact(&self, failure: Option<String>) {
        let mut contact = locked(&self.contact);
        match failure {
            None => *contact = Contact { last: Instant::now(), was_ever: true, said: String::new() },
            Some(said) => contact.said = said,
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        let rests = tokio::spawn(async move { resting.rest(std::future::pending::<()>()).await });
        let hanging = health.begin("the loop that hangs");
        hanging.beat();
        sleep(PATIENCE).await;
        assert_eq!(health.stuck(), Vec::<String>::new());
        sleep(Duration::from_secs(60)).await;
        assert_eq!(health.stuck(), ["the loop that hangs has not moved for 180 s"]);

        drop(hanging);
        assert_eq!(health.stuck(), Vec::<String>::new(), "it ended");
        rests.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_waited_for_arrives() {
        let pulse = Pulse::default();
        assert_eq!(pulse.rest(async { sleep(3 * REST).await }).await, ());
        assert!(pulse.silence() <= REST);
    }

    #[tokio::test(start_paused = true)]
    async fn the_api_server_must_have_answered_lately() {
        let health = Health::new(1.0);
        assert_eq!(health.blind_spots(), ["the API server has not answered for 0 s"]);
        health.note_contact(None);
        pass(25).await;
        health.note_contact(Some("no route to host".to_owned()));
        assert_eq!(health.blind_spots(), Vec::<String>::new(), "it may be restarting");
        pass(10).await;
        assert_eq!(health.blind_spots(), ["the API server has not answered for 35 s: no route to host"]);
        health.note_contact(None);
        assert_eq!(health.blind_spots(), Vec::<String>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_is_refused_for_long_is_a_blind_spot_until_it_works_or_is_refused_no_more() {
        let health = Health::new(1.0);
        health.note_contact(None);
        let refused_for_long = async || {
            for _ in 0..4 {
                health.watch_refused("secrets", 0, "secrets is forbidden");
                pass(20).await;
                health.note_contact(None);
            }
        };
        refused_for_long().await;
        assert_eq!(health.blind_spots(), ["the watch of secrets has been refused for 80 s: secrets is forbidden"]);
        health.watch_works("secrets", 0);
        assert_eq!(health.blind_spots(), Vec::<String>::new());

        refused_for_long().await;
        pass(IN_A_ROW.as_secs()).await;
        health.note_contact(None);
        assert_eq!(health.blind_spots(), Vec::<String>::new(), "nothing changed since, so the watch brought nothing");
        health.watch_refused("secrets", 0, "secrets is forbidden");
        assert_eq!(health.blind_spots(), Vec::<String>::new(), "a new row");
    }
}
