//! Starting and stopping.

use std::io;
use std::net::SocketAddr;
use std::ops::Deref;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::control::Control;
use crate::server;
use crate::tls::{self, TlsError};

/// A running emulator. Dropping it closes its port and all connections.
#[derive(Debug)]
pub struct Emulator {
    control: Control,
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// Why an emulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {source}; choose another address or port 0")]
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
    /// If the address cannot be listened on, or TLS cannot be set up.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let failed = |source| StartError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (acceptor, ca_pem) = if config.tls {
            let (acceptor, ca_pem) = tls::acceptor(address.ip())?;
            (Some(acceptor), Some(ca_pem))
        } else {
            (None, None)
        };
        let scheme = if config.tls { "https" } else { "http" };
        let control = Control::new(config, format!("{scheme}://{address}"), ca_pem);
        let task = tokio::spawn(server::run(listener, acceptor, control.clone()));
        Ok(Self { control, address, task })
    }

    /// A handle that can be passed on.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port and all connections; the port is free when this returns.
    pub async fn stop(mut self) {
        self.task.abort();
        // The abort ends the task, which is no failure.
        let _ = (&mut self.task).await;
    }
}

impl Deref for Emulator {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}
