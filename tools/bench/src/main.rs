//! `make bench`: how fast the operator is and what it costs. The release binaries of the operator and of the Graph API
//! emulator run as processes on a real API server, one pair for each scenario.

mod audit;
mod error;
mod fleet;
mod graph;
mod machine;
mod operator;
mod progress;
mod report;
mod scenarios;
mod usage;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;
use supervised::beside;

use crate::error::Error;
use crate::machine::Machine;
use crate::report::Report;
use crate::scenarios::Scenario;
use crate::world::Programs;

/// Measures the operator on this machine, on a real API server with an emulator of Meta's Graph API.
#[derive(Debug, Parser)]
struct Arguments {
    /// Names of scenarios, or what they begin with (see docs/performance.md); all where none is given.
    scenarios: Vec<String>,
    /// Where the figures go; by default bench.json in the target folder.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The operator's binary; by default the one beside this program.
    #[arg(long, value_name = "FILE")]
    operator: Option<PathBuf>,
    /// The operator to compare with (`tools/bench/peer`); by default the one beside this program.
    #[arg(long, value_name = "FILE")]
    peer: Option<PathBuf>,
}

#[derive(Serialize)]
struct Bench {
    machine: Machine,
    scenarios: Vec<Report>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = tokio::select! {
        outcome = run(Arguments::parse()) => outcome,
        _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("\nbench: not all holds that must");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("\nbench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all holds that must.
async fn run(arguments: Arguments) -> Result<bool, Error> {
    harness::tls::install_provider();
    let chosen = chosen(&arguments.scenarios)?;
    let own_path = || Error::io("looking for the other programs");
    let programs = Programs {
        operator: existing(arguments.operator.map_or_else(|| beside("waflows-operator"), Ok).map_err(own_path())?)?,
        emulator: existing(beside("graph-emulator").map_err(own_path())?)?,
        // Only one scenario needs the other operator.
        peer: arguments.peer.map_or_else(|| beside("peer"), Ok).map_err(own_path())?,
    };
    let json = arguments.json.map_or_else(beside_own_folder, Ok).map_err(own_path())?;

    let machine = Machine::describe(&programs.operator)?;
    machine.print();
    let mut bench = Bench { machine, scenarios: Vec::new() };
    for scenario in chosen {
        let mut report = scenario.run(&programs).await?;
        report.load_average = machine::load_average()?;
        report.print();
        bench.scenarios.push(report);
        // After each, so that a later failure loses nothing.
        write(&json, &bench)?;
    }
    println!("\nThe figures are in {}", json.display());
    Ok(bench.scenarios.iter().all(Report::holds))
}

/// bench.json in the target folder, where this program is in the folder of its profile.
fn beside_own_folder() -> std::io::Result<PathBuf> {
    let here = beside("bench.json")?;
    Ok(here.ancestors().nth(2).unwrap_or(&here).join("bench.json"))
}

fn chosen(names: &[String]) -> Result<Vec<Scenario>, Error> {
    let all = scenarios::all();
    let is_named = |scenario: &Scenario, name: &String| scenario.name.starts_with(name.as_str());
    if let Some(name) = names.iter().find(|name| !all.iter().any(|scenario| is_named(scenario, name))) {
        let known: Vec<_> = all.iter().map(|scenario| scenario.name).collect();
        return Err(Error::UnknownScenario { name: name.clone(), known: known.join(", ") });
    }
    let is_chosen = |scenario: &Scenario| names.is_empty() || names.iter().any(|name| is_named(scenario, name));
    Ok(all.into_iter().filter(is_chosen).collect())
}

fn existing(path: PathBuf) -> Result<PathBuf, Error> {
    if path.is_file() { Ok(path) } else { Err(Error::NoProgram { path }) }
}

fn write(path: &Path, bench: &Bench) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(bench);
    let text = text.map_err(|source| Error::Json { path: path.to_owned(), source })?;
    std::fs::write(path, text + "\n").map_err(Error::io(format!("writing {}", path.display())))
}
