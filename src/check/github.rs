//! Prints a report as annotations of GitHub Actions: what needs a person is an error, what remains unknown a warning,
//! an upload a notice. Source of the format: GitHub's "Workflow commands for GitHub Actions".

use super::report::{Action, NumberReport, Outcome, Problem, Report, ResourceReport};

/// Annotations that are printed. GitHub shows ten of each kind for a step.
const MAX_ANNOTATIONS: usize = 50;

/// One line for each finding.
pub(super) fn annotations(report: &Report) -> String {
    let of_problems = report.problems.iter().map(of_problem);
    let of_numbers = report
        .resources
        .iter()
        .flat_map(|resource| resource.phone_numbers.iter().filter_map(move |number| of_number(resource, number)));
    of_problems.chain(of_numbers).take(MAX_ANNOTATIONS).map(|line| line + "\n").collect()
}

fn of_problem(problem: &Problem) -> String {
    let title = match (&problem.namespace, &problem.name) {
        (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
        _ => "manifest".to_owned(),
    };
    let message = format!("{} {}", problem.path, problem.message);
    annotation("error", &problem.origin, &title, message.trim())
}

fn of_number(resource: &ResourceReport, number: &NumberReport) -> Option<String> {
    let kind = match number.outcome {
        Outcome::ActionNeeded => "error",
        Outcome::Unknown => "warning",
        Outcome::Fine if number.action != Action::None => "notice",
        Outcome::Fine => return None,
    };
    let title = format!("{}/{}: {}", resource.namespace, resource.name, number.phone_number_id);
    Some(annotation(kind, &resource.origin, &title, &number.message))
}

fn annotation(kind: &str, origin: &str, title: &str, message: &str) -> String {
    // The origin is a file and a document, or `cluster`.
    let file = origin.split_once(", document").map(|(file, _)| format!("file={},", property(file))).unwrap_or_default();
    format!("::{kind} {file}title={}::{}", property(title), escaped(message))
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_is_one_line_whatever_the_texts_hold() {
        let problem = Problem {
            origin: "a,b.yaml, document 2".into(),
            namespace: Some("shop".into()),
            name: Some("storefront".into()),
            path: "spec.mode".into(),
            message: "100%\nwrong".into(),
        };
        assert_eq!(of_problem(&problem), "::error file=a%2Cb.yaml,title=shop/storefront::spec.mode 100%25%0Awrong");
        let problem = Problem { origin: "cluster".into(), namespace: None, path: String::new(), ..problem };
        assert_eq!(of_problem(&problem), "::error title=manifest::100%25%0Awrong");
    }
}
