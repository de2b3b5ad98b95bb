//! What Prometheus knows after it has scraped the pods of a release for a while, and what its engine (promtool) makes
//! of it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::pod::Pod;
use crate::tools;

/// Minutes between two scrapes, as Prometheus sees them. The test scrapes when there is something new.
const INTERVAL: usize = 5;

/// Samples of several scrapes.
pub(crate) struct Scrapes {
    /// By series, one value for each scrape; none where the series was not there.
    samples: BTreeMap<String, Vec<Option<String>>>,
    count: usize,
    /// Minutes between two of them.
    interval: usize,
    /// The time of the first scrape, in Unix time. If None, the time of the last scrape is now.
    start: Option<u64>,
}

impl Default for Scrapes {
    fn default() -> Self {
        Self { samples: BTreeMap::new(), count: 0, interval: INTERVAL, start: None }
    }
}

impl Scrapes {
    /// Scrapes from a time on, one each minute.
    pub(crate) fn each_minute_from(start: u64) -> Self {
        Self { interval: 1, start: Some(start), ..Self::default() }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Scrapes the pods, as the ServiceMonitor says.
    pub(crate) fn add(&mut self, namespace: &str, pods: &[&Pod]) {
        for (number, pod) in pods.iter().enumerate() {
            let (status, page) = pod.page("/metrics").expect("the pod serves metrics");
            assert_eq!(status, 200, "{page}");
            self.take_in(namespace, &format!("10.0.0.{number}:8080"), &page, |_, value| value.to_owned());
        }
        self.count += 1;
    }

    /// Adds the page of one pod as a scrape, with its values changed by their series.
    pub(crate) fn add_page(&mut self, namespace: &str, page: &str, change: impl Fn(&str, &str) -> String) {
        self.take_in(namespace, "10.0.0.0:8080", page, change);
        self.count += 1;
    }

    fn take_in(&mut self, namespace: &str, instance: &str, page: &str, change: impl Fn(&str, &str) -> String) {
        let target = [("job", "flows"), ("instance", instance), ("namespace", namespace)];
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').expect("a sample");
            let values = self.samples.entry(with_labels(series, &target)).or_default();
            values.resize(self.count, None);
            values.push(Some(change(series, value)));
        }
    }

    /// Makes promtool assert for each query whether it has results at the time of the last scrape. NaN is no result: a
    /// panel shows NaN as a gap.
    pub(crate) fn assert_queries<'a>(&self, queries: impl IntoIterator<Item = (&'a str, Expected)>) {
        let tests = queries.into_iter().map(|(query, expected)| {
            let (expr, value) = match expected {
                Expected::Some => (format!("count(({query}) > -Inf) > bool 0"), json!([{"labels": "{}", "value": 1}])),
                Expected::None => (query.to_owned(), json!([])),
            };
            json!({"expr": expr, "eval_time": self.last(), "exp_samples": value})
        });
        self.test(json!({"promql_expr_test": tests.collect::<Vec<_>>()}));
    }

    /// Makes promtool assert which alerts of the rules fire at the time of the last scrape, each given by its labels.
    pub(crate) fn assert_firing(&self, rules: &str, labels: &[Value]) {
        let expected = json!([self.expect_alerts("ALERTS{alertstate=\"firing\"}", "ALERTS", labels)]);
        self.test_with(json!([rules]), json!({"promql_expr_test": expected}));
    }

    /// Makes promtool assert which alerts have fired at some time, and that none fires at the time of the last scrape.
    pub(crate) fn assert_fired(&self, rules: &str, labels: &[Value]) {
        let expected = json!([
            self.expect_alerts("max_over_time(ALERTS{alertstate=\"firing\"}[2d])", "", labels),
            self.expect_alerts("ALERTS{alertstate=\"firing\"}", "ALERTS", &[]),
        ]);
        self.test_with(json!([rules]), json!({"promql_expr_test": expected}));
    }

    fn expect_alerts(&self, query: &str, name: &str, labels: &[Value]) -> Value {
        let samples = labels.iter().map(|labels| {
            let labels = labels.as_object().unwrap().iter().map(|(name, value)| format!("{name}={value}"));
            json!({"labels": format!("{name}{{{}}}", labels.collect::<Vec<_>>().join(",")), "value": 1})
        });
        json!({"expr": query, "eval_time": self.last(), "exp_samples": samples.collect::<Vec<_>>()})
    }

    fn last(&self) -> String {
        format!("{}m", (self.count - 1) * self.interval)
    }

    fn test(&self, group: Value) {
        self.test_with(json!([]), group);
    }

    fn test_with(&self, rules: Value, mut group: Value) {
        let lasted = ((self.count - 1) * self.interval * 60) as u64;
        let start = self.start.unwrap_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() - lasted);
        let interval = format!("{}m", self.interval);
        group["interval"] = json!(interval);
        group["start_timestamp"] = json!(start.to_string());
        group["input_series"] = self.input();
        let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
        let test = json!({"rule_files": rules, "evaluation_interval": interval, "tests": [group]});
        std::fs::write(file.path(), test.to_string()).unwrap();
        tools::run("promtool", &["test", "rules", file.path().to_str().unwrap()]);
    }

    fn input(&self) -> Value {
        let series = self.samples.iter().map(|(series, values)| {
            let gaps = std::iter::repeat_n("_", self.count - values.len());
            let values = values.iter().map(|value| value.as_deref().unwrap_or("_")).chain(gaps);
            json!({"series": series, "values": values.collect::<Vec<_>>().join(" ")})
        });
        series.collect()
    }
}

/// What a query gives.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected {
    /// At least one number.
    Some,
    /// Nothing.
    None,
}

/// Adds the labels of the target, except those that the series has itself (`honorLabels`).
fn with_labels(series: &str, target: &[(&str, &str)]) -> String {
    let (name, own) = series.strip_suffix('}').and_then(|series| series.split_once('{')).unwrap_or((series, ""));
    let mut labels: Vec<_> = (!own.is_empty()).then(|| own.to_owned()).into_iter().collect();
    let is_missing = |label: &str| !own.split(',').any(|pair| pair.starts_with(&format!("{label}=")));
    labels.extend(target.iter().filter(|(name, _)| is_missing(name)).map(|(name, value)| format!("{name}={value:?}")));
    format!("{name}{{{}}}", labels.join(","))
}
