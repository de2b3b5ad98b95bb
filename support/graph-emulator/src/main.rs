//! The emulator as a program, for the demo and for benchmarks.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use graph_emulator::{Config, Emulator, ResponseShape, StartError};
use jiff::SignedDuration;
use tokio::signal::unix::{SignalKind, signal};

/// Emulates the edges of Meta's Graph API that keep the encryption key of WhatsApp Flows on
/// phone numbers. Its state is changed over HTTP below /_emulator/.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// An access token that may do everything; can be given more than once.
    #[arg(long = "token")]
    tokens: Vec<String>,
    /// A phone number ID without key; can be given more than once.
    #[arg(long = "number")]
    numbers: Vec<String>,
    /// Take every access token.
    #[arg(long)]
    accept_any_token: bool,
    /// Add phone numbers at their first call.
    #[arg(long)]
    create_numbers: bool,
    /// The time each call takes, such as 50ms.
    #[arg(long, default_value = "0s")]
    latency: SignedDuration,
    /// The shape of reads.
    #[arg(long, value_enum, default_value = "data-list")]
    response_shape: ResponseShape,
    /// How many calls and uploads the journal keeps; 0 turns it off.
    #[arg(long, default_value_t = Config::default().journal_limit)]
    journal_limit: usize,
    /// Serve over TLS, with a certificate from a new private CA.
    #[arg(long)]
    tls: bool,
    /// Write the CA's certificate (PEM) to this file.
    #[arg(long, requires = "tls")]
    ca_file: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("--latency must not be negative")]
    NegativeLatency,
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot write the CA's certificate to {path}: {source}")]
    CaFile { path: PathBuf, source: io::Error },
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("graph-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let config = Config {
        listen: arguments.listen,
        tls: arguments.tls,
        accept_any_token: arguments.accept_any_token,
        create_numbers_on_demand: arguments.create_numbers,
        latency: arguments.latency.try_into().map_err(|_| RunError::NegativeLatency)?,
        response_shape: arguments.response_shape,
        journal_limit: arguments.journal_limit,
        ..Config::default()
    };
    let emulator = Emulator::start(config).await?;
    for token in &arguments.tokens {
        emulator.add_token(token);
    }
    emulator.add_numbers(&arguments.numbers);
    if let (Some(path), Some(pem)) = (arguments.ca_file, emulator.ca_pem()) {
        std::fs::write(&path, pem).map_err(|source| RunError::CaFile { path, source })?;
    }
    println!("{}", emulator.base_url());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    emulator.stop().await;
    Ok(())
}
