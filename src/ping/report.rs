//! The report of `ping`, printed as text or as JSON. docs/endpoint.md describes both.

use std::fmt::Write as _;

use serde::Serialize;
use waflows_core::endpoint::{ProbeOutcome, ProbeSeverity};

use crate::cli::OutputFormat;
use crate::command_output::CommandOutput;
use crate::endpoint::client::Reply;
use crate::endpoint::explanation::{Explanation, Question};

/// The results of all targets.
pub(super) struct Report {
    question: Question,
    answers: Vec<(String, Reply, Explanation)>,
    /// The worst outcome.
    outcome: ProbeOutcome,
}

/// The report in JSON. Empty fields are left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    targets: Vec<TargetSummary<'a>>,
    outcome: ProbeOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key_fingerprint: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TargetSummary<'a> {
    target: &'a str,
    outcome: ProbeOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    milliseconds: u128,
    message: String,
}

impl Report {
    pub(super) fn new(question: Question, replies: Vec<(String, Reply)>) -> Self {
        let outcomes = replies.iter().map(|(_, reply)| reply.finding.outcome);
        // The command line requires a target.
        let outcome = ProbeOutcome::worst(outcomes, question.expected()).unwrap_or(ProbeOutcome::Unreachable);
        let explained = |(target, reply): (String, Reply)| {
            let explanation = Explanation::of(&question, &reply.finding, reply.obstacle);
            (target, reply, explanation)
        };
        Self { question, answers: replies.into_iter().map(explained).collect(), outcome }
    }

    /// The text or JSON, and the exit code.
    ///
    /// # Errors
    /// Never in practice: the JSON has only strings and numbers.
    pub(super) fn output(&self, format: OutputFormat) -> Result<CommandOutput, serde_json::Error> {
        let text = match format {
            OutputFormat::Table => self.text(),
            OutputFormat::Json => serde_json::to_string_pretty(&self.summary())? + "\n",
        };
        let exit_code = match self.outcome.severity(self.question.expected()) {
            ProbeSeverity::AsExpected => 0,
            ProbeSeverity::ActionNeeded => 1,
            ProbeSeverity::NoAnswer => 2,
        };
        Ok(CommandOutput { text, exit_code })
    }

    fn text(&self) -> String {
        let key = self.question.key.map_or_else(|| "a key that nobody has".to_owned(), |key| key.to_string());
        let mut text = format!("key      {key}\n");
        for (target, reply, Explanation { found, meaning, remedy }) in &self.answers {
            let status = reply.finding.http_status.map(|status| format!("HTTP {status}, ")).unwrap_or_default();
            let (outcome, took) = (reply.finding.outcome.as_str(), reply.took.as_millis());
            // A write to a String cannot fail.
            let _ = write!(
                text,
                "\ntarget   {target}\noutcome  {outcome} ({status}{took} ms)\nfound    {found}\nmeans    {meaning}\nto do    {remedy}\n"
            );
        }
        text
    }

    fn summary(&self) -> Summary<'_> {
        let targets = self.answers.iter().map(|(target, reply, explanation)| TargetSummary {
            target,
            outcome: reply.finding.outcome,
            http_status: reply.finding.http_status,
            milliseconds: reply.took.as_millis(),
            message: explanation.text(),
        });
        Summary {
            targets: targets.collect(),
            outcome: self.outcome,
            public_key_fingerprint: self.question.key.map(|key| key.to_string()),
        }
    }
}
