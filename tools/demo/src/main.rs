//! `make demo`: the whole operator at work on this machine. A real API server, an emulator of Meta's Graph API, the
//! operator's binary, and the commands a user would type, with what they print.

mod error;
mod flow;
mod latency;
mod operator;
mod rotation;
mod scene;
mod shell;
mod story;
mod wait;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::Error;
use crate::flow::Flow;
use crate::operator::Operator;
use crate::scene::Scene;

/// Shows the whole operator at work on this machine, step by step.
#[derive(Debug, Parser)]
struct Arguments {
    /// Leave everything up at the end, until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// The operator's binary; by default the one beside this program.
    #[arg(long, value_name = "FILE")]
    operator: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => {
            println!("All is stopped and removed.");
            ExitCode::SUCCESS
        }
        Err(Error::Interrupted) => {
            eprintln!("\nInterrupted; all is stopped and removed.");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("\ndemo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whatever ends this, dropping `operator` and then `scene` stops all that runs.
async fn run(arguments: Arguments) -> Result<(), Error> {
    let start = Instant::now();
    let binary = operator::binary(arguments.operator)?;
    let mut interruption = pin!(interruption()?);
    let scene = tokio::select! {
        scene = Scene::set_up() => scene?,
        () = &mut interruption => return Err(Error::Interrupted),
    };
    let mut operator = Operator::start(&binary, &scene)?;
    let outcome = tokio::select! {
        outcome = play(&scene, operator.address()) => outcome,
        error = operator.ended() => Err(error),
        () = &mut interruption => return Err(Error::Interrupted),
    };
    match &outcome {
        Ok(_) => println!("\nEvery step happened, in {:.1} s.", start.elapsed().as_secs_f64()),
        Err(error) => {
            eprintln!("\ndemo: {error}");
            scene.show_what_is_there().await;
            operator.show_log();
        }
    }
    if arguments.keep {
        scene.explain(operator.log(), operator.address());
        interruption.await;
    }
    outcome?;
    operator.stop()
}

/// All steps. The customers go on as long as the result lives.
async fn play(scene: &Scene, address: SocketAddr) -> Result<Flow, Error> {
    story::play(scene, address).await?;
    rotation::play(scene).await
}

/// Resolves at Ctrl-C, and at the polite requests to end.
fn interruption() -> Result<impl Future<Output = ()>, Error> {
    let listen = |kind| signal(kind).map_err(|source: io::Error| Error::Signals { source });
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}
