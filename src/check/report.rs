//! What `check` says, which is printed as a table or as JSON. docs/check.md describes both.

use serde::Serialize;
use waflows_core::api::crd::{FlowsEncryptionKey, NumberError, NumberState};
use waflows_core::store::object_key::ObjectKey;

use super::table::table;
use crate::cli::OutputFormat;
use crate::command_output::CommandOutput;

/// Why a resource is left alone that the operator does not work on. No reason of a condition: its status stays empty.
const NOT_SELECTED: &str = "NotSelected";

/// What a finding calls for, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub enum Outcome {
    /// All is well, or the operator makes it so.
    #[default]
    Fine,
    /// It could not be told.
    Unknown,
    /// A person must act.
    ActionNeeded,
}

impl Outcome {
    /// The exit code of the process.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::ActionNeeded => 1,
            Self::Unknown => 2,
        }
    }
}

/// What the operator would do to a number now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Action {
    /// Upload the key.
    Upload,
    /// Upload the key, but not yet.
    UploadLater,
    /// Nothing.
    None,
}

/// All that was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The worst of all outcomes.
    pub outcome: Outcome,
    /// The resources that could be read, in their order.
    pub resources: Vec<ResourceReport>,
    /// Manifests that the API server would refuse, or that contradict each other.
    pub problems: Vec<Problem>,
}

/// One resource.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceReport {
    /// `metadata.namespace`
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// File and document, or `cluster`.
    pub origin: String,
    /// The worst of its numbers' outcomes.
    pub outcome: Outcome,
    /// Of the key that the numbers must hold; absent where it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key_fingerprint: Option<String>,
    /// Every number of the spec, in its order.
    pub phone_numbers: Vec<NumberReport>,
}

/// One phone number.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NumberReport {
    /// The phone number ID.
    pub phone_number_id: String,
    /// As it would stand in the status.
    pub state: NumberState,
    /// What the operator would do now.
    pub action: Action,
    /// A reason of docs/conditions.md, or `NotSelected`: why there is an upload, or why there is none; absent where all is
    /// well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// What it calls for.
    pub outcome: Outcome,
    /// What to know or do; absent where there is nothing to say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The signature status in Meta's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_status: Option<String>,
    /// Of the key that Meta reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_fingerprint: Option<String>,
    /// The failure that stands in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<NumberError>,
}

/// A manifest that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// File and document.
    pub origin: String,
    /// `metadata.namespace`, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `metadata.name`, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The field; absent where it is the whole.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl ResourceReport {
    /// One that the operator never works on, for a reason.
    pub(super) fn unselected(resource: &FlowsEncryptionKey, origin: String, why: &str) -> Self {
        let key = ObjectKey::of(&resource.metadata);
        let number = |id: &String| NumberReport {
            phone_number_id: id.clone(),
            state: NumberState::Pending,
            action: Action::None,
            reason: Some(NOT_SELECTED),
            outcome: Outcome::ActionNeeded,
            message: why.to_owned(),
            signature_status: None,
            key_fingerprint: None,
            error: None,
        };
        Self {
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
            origin,
            outcome: Outcome::ActionNeeded,
            public_key_fingerprint: None,
            phone_numbers: resource.spec.phone_number_ids.iter().map(number).collect(),
        }
    }
}

impl Problem {
    /// With a file as a whole.
    pub(super) fn of_file(origin: String, path: &str, message: &str) -> Self {
        Self { origin, namespace: None, name: None, path: path.to_owned(), message: message.to_owned() }
    }

    /// With a field of a resource.
    pub(super) fn of_resource(key: &ObjectKey, origin: String, path: &str, message: String) -> Self {
        let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Self { origin, namespace: known(&key.namespace), name: known(&key.name), path: path.to_owned(), message }
    }
}

impl Report {
    /// A report of these findings.
    pub(super) fn new(resources: Vec<ResourceReport>, problems: Vec<Problem>) -> Self {
        let of_problems = if problems.is_empty() { Outcome::Fine } else { Outcome::ActionNeeded };
        let outcome = resources.iter().map(|resource| resource.outcome).fold(of_problems, Outcome::max);
        Self { outcome, resources, problems }
    }

    /// The report in print.
    ///
    /// # Errors
    /// Never in practice: what is written as JSON are plain strings.
    pub(super) fn printout(&self, format: OutputFormat) -> Result<CommandOutput, serde_json::Error> {
        let text = match format {
            OutputFormat::Table => table(self),
            OutputFormat::Json => serde_json::to_string_pretty(self)? + "\n",
        };
        Ok(CommandOutput { text, exit_code: self.outcome.exit_code() })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn number(state: NumberState, action: Action, reason: Option<&'static str>, outcome: Outcome) -> NumberReport {
        NumberReport {
            phone_number_id: "106540352242922".into(),
            state,
            action,
            reason,
            outcome,
            message: if reason.is_some() { "What to know.".into() } else { String::new() },
            signature_status: None,
            key_fingerprint: None,
            error: None,
        }
    }

    /// One resource with these numbers.
    pub(in crate::check) fn report(numbers: Vec<NumberReport>, problems: Vec<Problem>) -> Report {
        let resource = ResourceReport {
            namespace: "messaging".into(),
            name: "storefront".into(),
            origin: "a.yaml, document 1".into(),
            outcome: numbers.iter().map(|number| number.outcome).max().unwrap_or_default(),
            public_key_fingerprint: None,
            phone_numbers: numbers,
        };
        Report::new(vec![resource], problems)
    }

    #[test]
    fn the_worst_outcome_decides_and_a_problem_is_the_worst() {
        let fine = || number(NumberState::Valid, Action::None, None, Outcome::Fine);
        let unknown = || number(NumberState::Pending, Action::None, Some("GraphUnreachable"), Outcome::Unknown);
        let bad = || number(NumberState::Refused, Action::None, Some("NumberRefused"), Outcome::ActionNeeded);
        let code = |numbers, problems| report(numbers, problems).outcome.exit_code();
        assert_eq!(code(vec![fine()], vec![]), 0);
        assert_eq!(code(vec![fine(), unknown()], vec![]), 2);
        assert_eq!(code(vec![bad(), unknown()], vec![]), 1);
        assert_eq!(code(vec![fine()], vec![Problem::of_file("a".into(), "", "b")]), 1);
    }
}
