//! The resources as a table, as JSON, as YAML or as names.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use waflows_core::api::crd::RotationStatus;
use waflows_core::api::text::utc;

use super::error::VerbError;
use super::operator::OperatorReport;
use super::paint::Paint;
use super::resource::{Number, NumbersText, Resource};
use crate::cli::{ListFormat, LookArgs};
use crate::table::{age, aligned, line, widths, wrapped};

/// Numbers that are shown below a resource if several resources are shown.
const MAX_SHOWN: usize = 10;
/// Characters of a short fingerprint: `sha256:` and twelve hex digits.
const SHORT_FINGERPRINT: usize = 19;

/// How the resources look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) format: ListFormat,
    has_headers: bool,
    paint: Paint,
    /// Whether there is a column for the namespace.
    has_namespaces: bool,
    /// Whether all numbers that need a person are shown, however many.
    is_unabridged: bool,
    /// Whether every number has a line, also those that need nobody.
    has_numbers: bool,
}

impl Look {
    pub(super) fn of(args: &LookArgs, has_namespaces: bool, is_unabridged: bool) -> Self {
        let (has_headers, paint) = (!args.no_headers, Paint::of(args.color));
        Self { format: args.output, has_headers, paint, has_namespaces, is_unabridged, has_numbers: false }
    }

    /// The same with a line for every number.
    pub(super) fn with_numbers(self, has_numbers: bool) -> Self {
        Self { has_numbers, ..self }
    }

    /// Whether the list of all numbers is shown.
    pub(super) fn needs_numbers(self) -> bool {
        self.has_numbers || !self.is_table()
    }

    /// Whether the output is for people.
    pub(super) fn is_table(self) -> bool {
        matches!(self.format, ListFormat::Table | ListFormat::Wide)
    }

    /// The resources in the format.
    ///
    /// # Errors
    /// Never in practice: the values are plain.
    pub(super) fn render(
        self,
        resources: &[Resource],
        operators: &[OperatorReport],
        now: Timestamp,
    ) -> Result<String, VerbError> {
        Ok(match self.format {
            ListFormat::Table | ListFormat::Wide => {
                let table = Table::of(self, resources, now);
                let operators = operators.iter().flat_map(|operator| wrapped(&operator.sentence(now), 0));
                let operators: Vec<_> = operators.collect();
                let gap = if operators.is_empty() { "" } else { "\n" };
                table.head() + &table.rows(resources, now) + gap + &lines(operators)
            }
            ListFormat::Json => serde_json::to_string_pretty(&List::of(resources, operators))? + "\n",
            ListFormat::Yaml => serde_saphyr::to_string(&List::of(resources, operators))?,
            ListFormat::Name => lines(resources.iter().map(|resource| name(&resource.key.name)).collect()),
        })
    }

    /// The line in the one colour, if it is about something that needs a person.
    pub(super) fn painted(self, line: String, needs_person: bool) -> String {
        self.paint.line(line, needs_person)
    }
}

/// The name as kubectl prints and takes it.
pub(super) fn name(name: &str) -> String {
    format!("flowsencryptionkey.waflows.dev/{name}")
}

/// A table whose columns keep their widths while rows are added.
pub(super) struct Table {
    look: Look,
    widths: Vec<usize>,
}

impl Table {
    pub(super) fn of(look: Look, resources: &[Resource], now: Timestamp) -> Self {
        let rows: Vec<_> = std::iter::once(look.header()).chain(resources.iter().map(|it| look.row(it, now))).collect();
        Self { look, widths: widths(&rows) }
    }

    /// The names of the columns.
    pub(super) fn head(&self) -> String {
        if self.look.has_headers { line(&self.look.header(), &self.widths) + "\n" } else { String::new() }
    }

    /// The resources, each with what needs a person below it.
    pub(super) fn rows(&self, resources: &[Resource], now: Timestamp) -> String {
        let rows = resources.iter().flat_map(|resource| {
            let row = line(&self.look.row(resource, now), &self.widths);
            std::iter::once(self.look.painted(row, resource.needs_person())).chain(self.look.details(resource, now))
        });
        lines(rows.collect())
    }
}

impl Look {
    fn header(self) -> Vec<String> {
        let wide = ["KEY", "ENDPOINT", "MODE", "SUSPENDED", "AGE"];
        let namespace = self.has_namespaces.then_some("NAMESPACE");
        let wide = wide.into_iter().filter(|_| self.format == ListFormat::Wide);
        let usual = ["NAME", "READY", "VALID", "REASON", "CHECKED"];
        namespace.into_iter().chain(usual).chain(wide).map(str::to_owned).collect()
    }

    fn row(self, resource: &Resource, now: Timestamp) -> Vec<String> {
        let since = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| age(time, now));
        let usual = [
            resource.key.name.to_string(),
            resource.ready.clone(),
            or_dash(&resource.valid),
            or_dash(&resource.reason),
            since(resource.last_check),
        ];
        let key = resource.short_fingerprint.trim_start_matches("sha256:");
        let wide = [
            or_dash(key),
            or_dash(&resource.endpoint),
            or_dash(&resource.mode),
            resource.is_suspended.to_string(),
            since(resource.created),
        ];
        let wide = wide.into_iter().filter(|_| self.format == ListFormat::Wide);
        let namespace = self.has_namespaces.then(|| resource.key.namespace.to_string());
        namespace.into_iter().chain(usual).chain(wide).collect()
    }

    /// What to know and do: below the row of the resource.
    fn details(self, resource: &Resource, now: Timestamp) -> Vec<String> {
        let mut lines = Vec::new();
        // Usually the message of the resource repeats what is said of its numbers.
        let is_said = resource.needy.iter().any(|number| resource.message.contains(without_trace(&number.message)));
        if !resource.is_ready() && !is_said {
            lines.extend(wrapped(&resource.message, 2));
        }
        let endpoint = resource.endpoint_fault.iter().map(|said| ("Endpoint", said, resource.is_unavailable));
        for (what, said, needs_person) in
            endpoint.chain(resource.token_warning.iter().map(|said| ("Token", said, false)))
        {
            let text = wrapped(&format!("{what}: {said}"), 2);
            lines.extend(text.into_iter().map(|line| self.painted(line, needs_person)));
        }
        if resource.is_suspended {
            lines.push(format!(
                "  Suspended: nobody looks at its numbers. Next: waflows-operator resume {}",
                resource.key.name
            ));
        }
        if let Some(rotation) = resource.rotation.as_ref().filter(|rotation| !rotation.phase.is_over()) {
            lines.extend(wrapped(&rotation_text(rotation), 2));
        }
        if self.has_numbers {
            lines.extend(aligned(&number_rows(&resource.numbers.parsed(), now)));
        }
        let shown = if self.is_unabridged { usize::MAX } else { MAX_SHOWN };
        let mut before = None;
        for number in resource.needy.iter().take(shown) {
            let text = wrapped(&number_text(number, before), 4);
            lines.extend(text.into_iter().map(|line| self.painted(line, true)));
            before = Some(number);
        }
        match resource.needy.len().saturating_sub(shown) {
            0 => {}
            more => lines.push(format!("    and {more} more: waflows-operator status {}", resource.key.name)),
        }
        lines
    }
}

/// How far a rotation is.
fn rotation_text(rotation: &RotationStatus) -> String {
    let [from, to] = [&rotation.from, &rotation.to].map(|key| key.get(..SHORT_FINGERPRINT).unwrap_or(key));
    let until = rotation.until.as_ref().map(|until| format!(", until {}", utc(until.0))).unwrap_or_default();
    format!("Rotation: {}, from {from} to {to}{until}", rotation.phase.as_str())
}

/// What to do for a number. A text that stands above already is not repeated.
fn number_text(number: &Number, before: Option<&Number>) -> String {
    let stem = without_trace(&number.message);
    if !stem.is_empty() && before.is_some_and(|before| without_trace(&before.message) == stem) {
        let trace = number.message.get(stem.len()..).filter(|trace| !trace.is_empty());
        return format!("{} {}: as above{}", number.id, number.state.as_str(), trace.unwrap_or("."));
    }
    let trace = number.trace.as_ref().map(|trace| format!(" Meta's trace id: {trace}")).unwrap_or_default();
    format!("{} {}: {}{trace}", number.id, number.state.as_str(), number.message)
}

/// One row for each number: ID, state, key, and the last upload.
fn number_rows(numbers: &Value, now: Timestamp) -> Vec<[String; 4]> {
    let row = |number: &Value| {
        let text = |field: &str| number[field].as_str().unwrap_or_default();
        let key: String = text("keyFingerprint").chars().take(SHORT_FINGERPRINT).collect();
        let uploaded = text("lastUploadTime").parse::<Timestamp>().ok();
        let uploaded = uploaded.map_or("never uploaded".to_owned(), |time| format!("uploaded {} ago", age(time, now)));
        [format!("    {}", text("phoneNumberId")), text("state").to_owned(), or_dash(&key), uploaded]
    };
    numbers.as_array().into_iter().flatten().map(row).collect()
}

/// The message up to Meta's trace, which differs from number to number.
fn without_trace(message: &str) -> &str {
    message.split(", trace ").next().unwrap_or_default()
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

fn lines(lines: Vec<String>) -> String {
    lines.into_iter().map(|line| line + "\n").collect()
}

/// The JSON output. docs/cli.md describes it.
#[derive(Serialize)]
struct List<'a> {
    resources: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    operators: &'a [OperatorReport],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    namespace: &'a str,
    name: &'a str,
    ready: &'a str,
    reason: &'a str,
    message: &'a str,
    suspended: bool,
    valid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint_fault: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_warning: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation: Option<&'a RotationStatus>,
    phone_numbers: &'a NumbersText,
}

impl<'a> List<'a> {
    fn of(resources: &'a [Resource], operators: &'a [OperatorReport]) -> Self {
        let entry = |resource: &'a Resource| Entry {
            namespace: &resource.key.namespace,
            name: &resource.key.name,
            ready: &resource.ready,
            reason: &resource.reason,
            message: &resource.message,
            suspended: resource.is_suspended,
            valid: &resource.valid,
            endpoint_fault: resource.endpoint_fault.as_deref(),
            token_warning: resource.token_warning.as_deref(),
            rotation: resource.rotation.as_ref(),
            phone_numbers: &resource.numbers,
        };
        Self { resources: resources.iter().map(entry).collect(), operators }
    }
}
