//! What is worked on next.
//!
//! A resource stands in the queue at most once and is worked on by one round at a time. What a person changed goes
//! before what is merely due. A change while a round runs cancels that round and queues another.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use waflows_core::store::object_key::ObjectKey;

/// Why a resource is queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Its time has come.
    Due,
    /// Something changed.
    Changed,
}

/// The queue. All methods may be called from any task.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    woken: Notify,
}

#[derive(Default)]
struct State {
    changed: VecDeque<Waiting>,
    due: VecDeque<Waiting>,
    entries: HashMap<ObjectKey, Entry>,
    timers: BTreeSet<(Instant, ObjectKey)>,
    /// Since when someone takes from the queue.
    opened: Option<Instant>,
}

/// A place in line.
struct Waiting {
    key: ObjectKey,
    since: Instant,
}

#[derive(Default)]
struct Entry {
    queued: Option<Urgency>,
    timer: Option<Instant>,
    /// Rounds in a row that could not be finished.
    failures: i32,
    running: Option<CancellationToken>,
}

impl Queue {
    /// Queues a resource now.
    pub fn add(&self, key: &ObjectKey, urgency: Urgency) {
        self.state().add(key, urgency, Instant::now());
        self.woken.notify_one();
    }

    /// Queues a resource at a time, in place of any time set before.
    pub fn add_at(&self, key: &ObjectKey, at: Instant) {
        let mut state = self.state();
        state.set_timer(key, Some(at));
        if let Some(entry) = state.entries.get_mut(key) {
            entry.failures = 0;
        }
        drop(state);
        self.woken.notify_one();
    }

    /// Queues a resource whose round could not be finished. `wait` says for how long after so many in a row.
    pub fn retry(&self, key: &ObjectKey, wait: impl FnOnce(i32) -> Duration) {
        let mut state = self.state();
        let entry = state.entries.entry(key.clone()).or_default();
        entry.failures = entry.failures.saturating_add(1);
        let at = Instant::now() + wait(entry.failures);
        state.set_timer(key, Some(at));
        drop(state);
        self.woken.notify_one();
    }

    /// Whether the last round of the resource could not be finished.
    pub fn has_failed(&self, key: &ObjectKey) -> bool {
        self.state().entries.get(key).is_some_and(|entry| entry.failures > 0)
    }

    /// Forgets a resource that is gone; a round of it is cancelled.
    pub fn remove(&self, key: &ObjectKey) {
        self.state().remove(key);
    }

    /// Waits for the next resource to work on. The token is cancelled when the resource changes meanwhile, or together
    /// with `rounds`.
    ///
    /// One task at a time may wait here. Every key it gets must be given back with [`Queue::done`].
    pub async fn next(&self, rounds: &CancellationToken) -> (ObjectKey, CancellationToken) {
        loop {
            let wake_at = {
                let mut state = self.state();
                state.fire_timers(Instant::now());
                if let Some(next) = state.pop(rounds) {
                    return next;
                }
                state.timers.first().map(|(at, _)| *at)
            };
            match wake_at {
                Some(at) => {
                    tokio::select! { () = self.woken.notified() => {}, () = tokio::time::sleep_until(at) => {} }
                }
                None => self.woken.notified().await,
            }
        }
    }

    /// A round is over. If the resource changed meanwhile it is queued again.
    pub fn done(&self, key: &ObjectKey) {
        self.state().done(key);
        self.woken.notify_one();
    }

    /// How many resources wait for a worker.
    pub fn depth(&self) -> usize {
        let mut state = self.state();
        state.fire_timers(Instant::now());
        state.changed.len() + state.due.len()
    }

    /// How many are worked on.
    pub fn running(&self) -> usize {
        self.state().entries.values().filter(|entry| entry.running.is_some()).count()
    }

    /// How long the resource has waited that has waited longest.
    pub fn oldest(&self) -> Duration {
        let mut state = self.state();
        state.fire_timers(Instant::now());
        let oldest = state.changed.iter().chain(&state.due).map(|waiting| waiting.since).min();
        oldest.map_or(Duration::ZERO, |since| state.opened.map_or(since, |opened| since.max(opened)).elapsed())
    }

    /// Someone begins to take from the queue. What waited for that waits from now on, as far as [`Queue::oldest`] tells.
    pub fn open(&self) {
        self.state().opened = Some(Instant::now());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, key: &ObjectKey, urgency: Urgency, mut since: Instant) {
        let entry = self.entries.entry(key.clone()).or_default();
        if entry.queued >= Some(urgency) {
            return;
        }
        let was_queued = entry.queued.replace(urgency).is_some();
        if let Some(round) = &entry.running {
            if urgency == Urgency::Changed {
                round.cancel();
            }
            // Queued by `done`.
            return;
        }
        if let Some(place) = was_queued.then(|| self.due.iter().position(|waiting| waiting.key == *key)).flatten() {
            since = self.due.remove(place).map_or(since, |waiting| waiting.since);
        }
        self.line(urgency).push_back(Waiting { key: key.clone(), since });
    }

    fn line(&mut self, urgency: Urgency) -> &mut VecDeque<Waiting> {
        match urgency {
            Urgency::Due => &mut self.due,
            Urgency::Changed => &mut self.changed,
        }
    }

    fn set_timer(&mut self, key: &ObjectKey, at: Option<Instant>) {
        let entry = self.entries.entry(key.clone()).or_default();
        if let Some(before) = std::mem::replace(&mut entry.timer, at) {
            self.timers.remove(&(before, key.clone()));
        }
        if let Some(at) = at {
            self.timers.insert((at, key.clone()));
        }
    }

    fn fire_timers(&mut self, now: Instant) {
        while let Some((at, key)) = self.timers.first().cloned() {
            if at > now {
                return;
            }
            self.set_timer(&key, None);
            self.add(&key, Urgency::Due, at);
        }
    }

    fn pop(&mut self, rounds: &CancellationToken) -> Option<(ObjectKey, CancellationToken)> {
        let Waiting { key, .. } = self.changed.pop_front().or_else(|| self.due.pop_front())?;
        let round = rounds.child_token();
        let entry = self.entries.entry(key.clone()).or_default();
        entry.queued = None;
        entry.running = Some(round.clone());
        self.set_timer(&key, None);
        Some((key, round))
    }

    fn done(&mut self, key: &ObjectKey) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        entry.running = None;
        match entry.queued {
            Some(urgency) => self.line(urgency).push_back(Waiting { key: key.clone(), since: Instant::now() }),
            None if entry.timer.is_none() => drop(self.entries.remove(key)),
            None => {}
        }
    }

    fn remove(&mut self, key: &ObjectKey) {
        self.set_timer(key, None);
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        if let Some(round) = &entry.running {
            round.cancel();
        }
        if entry.queued.take().is_some() {
            self.changed.retain(|waiting| waiting.key != *key);
            self.due.retain(|waiting| waiting.key != *key);
        }
        if self.entries.get(key).is_some_and(|entry| entry.running.is_none()) {
            self.entries.remove(key);
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
    async fn changes_go_before_what_is_due_and_nothing_stands_twice() {
        let queue = Queue::default();
        queue.add(&key("due"), Urgency::Due);
        queue.add(&key("both"), Urgency::Due);
        queue.add(&key("changed"), Urgency::Changed);
        queue.add(&key("both"), Urgency::Changed);
        queue.add(&key("both"), Urgency::Due);
        assert_eq!(queue.depth(), 3);
        assert_eq!([next(&queue).await, next(&queue).await, next(&queue).await], ["changed", "both", "due"]);
        assert_eq!(queue.depth(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_during_a_round_cancels_it_and_queues_another() {
        let queue = Queue::default();
        queue.add(&key("a"), Urgency::Changed);
        let (a, round) = queue.next(&CancellationToken::new()).await;
        queue.add(&a, Urgency::Due);
        assert!(!round.is_cancelled(), "what is due can wait");
        queue.add(&a, Urgency::Changed);
        assert!(round.is_cancelled());
        assert_eq!(queue.depth(), 0, "one round at a time");
        queue.done(&a);
        let (_, again) = queue.next(&CancellationToken::new()).await;
        assert!(!again.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_time_counts_and_a_round_clears_it() {
        let queue = Queue::default();
        let begun = Instant::now();
        queue.add_at(&key("a"), begun + Duration::from_secs(5));
        queue.add_at(&key("a"), begun + Duration::from_secs(9));
        queue.add_at(&key("b"), begun + Duration::from_secs(7));
        assert_eq!(next(&queue).await, "b");
        assert_eq!(begun.elapsed().as_secs(), 7);
        queue.add(&key("a"), Urgency::Changed);
        assert_eq!(next(&queue).await, "a");
        assert!(queue.state().timers.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_wait_is_told_also_of_what_became_urgent_and_counts_from_when_somebody_works() {
        let queue = Queue::default();
        queue.add(&key("a"), Urgency::Due);
        tokio::time::advance(Duration::from_secs(5)).await;
        queue.add(&key("b"), Urgency::Changed);
        queue.add(&key("a"), Urgency::Changed);
        assert_eq!((queue.depth(), queue.oldest()), (2, Duration::from_secs(5)));
        queue.open();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(queue.oldest(), Duration::from_secs(1));
        assert_eq!([next(&queue).await, next(&queue).await], ["b", "a"]);
        assert_eq!((queue.depth(), queue.oldest()), (0, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_overdue_waits_also_while_nobody_looks() {
        let queue = Queue::default();
        queue.add_at(&key("a"), Instant::now() + Duration::from_secs(5));
        assert_eq!((queue.depth(), queue.oldest()), (0, Duration::ZERO));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!((queue.depth(), queue.oldest()), (1, Duration::from_secs(4)));
        let (a, _) = queue.next(&CancellationToken::new()).await;
        assert_eq!((queue.depth(), queue.running()), (0, 1));
        queue.done(&a);
        assert_eq!(queue.running(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_count_until_a_round_is_finished() {
        let queue = Queue::default();
        let counted = |key: &ObjectKey| {
            let mut counted = 0;
            queue.retry(key, |failures| {
                counted = failures;
                Duration::from_secs(1)
            });
            counted
        };
        queue.add(&key("a"), Urgency::Changed);
        for failures in 1..=2 {
            let (a, _) = queue.next(&CancellationToken::new()).await;
            assert_eq!(counted(&a), failures);
            queue.done(&a);
        }
        let (a, _) = queue.next(&CancellationToken::new()).await;
        queue.add_at(&a, Instant::now());
        queue.done(&a);
        let (a, _) = queue.next(&CancellationToken::new()).await;
        assert_eq!(counted(&a), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_gone_leaves_no_trace() {
        let queue = Queue::default();
        queue.add(&key("a"), Urgency::Changed);
        let (a, round) = queue.next(&CancellationToken::new()).await;
        queue.add_at(&a, Instant::now());
        queue.remove(&a);
        assert!(round.is_cancelled());
        queue.done(&a);
        assert!(queue.state().entries.is_empty() && queue.state().timers.is_empty());
    }
}
