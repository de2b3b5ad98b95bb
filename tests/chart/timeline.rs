//! A night of many hours that passes in minutes. The operator's waits are shortened, and the times in the scrapes of
//! Prometheus are stretched to those of a real night.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::chart::Objects;
use crate::pod::Pod;
use crate::scene::wait_until;
use crate::scrape::Scrapes;

/// The night passes so many times faster than a real one.
const HASTE: u32 = 180;
/// A minute of the night, after which Prometheus scrapes again.
const MINUTE: Duration = Duration::from_nanos(60_000_000_000 / HASTE as u64);

/// Makes the operator of a Deployment as fast as the night.
pub(crate) fn hasten(objects: &mut Objects) {
    let deployment = objects.of_kind_mut("Deployment").next().expect("there is one");
    let arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array_mut().unwrap();
    let interval = "--default-check-interval=";
    arguments.retain(|argument| !argument.as_str().unwrap().starts_with(interval));
    arguments.push(format!("{interval}{}s", 3600 / HASTE).into());
    arguments.push(format!("--wait-scale={}", 1.0 / f64::from(HASTE)).into());
}

/// A night, while it lasts.
pub(crate) struct Night<'a> {
    pod: &'a Pod,
    begun: Instant,
    /// The same, in Unix time.
    start: f64,
}

impl Night<'_> {
    /// Plays the events of a night, and returns the scrapes of the pod.
    pub(crate) fn live(namespace: &str, pod: &Pod, events: impl FnOnce(&Night<'_>)) -> Scrapes {
        let start = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let night = Night { pod, begun: Instant::now(), start: start.as_secs_f64() };
        let (scrapes, is_over) = (Mutex::new(Scrapes::each_minute_from(start.as_secs())), AtomicBool::new(false));
        std::thread::scope(|scope| {
            // Set also if an expectation fails, which would otherwise wait for ever for the scrapes.
            let _end = OnDrop(&is_over);
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    night.scrape(namespace, &mut scrapes.lock().unwrap());
                    std::thread::sleep(MINUTE / 2);
                }
            });
            events(&night);
        });
        scrapes.into_inner().unwrap()
    }

    /// Lets so many minutes pass.
    pub(crate) fn pass(&self, minutes: u32) {
        let until = self.begun.elapsed() + MINUTE * minutes;
        wait_until(self.pod, "over", || self.begun.elapsed() >= until);
    }

    /// Waits until the condition holds.
    pub(crate) fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        wait_until(self.pod, what, condition);
    }

    /// The scrapes of two hours, a week from now, if nothing changes until then.
    pub(crate) fn in_a_week(&self, namespace: &str) -> Scrapes {
        const WEEK: f64 = 7.0 * 86_400.0;
        let now = self.start + self.begun.elapsed().as_secs_f64() * f64::from(HASTE);
        let mut scrapes = Scrapes::each_minute_from((now + WEEK) as u64);
        let page = self.page();
        for _ in 0..120 {
            scrapes.add_page(namespace, &page, |series, value| stretched(series, value, self.start));
        }
        scrapes
    }

    /// Scrapes for every minute that has begun.
    fn scrape(&self, namespace: &str, scrapes: &mut Scrapes) {
        let page = self.page();
        let minutes = usize::try_from(self.begun.elapsed().as_nanos() / MINUTE.as_nanos()).unwrap();
        while scrapes.count() <= minutes {
            scrapes.add_page(namespace, &page, |series, value| stretched(series, value, self.start));
        }
    }

    fn page(&self) -> String {
        let (status, page) = self.pod.page("/metrics").expect("the pod serves metrics");
        assert_eq!(status, 200, "{page}");
        page
    }
}

/// The value of the series if the night took as long as a real one.
fn stretched(series: &str, value: &str, start: f64) -> String {
    let haste = f64::from(HASTE);
    let name = series.split('{').next().unwrap_or_default();
    let is_time = name.ends_with("_timestamp_seconds") || name == "process_start_time_seconds";
    let is_duration = ["waflows_graph_pause_remaining_seconds", "waflows_queue_oldest_seconds"].contains(&name);
    match value.parse::<f64>() {
        Ok(time) if is_time => (start + (time - start) * haste).to_string(),
        Ok(duration) if is_duration => (duration * haste).to_string(),
        _ => value.to_owned(),
    }
}

struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
