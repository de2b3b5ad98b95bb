//! Starting and stopping.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Deref;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::config::Config;
use crate::control::Control;
use crate::edge::{Edge, router};
use crate::tls::{self, TlsError, TlsListener};

/// Tries to find a port that is free on all addresses.
const TRIES: usize = 20;

/// A running emulator. Dropping it closes its ports.
pub struct Emulator {
    control: Control,
    addresses: Vec<SocketAddr>,
    acceptor: Option<TlsAcceptor>,
    ca_pem: Option<String>,
    replicas: Vec<Option<JoinHandle<()>>>,
}

/// Why an emulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken, or not of this machine: beyond 127.0.0.1 only Linux has such addresses without
    /// configuration.
    #[error("cannot listen on {address}: {source}; choose another port or 0, or fewer replicas")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// No certificate, no TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Emulator {
    /// Starts one on the current tokio runtime. It accepts connections when this returns.
    ///
    /// # Errors
    /// If an address cannot be listened on, or TLS cannot be set up.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let listeners = listen(&config).await?;
        let addresses: Vec<_> = listeners.iter().map(|(address, _)| *address).collect();
        let ips: Vec<_> = addresses.iter().map(SocketAddr::ip).collect();
        let tls = config.tls.map(|certificate| tls::acceptor(certificate, &ips)).transpose()?;
        let (acceptor, ca_pem) = tls.unzip();
        let control = Control::new(&config);
        let mut emulator = Self { control, addresses, acceptor, ca_pem, replicas: Vec::new() };
        emulator.replicas =
            listeners.into_iter().enumerate().map(|(n, (_, listener))| Some(emulator.serve(n, listener))).collect();
        Ok(emulator)
    }

    fn serve(&self, replica: usize, listener: TcpListener) -> JoinHandle<()> {
        let router = router(Edge { control: self.control.clone(), replica });
        let (address, acceptor) = (self.addresses[replica], self.acceptor.clone());
        tokio::spawn(async move {
            // Neither ends by itself.
            let _ = match acceptor {
                None => axum::serve(listener, router).await,
                Some(acceptor) => axum::serve(TlsListener::new(listener, address, acceptor), router).await,
            };
        })
    }

    /// A handle that can be passed on.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Where a replica listens.
    pub fn address(&self, replica: usize) -> SocketAddr {
        self.addresses[replica]
    }

    /// `http://127.0.0.1:4711/flows`
    pub fn url(&self, replica: usize) -> String {
        let scheme = if self.acceptor.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/flows", self.addresses[replica])
    }

    /// The private CA's certificate in PEM; none without TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Closes the port of a replica; it is closed when this returns.
    pub async fn stop_replica(&mut self, replica: usize) {
        if let Some(task) = self.replicas[replica].take() {
            task.abort();
            // The abort ends the task, which is no failure.
            let _ = task.await;
        }
    }

    /// Starts a replica that was stopped, at the same address.
    ///
    /// # Errors
    /// If somebody else has taken the port.
    pub async fn start_replica(&mut self, replica: usize) -> Result<(), StartError> {
        if self.replicas[replica].is_none() {
            let listener = bind(self.addresses[replica]).await?;
            self.control.restart(replica);
            self.replicas[replica] = Some(self.serve(replica, listener));
        }
        Ok(())
    }
}

/// A listener for each replica, all on the same port.
async fn listen(config: &Config) -> Result<Vec<(SocketAddr, TcpListener)>, StartError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match listen_once(config).await {
            Err(_) if config.port == 0 && tries < TRIES => {}
            result => return result,
        }
    }
}

async fn listen_once(config: &Config) -> Result<Vec<(SocketAddr, TcpListener)>, StartError> {
    let mut listeners: Vec<(SocketAddr, TcpListener)> = Vec::new();
    for n in 1..=config.replicas {
        let port = listeners.first().map_or(config.port, |(address, _)| address.port());
        let asked = SocketAddr::from((IpAddr::from(Ipv4Addr::new(127, 0, 0, n)), port));
        let listener = bind(asked).await?;
        let address = listener.local_addr().map_err(|source| StartError::Listen { address: asked, source })?;
        listeners.push((address, listener));
    }
    Ok(listeners)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

impl Deref for Emulator {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.replicas.iter().flatten().for_each(JoinHandle::abort);
    }
}
