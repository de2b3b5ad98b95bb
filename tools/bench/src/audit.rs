//! The operator's requests to the API server, from the audit log of the API server.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use control_plane::Flags;
use serde::Deserialize;

use crate::error::Error;

/// The user that the operator is to the API server.
pub(crate) const SERVICE_ACCOUNT: &str = "waflows-operator";
const POLL: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(10);

/// The audit log of one API server: metadata of the operator's requests, and nothing else.
#[derive(Debug)]
pub(crate) struct Audit {
    log: PathBuf,
    /// The place in the log from which requests count.
    offset: u64,
}

/// Requests by verb and resource, such as `update flowsencryptionkeys/status`, or `get secrets: 429` where it failed.
#[derive(Debug, Default)]
pub(crate) struct Requests(BTreeMap<String, usize>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    stage: String,
    object_ref: Option<ObjectRef>,
    response_status: Option<ResponseStatus>,
}

#[derive(Deserialize)]
struct ResponseStatus {
    code: Option<u16>,
}

#[derive(Deserialize)]
struct ObjectRef {
    resource: Option<String>,
    subresource: Option<String>,
}

impl Audit {
    /// The flags that make an API server write the log into `folder`.
    pub(crate) fn flags(folder: &Path) -> Result<(Self, Flags), Error> {
        let (policy, log) = (folder.join("audit-policy.yaml"), folder.join("audit.log"));
        let user = format!("system:serviceaccount:default:{SERVICE_ACCOUNT}");
        let text = format!(
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\n\
             rules:\n- {{level: Metadata, users: ['{user}']}}\n- {{level: None}}\n"
        );
        std::fs::write(&policy, text).map_err(Error::io("writing the audit policy"))?;
        let api_server = vec![
            format!("--audit-policy-file={}", policy.display()),
            format!("--audit-log-path={}", log.display()),
            // In megabytes; a new file would be begun after 100.
            "--audit-log-maxsize=10000".to_owned(),
        ];
        Ok((Self { log, offset: 0 }, Flags { api_server, ..Flags::default() }))
    }

    /// From here on requests count.
    pub(crate) fn reset(&mut self) -> Result<(), Error> {
        self.offset = std::fs::metadata(&self.log).map_err(Error::io("reading the audit log"))?.len();
        Ok(())
    }

    /// The requests since the last reset.
    pub(crate) fn requests(&self) -> Result<Requests, Error> {
        let read = || {
            let mut file = File::open(&self.log)?;
            file.seek(SeekFrom::Start(self.offset))?;
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            std::io::Result::Ok(text)
        };
        let text = read().map_err(Error::io("reading the audit log"))?;
        let mut requests = Requests::default();
        // A last line without its end is still being written.
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let event: Event =
                serde_json::from_str(line).map_err(|_| Error::Unreadable { file: self.log.display().to_string() })?;
            requests.count(event);
        }
        Ok(requests)
    }

    /// The requests since the last reset, once they hold this many of a kind. Entries are written after the answers.
    pub(crate) async fn requests_with(&self, kind: &str, count: usize) -> Result<Requests, Error> {
        let start = Instant::now();
        loop {
            let requests = self.requests()?;
            if requests.of(kind) >= count || start.elapsed() > PATIENCE {
                return Ok(requests);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Requests {
    fn count(&mut self, event: Event) {
        // A watch has two entries, one of which comes only at its end.
        if (event.verb == "watch") != (event.stage == "ResponseStarted") {
            return;
        }
        let object = event.object_ref.unwrap_or(ObjectRef { resource: None, subresource: None });
        let resource = object.resource.unwrap_or_else(|| "other".to_owned());
        let subresource = object.subresource.map(|name| format!("/{name}")).unwrap_or_default();
        let code = event.response_status.and_then(|status| status.code).filter(|code| *code >= 400);
        let failure = code.map(|code| format!(": {code}")).unwrap_or_default();
        *self.0.entry(format!("{} {resource}{subresource}{failure}", event.verb)).or_default() += 1;
    }

    /// Requests of one kind.
    pub(crate) fn of(&self, kind: &str) -> usize {
        self.0.get(kind).copied().unwrap_or_default()
    }

    /// All kinds.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.iter().map(|(kind, count)| (kind.as_str(), *count))
    }

    /// Whatever writes anything but a Lease.
    pub(crate) fn writes(&self) -> usize {
        let reads = ["get ", "list ", "watch "];
        let writes = |kind: &str| !kind.ends_with(" leases") && !reads.iter().any(|verb| kind.starts_with(verb));
        self.kinds().filter(|(kind, _)| writes(kind)).map(|(_, n)| n).sum()
    }
}
