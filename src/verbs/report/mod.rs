//! `report`: an archive for a bug report, without credentials.
//!
//! [`collect`] reads, [`redact`] removes, and this file packs. No value of a Secret is ever read.

mod collect;
mod redact;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;

use super::connection::Connection;
use super::error::VerbError;
use crate::cli::ReportArgs;
use crate::command_output::CommandOutput;
use collect::Collected;

/// Name of the folder in the archive.
const FOLDER: &str = "waflows-report";

const README: &str = "\
This archive is for a bug report of waflows-operator. It was made by `waflows-operator report`.

It holds: FlowsEncryptionKeys with spec and status, their events, the operator's Deployment, pods and log, the Lease,
versions, and the names of the Secrets that resources refer to. unread.txt says what could not be read, and why.

It holds no credential: no value of a Secret was read, annotations of others and values of environment variables were
left out, and what looks like a token, a private key or a password in a URL was replaced by [redacted].

It does hold names: of namespaces, resources, Secrets, hosts, and phone number IDs. Look through it before you publish it.
";

/// Writes the archive. The exit code is 0, also if parts could not be read: `unread.txt` in the archive lists them.
///
/// # Errors
/// If no resource can be read, or the file cannot be written.
pub async fn report(args: &ReportArgs) -> Result<CommandOutput, VerbError> {
    let connection = Connection::open(&args.cluster).await?;
    let collected = collect::collect(&connection, args.namespace.as_deref()).await?;
    let now = Timestamp::now();
    if args.file.as_deref() == Some(Path::new("-")) {
        pack(io::stdout().lock(), &collected, now)?;
        return Ok(CommandOutput::new(String::new()));
    }
    let file = args.file.clone().unwrap_or_else(|| default_name(now));
    pack(File::create_new(&file)?, &collected, now)?;
    let unread = match collected.unread.len() {
        0 => String::new(),
        count => format!(" {count} things could not be read: see {FOLDER}/unread.txt in the archive."),
    };
    let text = format!("Wrote {}. It holds names and phone number IDs, but no credential.{unread}\n", file.display());
    Ok(CommandOutput::new(text))
}

fn default_name(now: Timestamp) -> PathBuf {
    format!("waflows-report-{}.tar.gz", now.strftime("%Y%m%dT%H%M%SZ")).into()
}

fn pack(out: impl Write, collected: &Collected, now: Timestamp) -> io::Result<()> {
    let mut archive = tar::Builder::new(GzEncoder::new(out, Compression::default()));
    let unread = collected.unread.iter().map(|why| redact::text(why) + "\n").collect::<String>();
    let own = [("README.txt".to_owned(), README.to_owned()), ("unread.txt".to_owned(), unread)];
    for (name, text) in own.iter().chain(&collected.files) {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len().try_into().unwrap_or_default());
        header.set_mode(0o644);
        header.set_mtime(now.as_second().try_into().unwrap_or_default());
        archive.append_data(&mut header, format!("{FOLDER}/{name}"), text.as_bytes())?;
    }
    archive.into_inner()?.finish()?.flush()
}
