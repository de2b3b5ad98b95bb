//! The flags of `run`, from the command line's own definition.

use std::fmt::Write as _;

use clap::{Arg, CommandFactory as _};
use waflows_operator::cli::Cli;

const HEAD: &str = "\
# Flags of `waflows-operator run`

Each can be given in the environment as well. `waflows-operator run --help` has the same list.

<!-- written by `make generate` from src/cli -->
";

/// The page.
pub(crate) fn page() -> String {
    let command = Cli::command();
    let run = command.find_subcommand("run").expect("the command");
    let mut page = HEAD.to_owned();
    let mut heading = None;
    for flag in run.get_arguments().filter(|flag| !flag.is_hide_set() && flag.get_env().is_some()) {
        if heading != Some(flag.get_help_heading()) {
            heading = Some(flag.get_help_heading());
            let title = flag.get_help_heading().unwrap_or("Others");
            write!(page, "\n## {title}\n\n| flag | environment | default | meaning |\n|---|---|---|---|\n")
                .expect("a String");
        }
        writeln!(page, "{}", row(flag)).expect("a String");
    }
    page
}

fn row(flag: &Arg) -> String {
    let name = flag.get_long().unwrap_or_default();
    let variable = flag.get_env().and_then(|name| name.to_str()).unwrap_or_default();
    let defaults: Vec<_> = flag.get_default_values().iter().filter_map(|value| value.to_str()).collect();
    let default = match (defaults.join(","), flag.get_action().takes_values()) {
        (value, true) if !value.is_empty() => format!("`{value}`"),
        (_, true) => String::new(),
        (_, false) => "off".to_owned(),
    };
    let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    format!("| `--{name}` | `{variable}` | {default} | {help} |")
}
