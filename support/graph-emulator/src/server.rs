//! Connections: accepting them, serving HTTP/1.1 and HTTP/2 on them, resetting them.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::admin;
use crate::control::Control;
use crate::edge;

/// Accepts connections until it is dropped, and with it all of them.
pub(crate) async fn run(listener: TcpListener, tls: Option<TlsAcceptor>, control: Control) {
    let admin = TowerToHyperService::new(admin::router(control.clone()));
    let mut connections = JoinSet::new();
    let mut accepted = 0;
    loop {
        tokio::select! {
            connection = listener.accept() => {
                // A failed accept (a client gone, no free file descriptor) concerns one client.
                let Ok((stream, _)) = connection else {
                    tokio::task::yield_now().await;
                    continue;
                };
                accepted += 1;
                control.gauges().connection();
                let link = Arc::new(Link::new(accepted));
                connections.spawn(connection_task(stream, tls.clone(), control.clone(), admin.clone(), link));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection_task(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    control: Control,
    admin: TowerToHyperService<Router>,
    link: Arc<Link>,
) {
    // Without it small answers wait for acknowledgements; with it failing they are just slow.
    let _ = stream.set_nodelay(true);
    let socket = Socket { stream, link: Arc::clone(&link) };
    let serving = async {
        match tls {
            None => serve(socket, control, admin, Arc::clone(&link)).await,
            Some(tls) => {
                if let Ok(stream) = tls.accept(socket).await {
                    serve(stream, control, admin, Arc::clone(&link)).await;
                }
            }
        }
    };
    tokio::select! {
        () = serving => {}
        () = link.severed() => {}
    }
}

async fn serve<S>(stream: S, control: Control, admin: TowerToHyperService<Router>, link: Arc<Link>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (control, link, admin) = (control.clone(), Arc::clone(&link), admin.clone());
        async move {
            if request.uri().path().starts_with(admin::PREFIX) {
                return admin.call(request).await;
            }
            let request = request.map(Body::new);
            Ok::<_, Infallible>(edge::serve(&control, &link, request).await)
        }
    });
    let builder = Builder::new(TokioExecutor::new());
    // Clients that vanish are what this server is for: not worth a word.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

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
    fn new(id: u64) -> Self {
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

    async fn severed(&self) {
        self.wake.notified().await;
    }
}

/// A TCP stream that closes with RST in place of FIN once its link is cut.
struct Socket {
    stream: TcpStream,
    link: Arc<Link>,
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
