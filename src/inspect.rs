//! The subcommand `inspect`: shows the content of a key file, or what is wrong with the file.

use serde::Serialize;
use waflows_key::{Inspection, KeyError, PublicKey};

use crate::cli::{InspectArgs, OutputFormat};
use crate::command_output::CommandOutput;
use crate::input_file::{ReadError, is_stdin, read};

/// The reasons for which `inspect` reaches no verdict.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Both files are `-`, but there is only one standard input.
    #[error("key and passphrase cannot both come from standard input; give one of them as a file")]
    BothFromStdin,
    /// The JSON cannot be written. Never in practice.
    #[error("writing JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Inspects a file. The exit code is 1 if the operator cannot use the key.
///
/// # Errors
/// If a file cannot be read.
pub fn run(args: &InspectArgs) -> Result<CommandOutput, InspectError> {
    if is_stdin(&args.key_file) && args.passphrase_file.as_deref().is_some_and(is_stdin) {
        return Err(InspectError::BothFromStdin);
    }
    let passphrase = args.passphrase_file.as_deref().map(read).transpose()?;
    let file = read(&args.key_file)?;
    let inspection = Inspection::of(&file, passphrase.as_ref().map(|bytes| bytes.as_slice()));
    let text = match (&inspection.key, args.public_key, args.output) {
        (Ok(key), true, _) => key.pem().to_owned(),
        (_, _, OutputFormat::Table) => table(&inspection),
        (_, _, OutputFormat::Json) => serde_json::to_string_pretty(&Summary::of(&inspection))? + "\n",
    };
    if args.public_key
        && let Err(error) = &inspection.key
    {
        // Standard output must hold only a key, because it may be redirected into a file.
        eprintln!("waflows-operator: {}", problem(error));
        return Ok(CommandOutput { text: String::new(), exit_code: 1 });
    }
    Ok(CommandOutput { text, exit_code: u8::from(inspection.key.is_err()) })
}

/// Finding and remedy for a local file. Some remedies differ from the remedies for a Secret.
pub(crate) fn problem(error: &KeyError) -> String {
    match error {
        KeyError::MissingPassphrase => {
            "the private key is encrypted: give the file with its passphrase with --passphrase-file FILE".to_owned()
        }
        error => error.to_string(),
    }
}

fn table(inspection: &Inspection) -> String {
    let mut lines = Vec::new();
    if let Some(kind) = inspection.kind {
        lines.push(format!("kind         {kind}"));
    }
    if let Some(bits) = inspection.bits() {
        lines.push(format!("size         RSA, {bits} bits"));
    }
    lines.push(match &inspection.key {
        Ok(key) => format!("fingerprint  {}", key.fingerprint()),
        Err(error) => format!("problem      {}", problem(error)),
    });
    lines.join("\n") + "\n"
}

/// The JSON output. Unknown fields are left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl<'a> Summary<'a> {
    fn of(inspection: &'a Inspection) -> Self {
        let key = inspection.key.as_ref();
        Self {
            kind: inspection.kind.map(|kind| kind.as_str()),
            bits: inspection.bits(),
            fingerprint: key.ok().map(|key| key.fingerprint().to_string()),
            public_key: key.ok().map(PublicKey::pem),
            problem: key.err().map(problem),
        }
    }
}
