//! Adds the trace id to log lines.

use std::fmt;

use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, TraceId};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// A format of log lines that adds the trace id, if there is one.
pub(super) struct Correlated<F> {
    inner: F,
    insert: fn(&mut String, TraceId),
}

impl<F> Correlated<F> {
    /// Text lines: the trace id is at the end.
    pub(super) fn text(inner: F) -> Self {
        Self { inner, insert: |line, id| line.insert_str(line.trim_end().len(), &format!(" trace_id={id}")) }
    }

    /// JSON lines: the trace id is the first field.
    pub(super) fn json(inner: F) -> Self {
        Self { inner, insert: |line, id| line.insert_str(1, &format!(r#""trace_id":"{id}","#)) }
    }
}

impl<S, N, F> FormatEvent<S, N> for Correlated<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let trace = Context::map_current(|current| current.span().span_context().trace_id());
        if trace == TraceId::INVALID {
            return self.inner.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        (self.insert)(&mut line, trace);
        writer.write_str(&line)
    }
}
