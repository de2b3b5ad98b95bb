//! The `waflows-operator` command.

use std::error::Error;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tikv_jemallocator::Jemalloc;
use waflows_core::api::crd;
use waflows_operator::app::StartError;
use waflows_operator::cli::{Cli, Command};
use waflows_operator::command_output::CommandOutput;
use waflows_operator::{app, check, inspect, numbers, ping, token};

/// Exit code for wrong usage, the same as clap's. Also the exit code of `check` and `inspect` when they reached no
/// verdict.
const WRONG_USAGE: u8 = 2;

/// Returns memory after a rollout, unlike the C library's allocator. Its settings are in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let looks = match &cli.command {
        Command::Check(_) | Command::Inspect(_) | Command::Numbers(_) | Command::Ping(_) | Command::Token(_) => true,
        Command::Run(_) | Command::Crd | Command::Completions { .. } => false,
    };
    dispatch(cli.command).unwrap_or_else(|error| {
        eprintln!("waflows-operator: {error}");
        let is_wrong_usage = error.downcast_ref().is_some_and(StartError::is_wrong_usage);
        if looks || is_wrong_usage { ExitCode::from(WRONG_USAGE) } else { ExitCode::FAILURE }
    })
}

fn dispatch(command: Command) -> Result<ExitCode, Box<dyn Error>> {
    let output = match command {
        Command::Run(args) => {
            runtime()?.block_on(app::run(*args))?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Check(args) => runtime()?.block_on(check::run(&args))?,
        Command::Inspect(args) => inspect::run(&args)?,
        Command::Ping(args) => runtime()?.block_on(ping::run(&args))?,
        Command::Numbers(args) => runtime()?.block_on(numbers::run(&args))?,
        Command::Token(args) => runtime()?.block_on(token::run(&args))?,
        Command::Crd => CommandOutput::new(crd::manifest()?),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "waflows-operator", &mut script);
            CommandOutput::new(String::from_utf8(script)?)
        }
    };
    output.print()?;
    Ok(ExitCode::from(output.exit_code))
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    // The only TLS provider of the process. An error means that a provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // One thread handles thousands of resources. A second one takes a tenth more CPU and makes a rollout no faster.
    // Long computations, such as opening an encrypted key, run on blocking threads.
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()
}
