//! TLS with a private CA that lives as long as the emulator.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::serve::Listener;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rcgen::{KeyUsagePurpose, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::Certificate;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The CA's or the server's certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// rustls does not take it.
    #[error("cannot set up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

/// An acceptor for these addresses and `localhost`, and the CA in PEM.
pub(crate) fn acceptor(certificate: Certificate, addresses: &[IpAddr]) -> Result<(TlsAcceptor, String), TlsError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "endpoint-emulator CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let ca_pem = params.self_signed(&key)?.pem();
    let ca = Issuer::new(params, key);

    let names = match certificate {
        Certificate::OfAnotherName => vec!["flows.example.com".to_owned()],
        Certificate::Right | Certificate::Expired => {
            addresses.iter().map(ToString::to_string).chain(["localhost".to_owned()]).collect()
        }
    };
    let mut params = CertificateParams::new(names)?;
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    if certificate == Certificate::Expired {
        params.not_after = date_time_ymd(2020, 1, 1);
    }
    let key = KeyPair::generate()?;
    let chain = vec![params.signed_by(&key, &ca)?.der().clone()];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok((TlsAcceptor::from(Arc::new(config)), ca_pem))
}

/// Accepts connections, and gives on those whose handshake is done: a client that is slow at it holds up no other.
pub(crate) struct TlsListener {
    address: SocketAddr,
    connections: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl TlsListener {
    pub(crate) fn new(listener: TcpListener, address: SocketAddr, acceptor: TlsAcceptor) -> Self {
        let (send, connections) = mpsc::channel(1);
        tokio::spawn(async move {
            // Ends with the listener's own end.
            while !send.is_closed() {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = send.closed() => return,
                };
                let Ok((stream, from)) = accepted else { continue };
                let (acceptor, send) = (acceptor.clone(), send.clone());
                tokio::spawn(async move {
                    // A handshake that fails is what some tests are for.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = send.send((stream, from)).await;
                    }
                });
            }
        });
        Self { address, connections }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.connections.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}
