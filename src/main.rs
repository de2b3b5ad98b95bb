//! The `waflows-operator` command.

use std::process::ExitCode;

use clap::Parser;
use waflows_operator::app;
use waflows_operator::cli::{Cli, Command};
use waflows_operator::crd;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("waflows-operator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<(), Box<dyn std::error::Error>> {
    match command {
        Command::Crd => {
            print!("{}", crd::manifest()?);
            Ok(())
        }
        Command::Run(args) => {
            // The only TLS provider of the process; an error means that one is installed already.
            let _ = rustls::crypto::ring::default_provider().install_default();
            tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(app::run(*args))?;
            Ok(())
        }
    }
}
