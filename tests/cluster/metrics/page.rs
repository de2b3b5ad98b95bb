//! Parses a page of metrics, and checks its form: OpenMetrics 1.0, "Overall structure".

use std::collections::{BTreeMap, BTreeSet};

/// The families by their name in queries, and all samples.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) families: BTreeMap<String, Family>,
    order: Vec<String>,
    pub(crate) samples: Vec<Sample>,
}

#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) help: String,
    pub(crate) unit: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Page {
    /// Reads a page. Panics where it breaks a rule of the format.
    pub(crate) fn parse(text: &str) -> Self {
        let mut page = Self { families: BTreeMap::new(), order: Vec::new(), samples: Vec::new() };
        let body = text.strip_suffix("# EOF\n").expect("the page is complete");
        let (mut current, mut family) = (String::new(), Family::default());
        let mut seen = BTreeSet::new();
        for line in body.lines() {
            let Some(description) = line.strip_prefix("# ") else {
                let sample = Sample::parse(line);
                assert!(belongs(&sample.name, &current, &family.kind), "{line} stands under {current}");
                assert!(seen.insert((sample.name.clone(), sample.labels.clone())), "{line} is there twice");
                page.samples.push(sample);
                continue;
            };
            let mut parts = description.splitn(3, ' ');
            let (keyword, name, rest) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
            if name != current {
                page.close(&current, std::mem::take(&mut family));
                current = name.to_owned();
            }
            match keyword {
                "HELP" => family.help = rest.to_owned(),
                "TYPE" => family.kind = rest.to_owned(),
                "UNIT" => family.unit = Some(rest.to_owned()),
                _ => panic!("{line}"),
            }
        }
        page.close(&current, family);
        page
    }

    fn close(&mut self, name: &str, family: Family) {
        if name.is_empty() {
            return;
        }
        assert!(family.unit.as_ref().is_none_or(|unit| name.ends_with(&format!("_{unit}"))), "{name}");
        let name = match family.kind.as_str() {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            "gauge" | "histogram" => name.to_owned(),
            other => panic!("{name} is of type {other}"),
        };
        self.order.push(name.clone());
        assert!(self.families.insert(name, family).is_none(), "a family in two places");
    }

    /// The families in the order of the page.
    pub(crate) fn names(&self) -> &[String] {
        &self.order
    }

    pub(crate) fn samples_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| sample.name == name)
    }

    /// The value of the sample with exactly these labels.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.samples_of(name).find(|s| s.labels.len() == labels.len() && s.has(labels)).map(|sample| sample.value)
    }

    /// The sum over all samples that have these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples_of(name).filter(|sample| sample.has(labels)).map(|sample| sample.value).sum()
    }
}

impl Sample {
    fn parse(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, parse_labels(labels.strip_suffix('}').expect("a brace"))),
            None => (series, BTreeMap::new()),
        };
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        assert!(is_name(name) && labels.keys().all(|label| is_name(label)), "{line}");
        Self { name: name.to_owned(), labels, value }
    }

    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.labels.get(*name).is_some_and(|known| known == value))
    }
}

/// No value of the operator's holds a quotation mark.
fn parse_labels(text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").expect("a label");
        let (value, after) = after.split_once('"').expect("the end of a value");
        assert!(labels.insert(name.to_owned(), value.to_owned()).is_none(), "{text}");
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    labels
}

fn belongs(sample: &str, family: &str, kind: &str) -> bool {
    let suffixes: &[&str] = match kind {
        "counter" => &["_total"],
        "info" => &["_info"],
        "histogram" => &["_bucket", "_sum", "_count"],
        _ => &[""],
    };
    sample.strip_prefix(family).is_some_and(|suffix| suffixes.contains(&suffix))
}
