//! The spans of traces. They contain only public data: names and numbers, never the contents of a Secret.
//!
//! `round` (one resource) → `observe` → `graph list`, `graph read`; → `execute` → `graph upload`, `graph read`; → `write status`.

use tracing::Span;
use tracing::field::Empty;
use waflows_core::meta::GraphError;

use crate::metrics::Operation;

/// The target of all spans. Only traces use them.
pub const TARGET: &str = "waflows::span";

/// The span of a reconcile. Its name is part of the documented trace format.
pub fn reconcile(namespace: &str, name: &str) -> Span {
    tracing::info_span!(target: TARGET, "round", k8s.namespace.name = namespace, waflows.resource = name)
}

/// The span of the reads of a reconcile.
pub fn observe() -> Span {
    tracing::info_span!(target: TARGET, "observe")
}

/// The span of the uploads of a reconcile.
pub fn execute(uploads: usize) -> Span {
    tracing::info_span!(target: TARGET, "execute", waflows.uploads = uploads)
}

/// The span of a status write.
pub fn write_status() -> Span {
    tracing::info_span!(target: TARGET, "write status", otel.kind = "client", otel.status_code = Empty)
}

/// The span of a call to Meta.
///
/// `id` is the phone number ID, or the ID of the account.
pub fn call(operation: Operation, host: &str, id: &str) -> Span {
    let (name, method) = match operation {
        Operation::Read => ("graph read", "GET"),
        Operation::Upload => ("graph upload", "POST"),
        Operation::List => ("graph list", "GET"),
        Operation::Inspect => ("graph inspect", "GET"),
    };
    let (number, account) = match operation {
        Operation::Read | Operation::Upload => (Some(id), None),
        Operation::List => (None, Some(id)),
        Operation::Inspect => (None, None),
    };
    tracing::info_span!(
        target: TARGET,
        "graph",
        otel.name = name,
        otel.kind = "client",
        http.request.method = method,
        server.address = host,
        waflows.phone_number_id = number,
        waflows.business_account_id = account,
        http.response.status_code = Empty,
        meta.fbtrace_id = Empty,
        error.r#type = Empty,
        otel.status_code = Empty,
    )
}

/// Records the result of a call: HTTP status, Meta's trace id, the class of the failure.
pub fn record_answer(span: &Span, status: Option<u16>, trace_id: Option<&str>, error: Option<&GraphError>) {
    span.record("http.response.status_code", status);
    span.record("meta.fbtrace_id", error.and_then(|error| error.trace_id.as_deref()).or(trace_id));
    if let Some(error) = error {
        span.record("error.type", error.class.as_str());
        span.record("otel.status_code", "ERROR");
    }
}

/// Marks the span as failed.
pub fn record_failure(span: &Span) {
    span.record("otel.status_code", "ERROR");
}
