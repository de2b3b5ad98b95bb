//! What was measured, as a table and as JSON.

use std::fmt::Debug;
use std::time::Duration;

use serde::Serialize;

/// A measured value.
#[derive(Debug, Serialize)]
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    /// The bound of the design. The report shows it and does not assert it, because a busy machine may miss it.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_most: Option<f64>,
}

/// Something that must hold on any machine, however slow.
#[derive(Debug, Serialize)]
struct Check {
    what: String,
    expected: String,
    found: String,
    holds: bool,
}

/// The outcome of one scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    name: &'static str,
    title: &'static str,
    /// At the end, the scenario's own processes included.
    pub(crate) load_average: f64,
    figures: Vec<Figure>,
    checks: Vec<Check>,
}

impl Report {
    pub(crate) fn new(name: &'static str, title: &'static str) -> Self {
        Self { name, title, load_average: 0.0, figures: Vec::new(), checks: Vec::new() }
    }

    /// Notes a value, rounded to three decimals.
    pub(crate) fn figure(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.push(name.into(), value, unit, None);
    }

    /// Notes a value that the design sets a limit.
    pub(crate) fn figure_at_most(&mut self, name: impl Into<String>, value: f64, unit: &'static str, at_most: f64) {
        self.push(name.into(), value, unit, Some(at_most));
    }

    /// Notes a time in seconds.
    pub(crate) fn seconds(&mut self, name: impl Into<String>, time: Duration) {
        self.figure(name, time.as_secs_f64(), "s");
    }

    fn push(&mut self, name: String, value: f64, unit: &'static str, at_most: Option<f64>) {
        let value = (value * 1000.0).round() / 1000.0;
        self.figures.push(Figure { name, value, unit, at_most });
    }

    /// Notes what must be so.
    pub(crate) fn check<T: PartialEq + Debug>(&mut self, what: impl Into<String>, expected: T, found: T) {
        let holds = expected == found;
        let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
        self.checks.push(Check { what: what.into(), expected, found, holds });
    }

    /// Whether all holds that must.
    pub(crate) fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.holds)
    }

    /// Prints the table.
    pub(crate) fn print(&self) {
        println!("\n{}: {} (load average {})", self.name, self.title, self.load_average);
        for Figure { name, value, unit, at_most } in &self.figures {
            let verdict = at_most.map(|limit| {
                let verdict = if *value <= limit { "ok" } else { "over" };
                format!("at most {}: {verdict}", Trimmed(limit))
            });
            println!("  {name:<56} {:>12} {unit:<6} {}", Trimmed(*value).to_string(), verdict.unwrap_or_default());
        }
        for Check { what, expected, found, holds } in &self.checks {
            let verdict = if *holds { "holds".to_owned() } else { format!("FAILS: expected {expected}") };
            println!("  {what:<56} {found:>12}        {verdict}");
        }
    }
}

/// A number with no more decimals than it needs, three at most.
struct Trimmed(f64);

impl std::fmt::Display for Trimmed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{:.3}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}
