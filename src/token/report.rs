//! The report of `token`, as text or JSON. docs/meta-setup.md describes both.

use jiff::Timestamp;
use serde::Serialize;
use waflows_core::api::text::{truncate, utc};
use waflows_core::meta::GraphError;
use waflows_core::token::{MANAGEMENT, MESSAGING, TokenFacts, warned_of};

use crate::cli::OutputFormat;
use crate::command_output::{ACTION_NEEDED, CommandOutput};

const DAY: i64 = 24 * 3600;
/// Longest list of objects in the text, in bytes.
const MAX_TARGETS: usize = 200;

/// What is known of a token.
pub(super) struct Report {
    facts: TokenFacts,
    now: Timestamp,
}

/// The report in JSON. Empty fields are left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_access_expires_time: Option<String>,
    scopes: &'a [String],
    missing_scopes: Vec<&'a str>,
    message: String,
}

impl Report {
    pub(super) fn new(facts: TokenFacts, now: Timestamp) -> Self {
        Self { facts, now }
    }

    /// The text, and the exit code: 1 if a person must act.
    pub(super) fn output(&self, format: OutputFormat) -> Result<CommandOutput, serde_json::Error> {
        let text = match format {
            OutputFormat::Table => self.text(),
            OutputFormat::Json => serde_json::to_string_pretty(&self.summary())? + "\n",
        };
        Ok(CommandOutput { text, exit_code: if self.problem().is_some() { ACTION_NEEDED } else { 0 } })
    }

    /// What a person must do.
    fn problem(&self) -> Option<String> {
        let facts = &self.facts;
        if !facts.is_valid {
            let reason = facts.reason.as_deref().unwrap_or("Meta does not say why");
            return Some(format!(
                "Make a new token: Meta does not accept this one ({}).",
                reason.trim_end_matches('.')
            ));
        }
        if facts.missing([MESSAGING]).contains(&MESSAGING) {
            return Some(format!(
                "Make a token with the permission {MESSAGING}: without it no key can be read or set."
            ));
        }
        let end = facts.end().filter(|end| warned_of(*end, self.now).is_some())?;
        Some(format!("Put a new token into the Secret before {}.", utc(end)))
    }

    fn days_until(&self, end: Timestamp) -> i64 {
        end.as_second().saturating_sub(self.now.as_second()) / DAY
    }

    fn text(&self) -> String {
        let facts = &self.facts;
        let end = |end: Option<Timestamp>| {
            end.map_or_else(|| "never".to_owned(), |end| format!("{} (in {} days)", utc(end), self.days_until(end)))
        };
        let mut lines = vec![
            ("token", if facts.is_valid { "valid" } else { "not valid" }.to_owned()),
            ("app", facts.app_id.clone().unwrap_or_else(|| "unknown".to_owned())),
        ];
        if facts.is_valid {
            lines.push(("expires", end(facts.expires)));
            if facts.data_access_expires.is_some() {
                lines.push(("data", format!("access ends {}", end(facts.data_access_expires))));
            }
            let may = facts.scopes.iter().map(|scope| ("may", self.with_targets(scope)));
            lines.extend(may);
            for (scope, without) in
                [(MESSAGING, "no key can be read or set"), (MANAGEMENT, "spec.businessAccounts does not work")]
            {
                if !facts.missing([scope]).is_empty() {
                    lines.push(("lacks", format!("{scope}: {without}")));
                }
            }
        }
        lines.push(("to do", self.problem().unwrap_or_else(|| "Nothing.".to_owned())));
        lines.into_iter().map(|(name, value)| format!("{name:8} {value}\n")).collect()
    }

    /// The permission, and the objects that it is limited to.
    fn with_targets(&self, scope: &str) -> String {
        match self.facts.targets.get(scope) {
            Some(targets) => format!("{scope} (only {})", truncate(&targets.join(", "), MAX_TARGETS)),
            None => scope.to_owned(),
        }
    }

    fn summary(&self) -> Summary<'_> {
        let facts = &self.facts;
        Summary {
            valid: facts.is_valid,
            app_id: facts.app_id.as_deref(),
            expires_time: facts.expires.map(utc),
            data_access_expires_time: facts.data_access_expires.map(utc),
            scopes: &facts.scopes,
            missing_scopes: facts.missing([MESSAGING, MANAGEMENT]),
            message: self.problem().unwrap_or_default(),
        }
    }
}

/// The report about a token that Meta refuses altogether.
pub(super) fn refused(error: &GraphError, format: OutputFormat) -> Result<CommandOutput, serde_json::Error> {
    let facts = TokenFacts { reason: Some(error.message.clone()), ..TokenFacts::default() };
    Report::new(facts, Timestamp::UNIX_EPOCH).output(format)
}
