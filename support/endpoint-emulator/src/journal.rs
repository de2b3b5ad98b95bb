//! Who asked which replica, and which key opened it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// One request, in the order of arrival.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Request {
    /// Counts the requests, from 1.
    pub sequence: u64,
    /// Time since the emulator's start, monotonic; in JSON in seconds.
    #[serde(rename = "at_seconds", serialize_with = "seconds")]
    pub at: Duration,
    /// Counts the replicas, from 0.
    pub replica: usize,
    /// The path with its query.
    pub path: String,
    /// What it was signed with.
    pub signature: Signature,
    /// `sha256:…` of the public half of the key that opens the request, whatever the answer was. None if no key does.
    pub opened_by: Option<Arc<str>>,
    /// `action` of the payload.
    pub action: Option<String>,
    /// HTTP status; none where there was no answer.
    pub status: Option<u16>,
    /// `User-Agent`.
    pub user_agent: Option<String>,
}

/// What a request was signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signature {
    /// The app secret.
    Right,
    /// Something else, or there is no app secret to compare with.
    Other,
    /// Nothing.
    Missing,
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// The last requests.
#[derive(Debug)]
pub(crate) struct Journal {
    limit: usize,
    count: u64,
    requests: VecDeque<Request>,
}

impl Journal {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, count: 0, requests: VecDeque::new() }
    }

    /// Notes a request, and counts it.
    pub(crate) fn note(&mut self, mut request: Request) {
        self.count += 1;
        request.sequence = self.count;
        self.requests.push_back(request);
        while self.requests.len() > self.limit {
            self.requests.pop_front();
        }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.iter().cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.requests.clear();
    }
}
