//! Prints a report as a table. Several numbers of a resource with the same result share a row.

use super::report::{AccountReport, Action, NumberReport, Outcome, Problem, Report, ResourceReport};
use crate::table::aligned;

/// Number of phone number IDs that a row names.
const MAX_NAMED: usize = 3;

/// The table, followed by a summary line.
pub(super) fn table(report: &Report) -> String {
    let header = ["NAMESPACE/NAME", "NUMBER", "STATE", "ACTION", "MESSAGE"].map(str::to_owned);
    let numbers = report.resources.iter().flat_map(resource_rows);
    let rows: Vec<_> = std::iter::once(header).chain(report.problems.iter().map(problem_row)).chain(numbers).collect();
    format!("{}\n\n{}\n", aligned(&rows).join("\n"), summary(report))
}

/// One row for each different result, in the order of the first number with this result.
fn resource_rows(resource: &ResourceReport) -> Vec<[String; 5]> {
    let mut groups: Vec<Vec<&NumberReport>> = Vec::new();
    for number in &resource.phone_numbers {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| is_same(first, number))) {
            Some(group) => group.push(number),
            None => groups.push(vec![number]),
        }
    }
    let accounts = resource.business_accounts.iter().filter(|account| account.reason.is_some());
    let numbers = groups.iter().filter_map(|group| row(resource, group));
    accounts.map(|account| account_row(resource, account)).chain(numbers).collect()
}

/// An account about which there is something to say.
fn account_row(resource: &ResourceReport, account: &AccountReport) -> [String; 5] {
    let name = format!("{}/{}", resource.namespace, resource.name);
    let action = format!("none: {}", account.reason.unwrap_or_default());
    [name, format!("account {}", account.id), format!("{:?}", account.state), action, account.message.clone()]
}

/// Whether both numbers have the same result and can share a row.
fn is_same(one: &NumberReport, other: &NumberReport) -> bool {
    let said = |number: &NumberReport| (number.state, number.action, number.reason);
    said(one) == said(other) && one.message == other.message
}

fn row(resource: &ResourceReport, group: &[&NumberReport]) -> Option<[String; 5]> {
    let first = group.first()?;
    let (number, message) = match group.len() {
        1 => (first.phone_number_id.clone(), first.message.clone()),
        count => (format!("{count} numbers"), [named(group), first.message.clone()].join(": ")),
    };
    let action = match (first.action, first.reason) {
        (Action::Upload, reason) => format!("upload: {}", reason.unwrap_or_default()),
        (Action::UploadLater, reason) => format!("upload later: {}", reason.unwrap_or_default()),
        (Action::None, Some(reason)) => format!("none: {reason}"),
        (Action::None, None) => "none".to_owned(),
    };
    let message = message.trim_end_matches(": ").to_owned();
    Some([format!("{}/{}", resource.namespace, resource.name), number, format!("{:?}", first.state), action, message])
}

/// The IDs of a row, shortened after [`MAX_NAMED`].
fn named(group: &[&NumberReport]) -> String {
    let ids: Vec<_> = group.iter().take(MAX_NAMED).map(|number| number.phone_number_id.as_str()).collect();
    let more = match group.len() - ids.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    ids.join(", ") + &more
}

fn problem_row(problem: &Problem) -> [String; 5] {
    let name = match (&problem.namespace, &problem.name) {
        (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
        _ => "-".to_owned(),
    };
    let path = if problem.path.is_empty() { String::new() } else { format!("{} ", problem.path) };
    let message = format!("{}: {path}{}", problem.origin, problem.message);
    [name, "-".to_owned(), "-".to_owned(), "none: Invalid".to_owned(), message]
}

/// The summary line: `2 resources, 501 numbers: 1 fine, 500 need a person.`
fn summary(report: &Report) -> String {
    let numbers: Vec<_> = report.resources.iter().flat_map(|resource| &resource.phone_numbers).collect();
    let count = |is_counted: &dyn Fn(&NumberReport) -> bool| numbers.iter().filter(|number| is_counted(number)).count();
    let is_upload = |number: &NumberReport| number.outcome == Outcome::Fine && number.action != Action::None;
    let needy = count(&|number| number.outcome == Outcome::ActionNeeded);
    let parts = [
        (count(&|number| number.outcome == Outcome::Fine && !is_upload(number)), "fine"),
        (count(&is_upload), "to be uploaded"),
        (count(&|number| number.outcome == Outcome::Unknown), "unknown"),
        (needy, if needy == 1 { "needs a person" } else { "need a person" }),
    ];
    let parts: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let of_numbers = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    let problems = match report.problems.len() {
        0 => String::new(),
        count => format!("; {} in the manifests", counted(count, "fault")),
    };
    let (resources, numbers) = (counted(report.resources.len(), "resource"), counted(numbers.len(), "number"));
    format!("{resources}, {numbers}{of_numbers}{problems}.")
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use waflows_core::api::crd::NumberState;

    use super::*;
    use crate::check::report::tests::report;

    fn number(id: u64, state: NumberState, action: Action, outcome: Outcome, message: &str) -> NumberReport {
        let reason = match (action, outcome) {
            (Action::None, Outcome::Fine) => None,
            (Action::None, _) => Some("SecretNotFound"),
            (Action::Upload | Action::UploadLater, _) => Some("KeyMissing"),
        };
        NumberReport {
            phone_number_id: id.to_string(),
            state,
            action,
            reason,
            outcome,
            message: message.to_owned(),
            signature_status: None,
            key_fingerprint: None,
            error: None,
        }
    }

    fn valid(id: u64) -> NumberReport {
        number(id, NumberState::Valid, Action::None, Outcome::Fine, "")
    }

    fn missing(id: u64) -> NumberReport {
        number(id, NumberState::Missing, Action::Upload, Outcome::Fine, "The number holds no key.")
    }

    fn table_of(numbers: Vec<NumberReport>, problems: Vec<Problem>) -> String {
        table(&report(numbers, problems))
    }

    #[test]
    fn each_problem_and_each_finding_has_a_row() {
        let problem = Problem {
            origin: "b.yaml, document 2".into(),
            namespace: None,
            name: None,
            path: "spec.mode".into(),
            message: "must be one of Enforce, Observe".into(),
        };
        assert_eq!(
            table_of(vec![valid(1), missing(2), valid(3)], vec![problem]),
            "\
NAMESPACE/NAME        NUMBER     STATE    ACTION              MESSAGE
-                     -          -        none: Invalid       b.yaml, document 2: spec.mode must be one of Enforce, Observe
messaging/storefront  2 numbers  Valid    none                1, 3
messaging/storefront  2          Missing  upload: KeyMissing  The number holds no key.

1 resource, 3 numbers: 2 fine, 1 to be uploaded; 1 fault in the manifests.
"
        );
    }

    #[test]
    fn one_fault_of_five_hundred_numbers_is_one_row() {
        let faulty = |id| number(id, NumberState::Pending, Action::None, Outcome::ActionNeeded, "There is no Secret.");
        assert_eq!(
            table_of((1..=500).map(faulty).collect(), vec![]),
            "\
NAMESPACE/NAME        NUMBER       STATE    ACTION                MESSAGE
messaging/storefront  500 numbers  Pending  none: SecretNotFound  1, 2, 3 and 497 more: There is no Secret.

1 resource, 500 numbers: 500 need a person.
"
        );
    }

    #[test]
    fn the_last_line_counts_what_is_to_be_done() {
        let last = |numbers| table_of(numbers, vec![]).lines().last().map(str::to_owned).unwrap();
        let unknown = number(9, NumberState::Pending, Action::None, Outcome::Unknown, "Meta does not answer.");
        let needy = number(8, NumberState::Refused, Action::None, Outcome::ActionNeeded, "Correct the ID.");
        assert_eq!(last(vec![valid(1)]), "1 resource, 1 number: 1 fine.");
        assert_eq!(
            last(vec![valid(1), unknown, needy, missing(2), missing(3)]),
            "1 resource, 5 numbers: 1 fine, 2 to be uploaded, 1 unknown, 1 needs a person."
        );
        assert!(table(&Report::default()).ends_with("\n0 resources, 0 numbers.\n"));
    }
}
