//! Meta as one process of the operator sees it, which may end after any call.

use std::collections::HashMap;

use jiff::Timestamp;

use super::super::meta::{Meta, Model};
use crate::controller::number::{Reading, UploadAnswer};
use crate::graph::GraphError;
use crate::key::PublicKey;

/// The last answer that each resource (by its UID) got about each number: key and signature status.
pub(super) type Told = HashMap<(String, String), (Option<usize>, Option<String>)>;

/// What is left of a process.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Life {
    /// Calls until it ends; none where it does not.
    pub(super) calls_left: Option<usize>,
    /// An upload that it begins at its end arrives a moment later.
    pub(super) ends_with_upload: bool,
    /// It took the Lease from a process that vanished a moment ago.
    pub(super) may_be_crossed: bool,
    /// Uploads that it began.
    pub(super) uploads: usize,
}

impl Life {
    pub(super) fn is_over(&self) -> bool {
        self.calls_left == Some(0)
    }

    fn takes_a_call(&mut self) -> bool {
        let lives = !self.is_over();
        self.calls_left = self.calls_left.map(|left| left.saturating_sub(1));
        lives
    }
}

/// A process that calls Meta for one resource.
pub(super) struct Process<'a> {
    pub(super) meta: &'a mut Model,
    pub(super) told: &'a mut Told,
    pub(super) uid: &'a str,
    pub(super) life: &'a mut Life,
}

impl Meta for Process<'_> {
    fn read(&mut self, id: &str, now: Timestamp) -> (Reading, Option<GraphError>) {
        if !self.life.takes_a_call() {
            return (Reading::NotAsked, None);
        }
        let answer = self.meta.read(id, now);
        if matches!(answer.0, Reading::Answered { .. }) {
            let told = self.meta.line(id).told.clone();
            self.told.extend(told.map(|told| ((self.uid.to_owned(), id.to_owned()), told)));
        }
        answer
    }

    fn upload(&mut self, id: &str, key: &PublicKey, now: Timestamp) -> (UploadAnswer, Option<GraphError>) {
        if self.life.takes_a_call() {
            self.life.uploads += 1;
            return self.meta.upload(id, key, now);
        }
        if std::mem::take(&mut self.life.ends_with_upload) {
            self.meta.line(id).send(key, now);
        }
        (UploadAnswer::Paused { limit: None, until: now }, None)
    }

    fn may_be_crossed(&self) -> bool {
        self.life.may_be_crossed
    }
}
