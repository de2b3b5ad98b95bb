//! Meta as one process of the operator sees it, which may end after any call.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use waflows_key::PublicKey;

use super::super::meta::{Meta, Model};
use crate::api::crd::{FlowsEncryptionKeySpec, ObservedSecret};
use crate::meta::GraphError;
use crate::number::Reading;
use crate::upload::UploadAnswer;

/// The last answers of Meta for each resource, by its UID.
#[derive(Clone, Default)]
pub(super) struct LastAnswers {
    /// The last answer about each number: key and signature status.
    pub(super) numbers: HashMap<(String, String), (Option<usize>, Option<String>)>,
    /// The tokens that Meta accepted.
    pub(super) accepted: HashSet<(String, Token)>,
}

impl LastAnswers {
    /// A status of the reconcile is stored. The answers of a process that ends before are lost.
    pub(super) fn note(&mut self, of_reconcile: &Self) {
        self.numbers.extend(of_reconcile.numbers.clone());
        self.accepted.extend(of_reconcile.accepted.clone());
    }
}

/// Which token it is: the name of its Secret, and the version.
pub(super) type Token = (String, String);

/// The token that a resource refers to, in the Secrets as they are or were.
pub(super) fn token(spec: &FlowsEncryptionKeySpec, secrets: &[ObservedSecret]) -> Option<Token> {
    let name = &spec.access_token_secret_ref.name;
    let secret = secrets.iter().find(|secret| secret.name == *name)?;
    Some((name.clone(), secret.resource_version.clone()))
}

/// How long a process goes on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Life {
    /// Calls until the process ends. None if it does not end.
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
    pub(super) answers: &'a mut LastAnswers,
    pub(super) uid: String,
    /// With which it calls.
    pub(super) token: Option<Token>,
    pub(super) life: &'a mut Life,
}

impl Meta for Process<'_> {
    fn read(&mut self, id: &str, now: Timestamp) -> (Reading, Option<GraphError>) {
        if !self.life.takes_a_call() {
            return (Reading::NotAsked, None);
        }
        let answer = self.meta.read(id, now);
        if matches!(answer.0, Reading::Answered { .. }) {
            let last = self.meta.line(id).last_answer.clone();
            self.answers.numbers.extend(last.map(|last| ((self.uid.clone(), id.to_owned()), last)));
        }
        let knows_token = match &answer.0 {
            Reading::Answered { .. } => true,
            Reading::Failed { error, .. } => error.class.refuses_number(),
            Reading::NotAsked | Reading::Held { .. } => false,
        };
        let token = self.token.clone().filter(|_| knows_token);
        self.answers.accepted.extend(token.map(|token| (self.uid.clone(), token)));
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
        (UploadAnswer::Held { limit: None, until: now }, None)
    }

    fn may_be_crossed(&self) -> bool {
        self.life.may_be_crossed
    }
}
