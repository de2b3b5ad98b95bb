//! The emulator of the Graph API, as a process of its own.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::{Certificate, Client};
use serde::Deserialize;
use supervised::{Process, free_address};

use crate::error::Error;
use crate::fleet::Fleet;

const POLL: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(60);
const ROUND_TRIPS: usize = 21;

/// How the operator reaches the emulator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    /// The time that each call takes.
    pub(crate) latency: Duration,
    /// HTTP/2 over TLS, as with Meta. Otherwise HTTP/1.1 without TLS, with one connection for each call under way.
    pub(crate) is_http2: bool,
}

impl From<Duration> for Link {
    fn from(latency: Duration) -> Self {
        Self { latency, is_http2: true }
    }
}

/// A running emulator, which knows every token and every phone number.
#[derive(Debug)]
pub(crate) struct Graph {
    process: Process,
    client: Client,
    url: String,
    /// With the certificate of its CA. None without TLS.
    ca_file: Option<PathBuf>,
}

/// Calls by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "ReportedCalls")]
pub(crate) struct Calls {
    pub(crate) reads: u64,
    pub(crate) uploads: u64,
}

#[derive(Deserialize)]
struct ReportedCalls {
    reads: u64,
    uploads: u64,
}

impl From<ReportedCalls> for Calls {
    fn from(ReportedCalls { reads, uploads }: ReportedCalls) -> Self {
        Self { reads, uploads }
    }
}

impl Graph {
    /// Starts the program. The certificate of its CA goes into `folder`.
    pub(crate) async fn start(program: &Path, link: Link, folder: &Path) -> Result<Self, Error> {
        let address = free_address().map_err(Error::io("looking for a free port"))?;
        let ca_file = link.is_http2.then(|| folder.join("graph-ca.pem"));
        let (listen, latency) = (address.to_string(), format!("{}ms", link.latency.as_millis()));
        let arguments = ["--accept-any-token", "--create-numbers", "--journal-limit", "0"].into_iter();
        let arguments = arguments.chain(["--listen", &listen, "--latency", &latency]).map(OsStr::new);
        let tls = ca_file.iter().flat_map(|file| [OsStr::new("--tls"), OsStr::new("--ca-file"), file.as_os_str()]);
        let process = Process::start(program, arguments.chain(tls), &[]).map_err(Error::io("starting the emulator"))?;
        let mut client = Client::builder().no_proxy();
        if let Some(file) = &ca_file {
            client = client.tls_certs_only([Certificate::from_pem(&written(file, &process).await?)?]);
        }
        let scheme = if link.is_http2 { "https" } else { "http" };
        Ok(Self { process, client: client.build()?, url: format!("{scheme}://{address}"), ca_file })
    }

    pub(crate) fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.process_id()
    }

    /// All calls since the last reset.
    pub(crate) async fn calls(&self) -> Result<Calls, Error> {
        #[derive(Deserialize)]
        struct Counters {
            calls: Calls,
        }
        let counters: Counters = self.get("counters").await?;
        Ok(counters.calls)
    }

    /// How many of the fleet's phone numbers saw exactly these calls since the last reset.
    pub(crate) async fn numbers_with(&self, fleet: Fleet, calls: Calls) -> Result<usize, Error> {
        let by_number: HashMap<String, Calls> = self.get("counters/numbers").await?;
        Ok(fleet.all_numbers().filter(|number| by_number.get(number).copied().unwrap_or_default() == calls).count())
    }

    /// Starts counting anew.
    pub(crate) async fn reset(&self) -> Result<(), Error> {
        let url = format!("{}/_emulator/counters", self.url);
        self.client.delete(url).send().await?.error_for_status()?;
        Ok(())
    }

    /// The median of some reads on a warm connection: what a round trip takes here. Resets the counters.
    pub(crate) async fn round_trip(&self) -> Result<Duration, Error> {
        let url = format!("{}/v25.0/1/whatsapp_business_encryption", self.url);
        let mut times = Vec::with_capacity(ROUND_TRIPS);
        for _ in 0..ROUND_TRIPS {
            let start = Instant::now();
            self.client.get(&url).bearer_auth("token").send().await?.error_for_status()?.bytes().await?;
            times.push(start.elapsed());
        }
        times.sort_unstable();
        self.reset().await?;
        Ok(times[ROUND_TRIPS / 2])
    }

    async fn get<T: for<'de> Deserialize<'de>>(&self, path: &str) -> Result<T, Error> {
        let answer = self.client.get(format!("{}/_emulator/{path}", self.url)).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }
}

/// The CA's certificate, which is written once the emulator listens.
async fn written(ca_file: &Path, process: &Process) -> Result<Vec<u8>, Error> {
    let start = Instant::now();
    loop {
        match std::fs::read(ca_file) {
            // It ends with a line of its own; before that it is still being written.
            Ok(pem) if pem.trim_ascii_end().ends_with(b"-----END CERTIFICATE-----") => return Ok(pem),
            _ if start.elapsed() > PATIENCE => {
                let expected = "the emulator writes the certificate of its CA".to_owned();
                return Err(Error::NotSeen { expected, limit: PATIENCE, log: process.log_tail() });
            }
            _ => tokio::time::sleep(POLL).await,
        }
    }
}
