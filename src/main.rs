//! The `waflows-operator` command.

use std::error::Error;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches as _};
use waflows_core::api::crd;
use waflows_operator::app::StartError;
use waflows_operator::cli::{Cli, Command, CrdFormat};
use waflows_operator::command_output::CommandOutput;
use waflows_operator::completion;
use waflows_operator::json_schema::json_schema;
use waflows_operator::plugin::CalledAs;
use waflows_operator::{app, check, inspect, numbers, ping, ready, token, verbs};

/// Exit code for wrong usage, the same as clap's. Also the exit code of a command that reached no verdict.
const WRONG_USAGE: u8 = 2;
/// The same with --detailed-exitcode.
const DETAILED_NO_VERDICT: u8 = 3;
const PROGRAM: &str = "waflows-operator";

/// Returns memory after a rollout, unlike the C library's allocator. Its settings are in `.cargo/config.toml`. Only the
/// operator needs it, and the operator runs on Linux.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    completion::run_from_env();
    let called_as = CalledAs::of(std::env::args_os().next().as_deref());
    let is_asked = std::env::args_os().nth(1).is_some_and(|word| word == completion::REQUEST);
    if called_as == CalledAs::PluginCompletion || is_asked {
        return ended(print_completion(1 + usize::from(is_asked)), 1);
    }
    let parsed = called_as.command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let without_verdict = without_verdict(&cli.command);
    ended(dispatch(cli.command), without_verdict)
}

/// Prints help, or what is wrong with the command line.
fn misused(error: &clap::Error) -> ExitCode {
    // As clap does: a closed pipe is no failure.
    let _ = error.print();
    let is_detailed = std::env::args_os().any(|word| word == "--detailed-exitcode");
    ExitCode::from(match error.exit_code() {
        0 => 0,
        _ if is_detailed => DETAILED_NO_VERDICT,
        _ => WRONG_USAGE,
    })
}

/// The exit code of a command that fails. Of most commands, 1 means that a person must act.
fn without_verdict(command: &Command) -> u8 {
    match command {
        Command::Run(_) | Command::Crd(_) | Command::Completion { .. } | Command::Completions { .. } => 1,
        Command::Check(args) if args.detailed_exitcode => DETAILED_NO_VERDICT,
        _ => WRONG_USAGE,
    }
}

/// The exit code. Prints the error, if there is one.
fn ended(result: Result<ExitCode, Box<dyn Error>>, without_verdict: u8) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("{PROGRAM}: {error}");
        let is_wrong_usage = error.downcast_ref().is_some_and(StartError::is_wrong_usage);
        ExitCode::from(if is_wrong_usage { without_verdict.max(WRONG_USAGE) } else { without_verdict })
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
        Command::Numbers(args) => runtime()?.block_on(numbers::run(&args))?,
        Command::Ping(args) => runtime()?.block_on(ping::run(&args))?,
        Command::Ready(args) => runtime()?.block_on(ready::run(&args))?,
        Command::Token(args) => runtime()?.block_on(token::run(&args))?,
        Command::Status(args) => runtime()?.block_on(verbs::status(&args))?,
        Command::Sync(args) => runtime()?.block_on(verbs::sync(&args))?,
        Command::Wait(args) => runtime()?.block_on(verbs::wait(&args))?,
        Command::Suspend(args) => runtime()?.block_on(verbs::suspend(&args))?,
        Command::Resume(args) => runtime()?.block_on(verbs::resume(&args))?,
        Command::Rotate(args) => runtime()?.block_on(verbs::rotate(&args))?,
        Command::Proceed(args) => runtime()?.block_on(verbs::proceed(&args))?,
        Command::Abort(args) => runtime()?.block_on(verbs::abort(&args))?,
        Command::Version(args) => runtime()?.block_on(verbs::version(&args))?,
        Command::Report(args) => runtime()?.block_on(verbs::report(&args))?,
        Command::Crd(args) => CommandOutput::new(match args.format {
            CrdFormat::Yaml => crd::manifest()?,
            CrdFormat::JsonSchema => json_schema()?,
        }),
        Command::Completion { shell } => CommandOutput::new(completion::script(shell, PROGRAM)?),
        Command::Completions { shell } => {
            eprintln!("waflows-operator: note: completions is called completion now; the old name still works");
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), PROGRAM, &mut script);
            CommandOutput::new(String::from_utf8(script)?)
        }
        Command::Man { folder } => {
            clap_mangen::generate_to(Cli::command(), &folder)?;
            CommandOutput::new(format!("Wrote the manual pages into {}.\n", folder.display()))
        }
    };
    output.print()?;
    Ok(ExitCode::from(output.exit_code))
}

/// Completes the words behind the first few.
fn print_completion(skipped: usize) -> Result<ExitCode, Box<dyn Error>> {
    CommandOutput::new(completion::for_kubectl(std::env::args_os().skip(skipped))?).print()?;
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    // The only TLS provider of the process. An error means that a provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // One thread handles thousands of resources. A second one takes a tenth more CPU and makes a rollout no faster.
    // Long computations, such as opening an encrypted key, run on blocking threads.
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
