//! The work queue: which resource is reconciled next.
//!
//! A resource is in line at most once, and at most one reconcile of a resource runs. A change by a person goes before
//! periodic work, but after several changes in a row the periodic work that has waited longest gets a turn. A change during
//! a reconcile cancels the reconcile and queues another one.
//!
//! The time is a monotonic clock: the time since the start of the process. The driver keeps the lock, wakes the worker and
//! holds the means to cancel a reconcile.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use crate::store::object_key::ObjectKey;

/// Changes in a row before periodic work that waits gets a turn. Without a limit, a tenant who changes resources all the time
/// could delay the checks of all others for ever. One turn in nine hardly delays a change.
const CHANGES_IN_A_ROW: u32 = 8;

/// Why a resource is queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// The time of periodic work has come.
    Due,
    /// Somebody changed the resource or a Secret.
    Changed,
}

/// What the driver must do with the running reconcile of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Running {
    /// Nothing. Perhaps no reconcile runs.
    Keep,
    /// Cancel the reconcile: its input has changed.
    Cancel,
}

/// The state of the work queue.
#[derive(Debug, Default)]
pub struct Queue {
    changed: VecDeque<Waiting>,
    due: VecDeque<Waiting>,
    entries: HashMap<ObjectKey, Entry>,
    timers: BTreeSet<(Duration, ObjectKey)>,
    /// Changes that were taken in a row.
    changes_in_a_row: u32,
    /// Since when a worker takes from the queue.
    opened: Option<Duration>,
}

/// A place in line.
#[derive(Debug)]
struct Waiting {
    key: ObjectKey,
    since: Duration,
}

#[derive(Debug, Default)]
struct Entry {
    /// In line, or to be queued when the running reconcile ends.
    queued: Option<Urgency>,
    timer: Option<Duration>,
    /// Reconciles in a row that failed.
    failures: i32,
    is_running: bool,
}

impl Queue {
    /// Queues a resource now.
    pub fn add(&mut self, key: &ObjectKey, urgency: Urgency, now: Duration) -> Running {
        let mut since = now;
        let entry = self.entries.entry(key.clone()).or_default();
        if entry.queued >= Some(urgency) {
            return Running::Keep;
        }
        let was_queued = entry.queued.replace(urgency).is_some();
        if entry.is_running {
            // Queued by `done`. Periodic work can wait for the end of the reconcile.
            return if urgency == Urgency::Changed { Running::Cancel } else { Running::Keep };
        }
        if let Some(place) = was_queued.then(|| self.due.iter().position(|waiting| waiting.key == *key)).flatten() {
            since = self.due.remove(place).map_or(since, |waiting| waiting.since);
        }
        self.line(urgency).push_back(Waiting { key: key.clone(), since });
        Running::Keep
    }

    /// Queues a resource at a time. Replaces an earlier time, and ends a row of failures.
    pub fn add_at(&mut self, key: &ObjectKey, at: Duration) {
        self.set_timer(key, Some(at)).failures = 0;
    }

    /// Queues a resource again after its reconcile failed. `wait` is the backoff after this many failures in a row.
    pub fn retry(&mut self, key: &ObjectKey, now: Duration, wait: impl FnOnce(i32) -> Duration) {
        let entry = self.entries.entry(key.clone()).or_default();
        entry.failures = entry.failures.saturating_add(1);
        let at = now + wait(entry.failures);
        self.set_timer(key, Some(at));
    }

    /// Whether the last reconcile of the resource failed.
    pub fn has_failed(&self, key: &ObjectKey) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.failures > 0)
    }

    /// Forgets a deleted resource.
    pub fn remove(&mut self, key: &ObjectKey) -> Running {
        let entry = self.set_timer(key, None);
        let (was_queued, is_running) = (entry.queued.take().is_some(), entry.is_running);
        if was_queued {
            self.changed.retain(|waiting| waiting.key != *key);
            self.due.retain(|waiting| waiting.key != *key);
        }
        if is_running {
            return Running::Cancel;
        }
        self.entries.remove(key);
        Running::Keep
    }

    /// Takes the next resource out of the line. The driver gives each resource back with [`Queue::done`].
    pub fn next(&mut self, now: Duration) -> Option<ObjectKey> {
        self.fire_timers(now);
        let is_due_next =
            self.changed.is_empty() || (self.changes_in_a_row >= CHANGES_IN_A_ROW && !self.due.is_empty());
        self.changes_in_a_row = if is_due_next { 0 } else { self.changes_in_a_row.saturating_add(1) };
        let urgency = if is_due_next { Urgency::Due } else { Urgency::Changed };
        let Waiting { key, .. } = self.line(urgency).pop_front()?;
        let entry = self.set_timer(&key, None);
        (entry.queued, entry.is_running) = (None, true);
        Some(key)
    }

    /// The time at which the next timer queues a resource.
    pub fn next_timer(&self) -> Option<Duration> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Records the end of a reconcile. If the resource has changed meanwhile, it is queued again.
    pub fn done(&mut self, key: &ObjectKey, now: Duration) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        entry.is_running = false;
        match entry.queued {
            Some(urgency) => self.line(urgency).push_back(Waiting { key: key.clone(), since: now }),
            None if entry.timer.is_none() => drop(self.entries.remove(key)),
            None => {}
        }
    }

    /// The number of resources in line.
    pub fn depth(&mut self, now: Duration) -> usize {
        self.fire_timers(now);
        self.changed.len() + self.due.len()
    }

    /// The number of running reconciles.
    pub fn running(&self) -> usize {
        self.entries.values().filter(|entry| entry.is_running).count()
    }

    /// The longest time that a resource in line has waited for a worker.
    pub fn oldest(&mut self, now: Duration) -> Duration {
        self.fire_timers(now);
        let oldest = self.changed.iter().chain(&self.due).map(|waiting| waiting.since).min();
        let since = oldest.map(|since| self.opened.map_or(since, |opened| since.max(opened)));
        since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// Records that a worker takes from the queue from now on. [`Queue::oldest`] does not count the time before.
    pub fn open(&mut self, now: Duration) {
        self.opened = Some(now);
    }

    fn line(&mut self, urgency: Urgency) -> &mut VecDeque<Waiting> {
        match urgency {
            Urgency::Due => &mut self.due,
            Urgency::Changed => &mut self.changed,
        }
    }

    fn set_timer(&mut self, key: &ObjectKey, at: Option<Duration>) -> &mut Entry {
        let entry = self.entries.entry(key.clone()).or_default();
        if let Some(before) = std::mem::replace(&mut entry.timer, at) {
            self.timers.remove(&(before, key.clone()));
        }
        if let Some(at) = at {
            self.timers.insert((at, key.clone()));
        }
        entry
    }

    fn fire_timers(&mut self, now: Duration) {
        while let Some((at, key)) = self.timers.first().cloned() {
            if at > now {
                return;
            }
            self.set_timer(&key, None);
            // Periodic work cancels no reconcile.
            let _ = self.add(&key, Urgency::Due, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("ns", name)
    }

    fn next(queue: &mut Queue, now: Duration) -> Option<String> {
        queue.next(now).map(|key| key.name.to_string())
    }

    /// Adds a resource of which no reconcile runs.
    fn add(queue: &mut Queue, name: &str, urgency: Urgency, now: Duration) {
        assert_eq!(queue.add(&key(name), urgency, now), Running::Keep);
    }

    #[test]
    fn changes_go_before_what_is_due_and_nothing_stands_twice() {
        let (mut queue, now) = (Queue::default(), SECOND);
        add(&mut queue, "due", Urgency::Due, now);
        add(&mut queue, "both", Urgency::Due, now);
        add(&mut queue, "changed", Urgency::Changed, now);
        add(&mut queue, "both", Urgency::Changed, now);
        add(&mut queue, "both", Urgency::Due, now);
        assert_eq!(queue.depth(now), 3);
        let order: Vec<_> = std::iter::from_fn(|| next(&mut queue, now)).collect();
        assert_eq!(order, ["changed", "both", "due"]);
        assert_eq!(queue.depth(now), 0);
    }

    #[test]
    fn periodic_work_gets_a_turn_however_many_changes_there_are() {
        let (mut queue, now) = (Queue::default(), SECOND);
        add(&mut queue, "due", Urgency::Due, now);
        let mut before = 0;
        loop {
            for name in ["a", "b"] {
                add(&mut queue, name, Urgency::Changed, now);
            }
            let key = queue.next(now).unwrap();
            queue.done(&key, now);
            if &*key.name == "due" {
                break;
            }
            before += 1;
        }
        assert_eq!(before, CHANGES_IN_A_ROW);
    }

    #[test]
    fn a_change_during_a_reconcile_cancels_the_reconcile_and_queues_another() {
        let (mut queue, now, a) = (Queue::default(), SECOND, key("a"));
        add(&mut queue, "a", Urgency::Changed, now);
        assert_eq!(queue.next(now), Some(a.clone()));
        assert_eq!(queue.add(&a, Urgency::Due, now), Running::Keep, "what is due can wait");
        assert_eq!(queue.add(&a, Urgency::Changed, now), Running::Cancel);
        assert_eq!(queue.add(&a, Urgency::Changed, now), Running::Keep, "it is cancelled already");
        assert_eq!((queue.depth(now), queue.next(now)), (0, None), "one reconcile at a time");
        queue.done(&a, now);
        assert_eq!(queue.next(now), Some(a));
    }

    #[test]
    fn the_last_time_counts_and_a_reconcile_clears_it() {
        let mut queue = Queue::default();
        queue.add_at(&key("a"), 5 * SECOND);
        queue.add_at(&key("a"), 9 * SECOND);
        queue.add_at(&key("b"), 7 * SECOND);
        assert_eq!((queue.next_timer(), next(&mut queue, 6 * SECOND)), (Some(7 * SECOND), None));
        assert_eq!(next(&mut queue, 7 * SECOND).as_deref(), Some("b"));
        add(&mut queue, "a", Urgency::Changed, 7 * SECOND);
        assert_eq!(next(&mut queue, 7 * SECOND).as_deref(), Some("a"));
        assert_eq!(queue.next_timer(), None);
    }

    #[test]
    fn the_longest_wait_is_told_also_of_what_became_urgent_and_counts_from_when_somebody_works() {
        let mut queue = Queue::default();
        add(&mut queue, "a", Urgency::Due, SECOND);
        add(&mut queue, "b", Urgency::Changed, 6 * SECOND);
        add(&mut queue, "a", Urgency::Changed, 6 * SECOND);
        assert_eq!((queue.depth(6 * SECOND), queue.oldest(6 * SECOND)), (2, 5 * SECOND));
        queue.open(6 * SECOND);
        assert_eq!(queue.oldest(7 * SECOND), SECOND);
        assert_eq!([next(&mut queue, 7 * SECOND), next(&mut queue, 7 * SECOND)].map(Option::unwrap), ["b", "a"]);
        assert_eq!((queue.depth(7 * SECOND), queue.oldest(7 * SECOND)), (0, Duration::ZERO));
    }

    #[test]
    fn what_is_overdue_waits_also_while_nobody_looks() {
        let mut queue = Queue::default();
        queue.add_at(&key("a"), 5 * SECOND);
        assert_eq!((queue.depth(SECOND), queue.oldest(SECOND)), (0, Duration::ZERO));
        assert_eq!((queue.depth(9 * SECOND), queue.oldest(9 * SECOND)), (1, 4 * SECOND));
        let a = queue.next(9 * SECOND).unwrap();
        assert_eq!((queue.depth(9 * SECOND), queue.running()), (0, 1));
        queue.done(&a, 9 * SECOND);
        assert_eq!(queue.running(), 0);
    }

    #[test]
    fn failures_count_until_a_reconcile_is_finished() {
        let (mut queue, now, a) = (Queue::default(), Duration::ZERO, key("a"));
        let retried = |queue: &mut Queue| {
            let mut counted = 0;
            queue.retry(&a, now, |failures| {
                counted = failures;
                Duration::ZERO
            });
            counted
        };
        add(&mut queue, "a", Urgency::Changed, now);
        for failures in 1..=2 {
            queue.next(now).unwrap();
            assert_eq!((retried(&mut queue), queue.has_failed(&a)), (failures, true));
            queue.done(&a, now);
        }
        queue.next(now).unwrap();
        queue.add_at(&a, now);
        assert!(!queue.has_failed(&a));
        queue.done(&a, now);
        queue.next(now).unwrap();
        assert_eq!(retried(&mut queue), 1);
    }

    #[test]
    fn what_is_gone_leaves_no_trace() {
        let (mut queue, now, a) = (Queue::default(), SECOND, key("a"));
        add(&mut queue, "a", Urgency::Changed, now);
        queue.next(now).unwrap();
        queue.add_at(&a, now);
        assert_eq!(queue.remove(&a), Running::Cancel);
        queue.done(&a, now);
        assert!(queue.entries.is_empty() && queue.timers.is_empty());
        add(&mut queue, "a", Urgency::Due, now);
        assert_eq!(queue.remove(&a), Running::Keep);
        assert!(queue.entries.is_empty() && queue.depth(now) == 0);
        assert_eq!(queue.remove(&a), Running::Keep);
        assert!(queue.entries.is_empty());
    }
}
