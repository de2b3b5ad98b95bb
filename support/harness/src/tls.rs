//! The implementation of TLS that all clients of a process use.

/// Installs it. Every client needs it, and each may be the first.
pub fn install_provider() {
    // An error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
