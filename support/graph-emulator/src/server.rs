//! Connections: accepting them, and serving HTTP/1.1 and HTTP/2 on them.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::admin;
use crate::control::Control;
use crate::edge;
use crate::link::{Link, Socket};

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
    let socket = Socket::new(stream, Arc::clone(&link));
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
