//! What Prometheus knows after it has scraped the pods of a release for a while, and what its engine (promtool) makes of it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::pod::Pod;
use crate::tools;

/// Minutes that stand between two scrapes. They are made when there is something new, not after this time.
const INTERVAL: usize = 5;

/// Samples of several scrapes.
#[derive(Default)]
pub(crate) struct Scrapes {
    /// By series, one value for each scrape; none where the series was not there.
    samples: BTreeMap<String, Vec<Option<String>>>,
    count: usize,
}

impl Scrapes {
    /// Scrapes the pods, as the ServiceMonitor says.
    pub(crate) fn add(&mut self, namespace: &str, pods: &[&Pod]) {
        for (number, pod) in pods.iter().enumerate() {
            let (status, page) = pod.page("/metrics").expect("the pod serves metrics");
            assert_eq!(status, 200, "{page}");
            let target = [("job", "flows"), ("instance", &format!("10.0.0.{number}:8080")), ("namespace", namespace)];
            for line in page.lines().filter(|line| !line.starts_with('#')) {
                let (series, value) = line.rsplit_once(' ').expect("a sample");
                let values = self.samples.entry(with_labels(series, &target)).or_default();
                values.resize(self.count, None);
                values.push(Some(value.to_owned()));
            }
        }
        self.count += 1;
    }

    /// Has promtool assert of each query how many series it gives at the time of the last scrape; none is a number (for
    /// NaN is what a panel shows as a gap).
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

    /// Has promtool assert which alerts of the rules fire at the time of the last scrape, each given by its labels.
    pub(crate) fn assert_firing(&self, rules: &str, labels: &[Value]) {
        let samples = labels.iter().map(|labels| {
            let labels = labels.as_object().unwrap().iter().map(|(name, value)| format!("{name}={value}"));
            json!({"labels": format!("ALERTS{{{}}}", labels.collect::<Vec<_>>().join(",")), "value": 1})
        });
        let expected = json!([{
            "expr": "ALERTS{alertstate=\"firing\"}",
            "eval_time": self.last(),
            "exp_samples": samples.collect::<Vec<_>>(),
        }]);
        self.test_with(json!([rules]), json!({"promql_expr_test": expected}));
    }

    fn last(&self) -> String {
        format!("{}m", (self.count - 1) * INTERVAL)
    }

    fn test(&self, group: Value) {
        self.test_with(json!([]), group);
    }

    fn test_with(&self, rules: Value, mut group: Value) {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let interval = format!("{INTERVAL}m");
        group["interval"] = json!(interval);
        group["start_timestamp"] = json!((now - ((self.count - 1) * INTERVAL * 60) as u64).to_string());
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
