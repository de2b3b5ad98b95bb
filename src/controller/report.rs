//! The log line of a reconcile.

use jiff::Timestamp;
use waflows_core::api::conditions::{self, ConditionType, ReadyEffect, Reason};
use waflows_core::reconcile::machine::Reconcile;
use waflows_core::status::events::Note;
use waflows_core::status::summarize::Summary;
use waflows_core::store::object_key::ObjectKey;
use waflows_core::upload::UploadAnswer;

/// One line for a reconcile that changed something; it stands for all its numbers, of which there may be hundreds.
pub(super) fn report(key: &ObjectKey, reconcile: &Reconcile, begun: Timestamp) {
    let Some(summary) = reconcile.summary() else { return };
    let (observation, outcomes) = (reconcile.observation(), reconcile.outcomes());
    let ready = conditions::find(&summary.status.conditions, ConditionType::Ready);
    let before = observation.status().and_then(|status| conditions::find(&status.conditions, ConditionType::Ready));
    let valid = summary.status.valid.as_deref().unwrap_or_default();
    let is_change = ready.map(|c| &c.reason) != before.map(|c| &c.reason)
        || Some(valid) != observation.status().and_then(|status| status.valid.as_deref());
    let changed_since_last = is_change || !outcomes.is_empty();
    let duration_ms = Timestamp::now().duration_since(begun).as_millis();
    let reason = ready.map(|condition| condition.reason.as_str()).unwrap_or_default();
    let detail = detail(summary, ready.map(|condition| condition.message.as_str()).unwrap_or_default());
    let uploads = outcomes.iter().filter(|outcome| outcome.upload.answer == UploadAnswer::Accepted).count();
    let failed = outcomes.iter().filter(|outcome| outcome.upload.answer.error().is_some()).count();
    if is_change && needs_a_person(reason) {
        tracing::warn!(resource = %key, reason, valid, uploads, failed, duration_ms, detail, "not ready until a person acts");
    } else if changed_since_last {
        tracing::info!(resource = %key, reason, valid, uploads, failed, duration_ms, detail, "reconciled");
    } else {
        tracing::debug!(resource = %key, reason, valid, duration_ms, "reconciled");
    }
}

/// What happened, in the words of the events, and what `Ready` says.
fn detail(summary: &Summary, ready: &str) -> String {
    let texts = summary.notes.iter().map(|note| note.text.as_str());
    let ready = (!summary.notes.iter().any(Note::is_of_ready)).then_some(ready);
    texts.chain(ready).collect::<Vec<_>>().join(" ")
}

/// Whether the log warns of the resource. Of credentials that Meta refuses it warns once, however many resources wait for
/// better ones.
fn needs_a_person(reason: &str) -> bool {
    Reason::parse(reason).is_some_and(|reason| match reason {
        Reason::TokenRefused | Reason::AppSecretRefused => false,
        reason => reason.ready_effect() == ReadyEffect::Stalled,
    })
}
