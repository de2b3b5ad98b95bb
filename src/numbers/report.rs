//! The report of `numbers`, as a table, JSON or a manifest. docs/meta-setup.md describes the three.

use std::fmt::Write as _;

use serde::Serialize;
use waflows_core::api::text::truncate;
use waflows_core::discovery::listing::ListedNumber;
use waflows_core::meta::{GraphError, ReportedKey};

use crate::cli::NumbersFormat;
use crate::command_output::{ACTION_NEEDED, CommandOutput, NO_VERDICT};
use crate::table::aligned;

/// Longest text of Meta's in a cell or a comment, in bytes.
const MAX_CELL: usize = 64;

/// The numbers of one account.
pub(super) struct Report {
    pub(super) business_account_id: String,
    pub(super) numbers: Vec<NumberReport>,
}

/// One number.
pub(super) struct NumberReport {
    pub(super) number: ListedNumber,
    /// What the number holds. None for a number that is not connected.
    pub(super) held: Option<Held>,
}

/// What a number holds.
pub(super) enum Held {
    Known { key: Option<ReportedKey>, signature_status: Option<String> },
    Unknown(GraphError),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    business_account_id: &'a str,
    phone_numbers: Vec<NumberSummary<'a>>,
}

/// Empty fields are left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NumberSummary<'a> {
    phone_number_id: &'a str,
    connected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_phone_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_platform: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature_status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Report {
    /// The text, and the exit code: 1 if Meta refuses some number, 2 if some number could not be read. A manifest needs no
    /// read.
    pub(super) fn output(&self, format: NumbersFormat) -> Result<CommandOutput, serde_json::Error> {
        let text = match format {
            NumbersFormat::Table => self.table(),
            NumbersFormat::Json => serde_json::to_string_pretty(&self.summary())? + "\n",
            NumbersFormat::Manifest => self.manifest(),
        };
        let unread = self.numbers.iter().filter(|_| format != NumbersFormat::Manifest);
        let exit_code = unread.filter_map(NumberReport::problem).min().unwrap_or_default();
        Ok(CommandOutput { text, exit_code })
    }

    fn table(&self) -> String {
        if self.numbers.is_empty() {
            return format!("WhatsApp Business Account {} has no phone numbers.\n", self.business_account_id);
        }
        let header = ["PHONE NUMBER ID", "NUMBER", "NAME", "CONNECTED", "KEY", "FINGERPRINT"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(header).chain(self.numbers.iter().map(NumberReport::row)).collect();
        aligned(&rows).join("\n") + "\n"
    }

    fn summary(&self) -> Summary<'_> {
        let phone_numbers = self.numbers.iter().map(NumberReport::summary).collect();
        Summary { business_account_id: &self.business_account_id, phone_numbers }
    }

    /// A resource that covers the account. The comments name the numbers that the account has now.
    fn manifest(&self) -> String {
        let mut text = format!(
            "# The key goes to every connected number of the account, and to those that are added later. A valid key of\n\
             # somebody else stays, unless adopt is All.\n\
             apiVersion: waflows.dev/v1alpha1\n\
             kind: FlowsEncryptionKey\n\
             metadata:\n\
             \x20 name: account-{id}\n\
             spec:\n\
             \x20 privateKeySecretRef:\n\
             \x20   name: flows-key\n\
             \x20   key: private.pem\n\
             \x20 accessTokenSecretRef:\n\
             \x20   name: meta-token\n\
             \x20   key: token\n\
             \x20 businessAccounts:\n\
             \x20   - id: \"{id}\"\n",
            id = self.business_account_id
        );
        for number in &self.numbers {
            let [id, display, name, connected, key, _] = number.row();
            // A write to a String cannot fail.
            let _ = writeln!(text, "      # \"{id}\"  {display}, {name}, {connected}, {key}");
        }
        text
    }
}

impl NumberReport {
    /// The exit code, if the number could not be read.
    fn problem(&self) -> Option<u8> {
        let Some(Held::Unknown(error)) = &self.held else { return None };
        let needs_person = error.class.refuses_number() || error.class.refuses_credentials();
        Some(if needs_person { ACTION_NEEDED } else { NO_VERDICT })
    }

    fn row(&self) -> [String; 6] {
        let cell = |text: &Option<String>| truncate(text.as_deref().unwrap_or("-"), MAX_CELL);
        let connected = match (&self.held, &self.number.status) {
            (Some(_), _) => "yes".to_owned(),
            (None, Some(status)) => format!("no ({})", truncate(status, MAX_CELL)),
            (None, None) => "no".to_owned(),
        };
        let (key, fingerprint) = match &self.held {
            None => ("-".to_owned(), "-".to_owned()),
            Some(Held::Unknown(error)) => (truncate(&format!("unknown: {error}"), 2 * MAX_CELL), "-".to_owned()),
            Some(Held::Known { key: None, signature_status: None }) => ("none".to_owned(), "-".to_owned()),
            Some(Held::Known { key, signature_status }) => {
                (cell(signature_status), key.map_or_else(|| "-".to_owned(), ReportedKey::text))
            }
        };
        let ListedNumber { id, display_phone_number, verified_name, .. } = &self.number;
        [truncate(id, MAX_CELL), cell(display_phone_number), cell(verified_name), connected, key, fingerprint]
    }

    fn summary(&self) -> NumberSummary<'_> {
        let (key, signature_status, error) = match &self.held {
            Some(Held::Known { key, signature_status }) => (*key, signature_status.as_deref(), None),
            Some(Held::Unknown(error)) => (None, None, Some(error.to_string())),
            None => (None, None, None),
        };
        NumberSummary {
            phone_number_id: &self.number.id,
            connected: self.held.is_some(),
            display_phone_number: self.number.display_phone_number.as_deref(),
            verified_name: self.number.verified_name.as_deref(),
            status: self.number.status.as_deref(),
            host_platform: self.number.host_platform.as_deref(),
            signature_status,
            key_fingerprint: key.map(ReportedKey::text),
            error,
        }
    }
}
