//! The emulator as a program, to try `ping` on.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use endpoint_emulator::{Config, Emulator, KeyChange, KeyError, StartError};
use tokio::signal::unix::{SignalKind, signal};

/// Emulates a business's WhatsApp Flows endpoint. Prints the URL of each replica. Its state is changed over HTTP below
/// /_emulator/ of any of them.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many replicas there are: 127.0.0.1, 127.0.0.2 and so on.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=200))]
    replicas: u8,
    /// The port of all of them; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// A private key (PEM, without passphrase) of all replicas; can be given more than once.
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// Requests must be signed with the app secret in this file.
    #[arg(long, value_name = "FILE")]
    app_secret_file: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("--key: {0}")]
    Key(#[from] KeyError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("endpoint-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let keys = arguments.keys.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let config = Config { replicas: arguments.replicas, port: arguments.port, ..Config::default() };
    let emulator = Emulator::start(config).await?;
    emulator.set_keys_everywhere(&keys.iter().map(String::as_str).collect::<Vec<_>>(), KeyChange::Now)?;
    if let Some(path) = &arguments.app_secret_file {
        emulator.set_app_secret(Some(read(path)?.trim()));
    }
    for replica in 0..emulator.replicas() {
        println!("{}", emulator.url(replica));
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

fn read(path: &PathBuf) -> Result<String, RunError> {
    std::fs::read_to_string(path).map_err(|source| RunError::Read { path: path.clone(), source })
}
