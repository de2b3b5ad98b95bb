//! Metrics from the status of the resources.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder, MetricEncoder};
use waflows_core::api::conditions::ConditionStatus;
use waflows_core::api::crd::{NumberState, RotationPhase};
use waflows_core::store::object_key::ObjectKey;
use waflows_core::store::resource_summary::ResourceSummary;

use super::openmetrics::Page;
use crate::metrics::catalog::{self, Descriptor};

type Counts = [u64; NumberState::ALL.len()];

/// The resources that this process reports.
pub(super) struct Resources {
    pub(super) summary: Vec<(ObjectKey, ResourceSummary)>,
    /// Whether each resource has its own series.
    pub(super) per_resource: bool,
}

impl Resources {
    pub(super) fn encode(&self, page: &mut Page<'_>) -> fmt::Result {
        self.phone_numbers(page)?;
        self.condition(page, &catalog::RESOURCE_READY, |summary| Some((summary.ready, summary.reason)))?;
        self.by_ready(page)?;
        self.times(page, &catalog::LAST_CHECK, |summary| summary.last_check)?;
        self.times(page, &catalog::NEXT_CHECK, |summary| summary.next_check)?;
        self.times(page, &catalog::KEY, |summary| summary.key_since)?;
        self.times(page, &catalog::SUSPENDED, |summary| summary.suspended_since)?;
        self.condition(page, &catalog::ENDPOINT_READY, |summary| Some(summary.endpoint.as_ref()?.ready))?;
        self.condition(page, &catalog::AVAILABLE, |summary| Some(summary.endpoint.as_ref()?.available))?;
        self.recovers_clients(page)?;
        self.rotations(page)?;
        self.times(page, &catalog::TOKEN_END, |summary| summary.token_end)?;
        page.gauge(&catalog::TOKENS_REFUSED, &(self.refused_tokens() as u64))?;
        self.refused_resources(page)
    }

    fn phone_numbers(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut family = page.family(&catalog::PHONE_NUMBERS)?;
        let mut sums = Counts::default();
        for (key, summary) in &self.summary {
            if self.per_resource {
                numbers(&mut family, Some(key), &summary.numbers.map(u64::from))?;
            } else {
                sums.iter_mut().zip(summary.numbers).for_each(|(sum, count)| *sum += u64::from(count));
            }
        }
        if self.per_resource || self.summary.is_empty() { Ok(()) } else { numbers(&mut family, None, &sums) }
    }

    /// A condition of each resource that has the condition.
    fn condition(
        &self,
        page: &mut Page<'_>,
        metric: &'static Descriptor,
        of: fn(&ResourceSummary) -> Option<(ConditionStatus, &'static str)>,
    ) -> fmt::Result {
        let mut family = page.family(metric)?;
        for (key, (status, reason)) in self.of_each(of) {
            family.encode_family(&(Names(Some(key)), [("reason", reason)]))?.encode_gauge(&value(status))?;
        }
        Ok(())
    }

    fn recovers_clients(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut family = page.family(&catalog::ENDPOINT_RECOVERS)?;
        for (key, recovers) in self.of_each(|summary| summary.endpoint.as_ref()?.recovers_clients) {
            family.encode_family(&Names(Some(key)))?.encode_gauge(&u64::from(recovers))?;
        }
        Ok(())
    }

    /// A fact about each resource that has its own series and the fact.
    fn of_each<T>(&self, of: fn(&ResourceSummary) -> Option<T>) -> impl Iterator<Item = (&ObjectKey, T)> {
        let own = self.summary.iter().filter(|_| self.per_resource);
        own.filter_map(move |(key, summary)| Some((key, of(summary)?)))
    }

    fn by_ready(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut family = page.family(&catalog::RESOURCES)?;
        let mut sums: Vec<((ConditionStatus, &str), u64)> = Vec::new();
        for readiness in self.summary.iter().map(|(_, summary)| (summary.ready, summary.reason)) {
            match sums.iter_mut().find(|(known, _)| *known == readiness) {
                Some((_, count)) => *count += 1,
                None => sums.push((readiness, 1)),
            }
        }
        for ((status, reason), count) in sums {
            family.encode_family(&[("ready", status.as_str()), ("reason", reason)])?.encode_gauge(&count)?;
        }
        Ok(())
    }

    /// A time of each resource, or the earliest time of all resources.
    fn times(
        &self,
        page: &mut Page<'_>,
        metric: &'static Descriptor,
        of: fn(&ResourceSummary) -> Option<i64>,
    ) -> fmt::Result {
        let mut family = page.family(metric)?;
        let times = self.summary.iter().filter_map(|(key, summary)| Some((key, of(summary)?)));
        if !self.per_resource {
            let earliest = times.map(|(_, time)| time).min();
            return earliest.map_or(Ok(()), |earliest| family.encode_gauge(&earliest));
        }
        for (key, time) in times {
            family.encode_family(&Names(Some(key)))?.encode_gauge(&time)?;
        }
        Ok(())
    }

    /// The start of each rotation's phase, or the earliest start of each phase.
    fn rotations(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut family = page.family(&catalog::ROTATION_PHASE)?;
        let mut earliest: BTreeMap<RotationPhase, i64> = BTreeMap::new();
        for (key, summary) in &self.summary {
            let Some((phase, start)) = summary.rotation else { continue };
            if self.per_resource {
                family.encode_family(&(Names(Some(key)), [("phase", phase.as_str())]))?.encode_gauge(&start)?;
            } else {
                earliest.entry(phase).and_modify(|known| *known = start.min(*known)).or_insert(start);
            }
        }
        for (phase, start) in earliest {
            family.encode_family(&[("phase", phase.as_str())])?.encode_gauge(&start)?;
        }
        Ok(())
    }

    fn refused_tokens(&self) -> usize {
        self.refused().collect::<HashSet<_>>().len()
    }

    /// Counted by the Secret that holds the token, because the new token must go there.
    fn refused_resources(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut family = page.family(&catalog::REFUSED_RESOURCES)?;
        let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for (namespace, (secret, _)) in self.refused().filter(|_| self.per_resource) {
            *counts.entry((namespace, secret)).or_default() += 1;
        }
        for ((namespace, secret), count) in counts {
            let labels = [("namespace", namespace), ("resource_namespace", namespace), ("secret", secret)];
            family.encode_family(&labels)?.encode_gauge(&count)?;
        }
        Ok(())
    }

    /// Namespace, and Secret and key of the token, of each resource whose token is refused.
    fn refused(&self) -> impl Iterator<Item = (&str, &(String, String))> {
        self.summary.iter().filter_map(|(key, summary)| Some((&*key.namespace, summary.refused_token.as_deref()?)))
    }
}

/// The value of a condition.
fn value(status: ConditionStatus) -> i64 {
    match status {
        ConditionStatus::True => 1,
        ConditionStatus::False => 0,
        ConditionStatus::Unknown => -1,
    }
}

/// Namespace and name of a resource as labels. No labels if a series is for all resources.
struct Names<'a>(Option<&'a ObjectKey>);

impl EncodeLabelSet for Names<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder) -> fmt::Result {
        match self.0 {
            Some(key) => {
                let namespace = &*key.namespace;
                [("namespace", namespace), ("name", &*key.name), ("resource_namespace", namespace)].encode(encoder)
            }
            None => Ok(()),
        }
    }
}

fn numbers(family: &mut MetricEncoder<'_>, key: Option<&ObjectKey>, counts: &Counts) -> fmt::Result {
    for (state, count) in NumberState::ALL.into_iter().zip(counts) {
        if *count > 0 || state == NumberState::Valid {
            family.encode_family(&(Names(key), [("state", state.as_str())]))?.encode_gauge(count)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::{DescriptorEncoder, text};
    use prometheus_client::registry::Registry;

    use super::*;

    struct Source(Resources);

    impl fmt::Debug for Source {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Source")
        }
    }

    impl Collector for Source {
        fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
            self.0.encode(&mut Page::new(encoder))
        }
    }

    /// A resource with two numbers in a state.
    fn resource(name: &str, state: NumberState, last_check: i64) -> (ObjectKey, ResourceSummary) {
        let mut numbers = [0; NumberState::ALL.len()];
        numbers[state as usize] = 2;
        let is_valid = state == NumberState::Valid;
        let summary = ResourceSummary {
            numbers,
            ready: if is_valid { ConditionStatus::True } else { ConditionStatus::False },
            reason: if is_valid { "AllNumbersValid" } else { "TokenRefused" },
            last_check: is_valid.then_some(last_check),
            next_check: Some(3600),
            key_since: is_valid.then_some(60),
            suspended_since: is_valid.then_some(last_check + 1),
            rotation: is_valid.then_some((RotationPhase::Canary, last_check + 2)),
            endpoint: None,
            token_end: None,
            refused_token: (!is_valid).then(|| Box::new(("meta-token".to_owned(), "token".to_owned()))),
        };
        (ObjectKey::new("messaging", name), summary)
    }

    /// The samples, without what describes them.
    fn samples(summary: Vec<(ObjectKey, ResourceSummary)>, per_resource: bool) -> Vec<String> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Source(Resources { summary, per_resource })));
        let mut page = String::new();
        text::encode(&mut page, &registry).unwrap();
        page.lines().filter(|line| !line.starts_with('#')).map(|line| line.replace("waflows_", "")).collect()
    }

    #[test]
    fn a_resource_has_series_of_its_own() {
        let labels = r#"namespace="messaging",name="a",resource_namespace="messaging""#;
        assert_eq!(
            samples(vec![resource("a", NumberState::Valid, 1200)], true),
            [
                format!(r#"phone_numbers{{{labels},state="Valid"}} 2"#),
                format!(r#"resource_ready{{{labels},reason="AllNumbersValid"}} 1"#),
                r#"resources{ready="True",reason="AllNumbersValid"} 1"#.to_owned(),
                format!("resource_last_check_timestamp_seconds{{{labels}}} 1200"),
                format!("resource_next_check_timestamp_seconds{{{labels}}} 3600"),
                format!("resource_key_timestamp_seconds{{{labels}}} 60"),
                format!("resource_suspended_timestamp_seconds{{{labels}}} 1201"),
                format!(r#"resource_rotation_phase_start_timestamp_seconds{{{labels},phase="Canary"}} 1202"#),
                "tokens_refused 0".to_owned(),
            ]
        );
    }

    #[test]
    fn no_valid_number_is_told_as_well() {
        let labels = r#"namespace="messaging",name="a",resource_namespace="messaging""#;
        let samples = samples(vec![resource("a", NumberState::Pending, 0)], true);
        assert_eq!(samples[1], format!(r#"phone_numbers{{{labels},state="Valid"}} 0"#));
        assert_eq!(samples[2], format!(r#"resource_ready{{{labels},reason="TokenRefused"}} 0"#));
    }

    #[test]
    fn a_refused_token_is_told_of_by_its_secret() {
        let refused = |name| resource(name, NumberState::Foreign, 0);
        let samples = samples(vec![refused("a"), refused("b"), resource("c", NumberState::Valid, 0)], true);
        let told: Vec<_> = samples.iter().filter(|sample| sample.contains("refused_resources")).collect();
        let labels = r#"namespace="messaging",resource_namespace="messaging",secret="meta-token""#;
        assert_eq!(told, [&format!("refused_resources{{{labels}}} 2")]);
    }

    #[test]
    fn without_series_of_resources_there_are_sums_and_the_earliest_times() {
        let resources = vec![
            resource("a", NumberState::Valid, 1200),
            resource("b", NumberState::Valid, 600),
            resource("c", NumberState::Foreign, 0),
            // With the same token.
            resource("d", NumberState::Foreign, 0),
        ];
        assert_eq!(
            samples(resources, false),
            [
                r#"phone_numbers{state="Valid"} 4"#,
                r#"phone_numbers{state="Foreign"} 4"#,
                r#"resources{ready="True",reason="AllNumbersValid"} 2"#,
                r#"resources{ready="False",reason="TokenRefused"} 2"#,
                "resource_last_check_timestamp_seconds 600",
                "resource_next_check_timestamp_seconds 3600",
                "resource_key_timestamp_seconds 60",
                "resource_suspended_timestamp_seconds 601",
                r#"resource_rotation_phase_start_timestamp_seconds{phase="Canary"} 602"#,
                "tokens_refused 1",
            ]
        );
    }
}
