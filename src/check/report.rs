//! The report of `check`, printed as a table or as JSON. docs/check.md describes both.

use serde::Serialize;
use waflows_core::api::crd::{AccountState, FlowsEncryptionKey, NumberError, NumberState};
use waflows_core::api::members;
use waflows_core::store::object_key::ObjectKey;

/// The reason for resources that the operator does not select. Not a condition reason: the status of such a resource
/// stays empty.
const NOT_SELECTED: &str = "NotSelected";

/// The verdict, ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub enum Outcome {
    /// Nothing is wrong, or the operator will correct it.
    #[default]
    Fine,
    /// No verdict.
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

/// The action that the operator would take for a number now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Action {
    /// Upload the key.
    Upload,
    /// Upload the key after a backoff.
    UploadLater,
    /// No upload.
    None,
}

/// The whole report.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The worst of all outcomes.
    pub outcome: Outcome,
    /// The resources that could be parsed, in the order of the input.
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
    /// The worst outcome of the resource's numbers and accounts.
    pub outcome: Outcome,
    /// Fingerprint of the key that the numbers must hold. Absent if the key could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key_fingerprint: Option<String>,
    /// Every WhatsApp Business Account, in the order of the spec. Absent if the resource has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub business_accounts: Vec<AccountReport>,
    /// Every number: the listed ones in the order of the spec, then those that were found in an account.
    pub phone_numbers: Vec<NumberReport>,
}

/// One WhatsApp Business Account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountReport {
    /// The ID of the account.
    pub id: String,
    /// The state that the status would show now.
    pub state: AccountState,
    /// A reason of docs/conditions.md. Absent if nothing is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The verdict about the account.
    pub outcome: Outcome,
    /// What to know or do. Absent if empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// One phone number.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NumberReport {
    /// The phone number ID.
    pub phone_number_id: String,
    /// The state that the status would show now.
    pub state: NumberState,
    /// The operator's action now.
    pub action: Action,
    /// A reason of docs/conditions.md, or `NotSelected`: the reason for the action. Absent if nothing is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The verdict about the number.
    pub outcome: Outcome,
    /// What to know or do. Absent if empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The signature status in Meta's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_status: Option<String>,
    /// Fingerprint of the key that Meta reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_fingerprint: Option<String>,
    /// The failed call to Meta, as in the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<NumberError>,
}

/// An error in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// File and document.
    pub origin: String,
    /// `metadata.namespace`, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `metadata.name`, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The field. Absent if the error is about the whole object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl ResourceReport {
    /// The report of a resource that the operator does not select.
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
            business_accounts: Vec::new(),
            phone_numbers: members::phone_number_ids(resource).into_iter().map(number).collect(),
        }
    }
}

impl Problem {
    /// A problem of a whole file.
    pub(super) fn of_file(origin: String, path: &str, message: &str) -> Self {
        Self { origin, namespace: None, name: None, path: path.to_owned(), message: message.to_owned() }
    }

    /// A problem of a field of a resource.
    pub(super) fn of_resource(key: &ObjectKey, origin: String, path: &str, message: String) -> Self {
        let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Self { origin, namespace: known(&key.namespace), name: known(&key.name), path: path.to_owned(), message }
    }
}

impl Report {
    /// Creates the report from these findings.
    pub(super) fn new(resources: Vec<ResourceReport>, problems: Vec<Problem>) -> Self {
        let of_problems = if problems.is_empty() { Outcome::Fine } else { Outcome::ActionNeeded };
        let outcome = resources.iter().map(|resource| resource.outcome).fold(of_problems, Outcome::max);
        Self { outcome, resources, problems }
    }

    /// The exit code that tells uploads from "nothing to do".
    #[must_use]
    pub fn detailed_exit_code(&self) -> u8 {
        let mut numbers = self.resources.iter().flat_map(|resource| &resource.phone_numbers);
        let uploads = numbers.any(|number| number.action != Action::None);
        match self.outcome {
            Outcome::ActionNeeded => 1,
            Outcome::Unknown => 3,
            Outcome::Fine if uploads => 2,
            Outcome::Fine => 0,
        }
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
            business_accounts: Vec::new(),
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

        let upload = || number(NumberState::Missing, Action::Upload, Some("KeyMissing"), Outcome::Fine);
        let detailed = |numbers| report(numbers, vec![]).detailed_exit_code();
        assert_eq!([detailed(vec![fine()]), detailed(vec![fine(), upload()])], [0, 2]);
        assert_eq!([detailed(vec![upload(), unknown()]), detailed(vec![bad(), unknown()])], [3, 1]);
    }
}
