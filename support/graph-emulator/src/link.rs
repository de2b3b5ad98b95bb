//! A connection, as seen from the requests on it, and the socket below.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// A connection, as seen from the requests on it.
#[derive(Debug)]
pub(crate) struct Link {
    id: u64,
    cut: AtomicBool,
    wake: Notify,
    /// Bytes that went out.
    written: AtomicU64,
    wrote: Notify,
}

impl Link {
    pub(crate) fn new(id: u64) -> Self {
        Self { id, cut: AtomicBool::new(false), wake: Notify::new(), written: AtomicU64::new(0), wrote: Notify::new() }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Resets the connection, with all requests on it.
    pub(crate) fn sever(&self) {
        self.cut.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Bytes that went out so far.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Waits until this many bytes went out.
    pub(crate) async fn wait_written(&self, bytes: u64) {
        loop {
            let wrote = self.wrote.notified();
            if self.written() >= bytes {
                return;
            }
            wrote.await;
        }
    }

    fn note_written(&self, result: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = result {
            self.written.fetch_add(*bytes as u64, Ordering::Release);
            self.wrote.notify_waiters();
        }
    }

    /// Waits until the connection is to be reset.
    pub(crate) async fn severed(&self) {
        self.wake.notified().await;
    }
}

/// A TCP stream that closes with RST in place of FIN once its link is cut.
pub(crate) struct Socket {
    stream: TcpStream,
    link: Arc<Link>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, link: Arc<Link>) -> Self {
        Self { stream, link }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.link.cut.load(Ordering::Acquire) {
            // If this fails the client sees an early end, which is as bad.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, buffer);
        self.link.note_written(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.link.note_written(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
