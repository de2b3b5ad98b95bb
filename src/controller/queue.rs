//! The work queue, shared between tasks. `waflows_core::queue` decides the order; here are the lock, the wakeups and the
//! tokens that cancel reconciles.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use waflows_core::queue::{Queue as Line, Running, Urgency};
use waflows_core::schedule::backoff::Waits;
use waflows_core::store::object_key::ObjectKey;

/// The queue. All methods may be called from any task.
pub struct Queue {
    state: Mutex<State>,
    woken: Notify,
    /// The clock of the line starts here.
    origin: Instant,
}

#[derive(Default)]
struct State {
    line: Line,
    /// Cancel the running reconciles.
    tokens: HashMap<ObjectKey, CancellationToken>,
}

impl Default for Queue {
    fn default() -> Self {
        Self { state: Mutex::default(), woken: Notify::new(), origin: Instant::now() }
    }
}

impl Queue {
    /// Queues a resource now. Cancels its running reconcile if the resource has changed.
    pub fn add(&self, key: &ObjectKey, urgency: Urgency) {
        let mut state = self.state();
        let running = state.line.add(key, urgency, self.now());
        state.obey(key, running);
        drop(state);
        self.woken.notify_one();
    }

    /// Queues a resource at a time. Replaces an earlier time, and ends a row of failures.
    pub fn add_at(&self, key: &ObjectKey, at: Instant) {
        self.state().line.add_at(key, at.saturating_duration_since(self.origin));
        self.woken.notify_one();
    }

    /// Queues a resource again after its reconcile failed. `wait` is the backoff after this many failures in a row.
    pub fn retry(&self, key: &ObjectKey, wait: impl FnOnce(i32) -> Duration) {
        self.state().line.retry(key, self.now(), wait);
        self.woken.notify_one();
    }

    /// Whether the last reconcile of the resource failed.
    pub fn has_failed(&self, key: &ObjectKey) -> bool {
        self.state().line.has_failed(key)
    }

    /// Forgets a deleted resource, and cancels its running reconcile.
    pub fn remove(&self, key: &ObjectKey) {
        let mut state = self.state();
        let running = state.line.remove(key);
        state.obey(key, running);
    }

    /// Waits for the next resource to reconcile. The token is cancelled when the resource changes meanwhile, or together
    /// with `reconciles`.
    ///
    /// One task at a time may wait here. The task gives each resource back with [`Queue::done`].
    pub async fn next(&self, reconciles: &CancellationToken) -> (ObjectKey, CancellationToken) {
        loop {
            let wake_at = {
                let mut state = self.state();
                if let Some(key) = state.line.next(self.now()) {
                    let token = reconciles.child_token();
                    state.tokens.insert(key.clone(), token.clone());
                    return (key, token);
                }
                state.line.next_timer().map(|at| self.origin + at)
            };
            match wake_at {
                Some(at) => {
                    tokio::select! { () = self.woken.notified() => {}, () = tokio::time::sleep_until(at) => {} }
                }
                None => self.woken.notified().await,
            }
        }
    }

    /// Records the end of a reconcile. If the resource has changed meanwhile, it is queued again.
    pub fn done(&self, key: &ObjectKey) {
        let mut state = self.state();
        state.line.done(key, self.now());
        state.tokens.remove(key);
        drop(state);
        self.woken.notify_one();
    }

    /// The number of resources that wait for a worker.
    pub fn depth(&self) -> usize {
        self.state().line.depth(self.now())
    }

    /// The number of running reconciles.
    pub fn running(&self) -> usize {
        self.state().line.running()
    }

    /// The longest time that a resource has waited for a worker.
    pub fn oldest(&self) -> Duration {
        self.state().line.oldest(self.now())
    }

    /// Records that a worker takes from the queue from now on. [`Queue::oldest`] does not count the time before.
    pub fn open(&self) {
        self.state().line.open(self.now());
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A resource's turn, given back however the work on it ends.
pub struct Turn<'a> {
    queue: &'a Queue,
    key: &'a ObjectKey,
    waits: Waits,
}

impl<'a> Turn<'a> {
    /// The turn of a resource that [`Queue::next`] gave.
    pub fn new(queue: &'a Queue, key: &'a ObjectKey, waits: Waits) -> Self {
        Self { queue, key, waits }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.queue.done(self.key);
        if std::thread::panicking() {
            // A fault of the operator's own: not again at once, and not never.
            self.queue.add_at(self.key, Instant::now() + self.waits.after_refusal(1));
        }
    }
}

impl State {
    fn obey(&self, key: &ObjectKey, running: Running) {
        match running {
            Running::Keep => {}
            Running::Cancel => self.tokens.get(key).into_iter().for_each(CancellationToken::cancel),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("ns", name)
    }

    async fn next(queue: &Queue) -> String {
        queue.next(&CancellationToken::new()).await.0.name.to_string()
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_during_a_reconcile_cancels_it_and_queues_another() {
        let queue = Queue::default();
        queue.add(&key("a"), Urgency::Changed);
        let (a, token) = queue.next(&CancellationToken::new()).await;
        queue.add(&a, Urgency::Due);
        assert!(!token.is_cancelled(), "what is due can wait");
        queue.add(&a, Urgency::Changed);
        assert!(token.is_cancelled());
        assert_eq!(queue.depth(), 0, "one reconcile at a time");
        queue.done(&a);
        let (_, again) = queue.next(&CancellationToken::new()).await;
        assert!(!again.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_term_cancels_every_reconcile() {
        let (queue, reconciles) = (Queue::default(), CancellationToken::new());
        queue.add(&key("a"), Urgency::Due);
        let (_, token) = queue.next(&reconciles).await;
        reconciles.cancel();
        assert!(token.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_wakes_at_the_last_time_that_was_set() {
        let queue = Queue::default();
        let begun = Instant::now();
        queue.add_at(&key("a"), begun + Duration::from_secs(5));
        queue.add_at(&key("a"), begun + Duration::from_secs(9));
        queue.add_at(&key("b"), begun + Duration::from_secs(7));
        assert_eq!(next(&queue).await, "b");
        assert_eq!(begun.elapsed().as_secs(), 7);
        queue.add(&key("a"), Urgency::Changed);
        assert_eq!(next(&queue).await, "a");
        assert_eq!(queue.state().line.next_timer(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_are_measured_from_the_start_of_the_process() {
        tokio::time::advance(Duration::from_secs(100)).await;
        let queue = Queue::default();
        queue.add_at(&key("a"), Instant::now() + Duration::from_secs(5));
        assert_eq!((queue.depth(), queue.oldest()), (0, Duration::ZERO));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!((queue.depth(), queue.oldest()), (1, Duration::from_secs(4)));
        queue.open();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(queue.oldest(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_gone_leaves_no_trace() {
        let queue = Queue::default();
        queue.add(&key("a"), Urgency::Changed);
        let (a, token) = queue.next(&CancellationToken::new()).await;
        queue.add_at(&a, Instant::now());
        queue.remove(&a);
        assert!(token.is_cancelled());
        queue.done(&a);
        let mut state = queue.state();
        assert!(state.tokens.is_empty());
        assert_eq!((state.line.next_timer(), state.line.depth(Duration::MAX)), (None, 0));
    }
}
