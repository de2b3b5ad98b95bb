//! A call that is being answered.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::control::Control;
use crate::faults::UploadEffect;
use crate::link::Link;
use crate::wire::{Envelope, json};
use crate::world::{GraphCall, Outcome};

/// A call that is being answered.
pub(crate) struct Exchange {
    pub(crate) control: Control,
    pub(crate) link: Arc<Link>,
    pub(crate) envelope: Envelope,
    pub(crate) edge_url: String,
    pub(crate) call: Arc<GraphCall>,
    pub(crate) sequence: u64,
}

impl Exchange {
    /// Does the call, and gives the answer that Meta would.
    pub(crate) fn ordinary(&self, effect: &UploadEffect) -> Response<Bytes> {
        let outcome = self.control.world().process(&self.call, self.sequence, effect);
        let body = match outcome {
            Ok(Outcome::View(view)) => view.body(),
            Ok(Outcome::Uploaded) => Bytes::from_static(br#"{"success":true}"#),
            Ok(Outcome::Page(page)) => json(&page.body(&self.edge_url, self.call.token.as_deref().unwrap_or_default())),
            Ok(Outcome::Inspected(body)) => json(&body),
            Err(error) => return self.envelope.error(&error),
        };
        self.envelope.answer(StatusCode::OK, body)
    }
}
