//! The page of all commands, from the command line's own definition.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};
use waflows_operator::cli::Cli;
use waflows_operator::cli::verbs::rights::{RIGHTS, Right};

/// The commands, in the order in which the page explains them.
const GROUPS: [(&str, &[&str]); 6] = [
    ("Every day", &["status", "sync", "wait", "suspend", "resume"]),
    ("A new key", &["rotate", "proceed", "abort"]),
    ("Before a change", &["check", "inspect", "ping"]),
    ("At Meta", &["numbers", "token"]),
    ("Help with problems", &["version", "ready", "report"]),
    ("Set up", &["crd", "completion", "man", "run"]),
];

/// The sections of the page.
pub(crate) fn sections() -> String {
    let cli = Cli::command();
    let mut page = String::from("\n");
    for (title, verbs) in GROUPS {
        write!(page, "## {title}\n\n").expect("a String");
        for verb in verbs {
            section(&mut page, cli.find_subcommand(verb).expect("the command"));
        }
    }
    assert_eq!(shown(&cli), GROUPS.iter().map(|(_, verbs)| verbs.len()).sum::<usize>(), "every command has a place");
    page
}

fn shown(cli: &Command) -> usize {
    cli.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help").count()
}

fn section(page: &mut String, command: &Command) {
    let name = command.get_name();
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    write!(page, "### {name}\n\n{about}\n\n").expect("a String");
    if name == "run" {
        page.push_str("Flags: [flags.md](flags.md).\n\n");
        return;
    }
    let examples = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let commands: Vec<_> = examples.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    write!(page, "```console\n{}\n```\n\n", commands.join("\n").trim()).expect("a String");
    let flags: Vec<_> = command.get_arguments().filter(|flag| !flag.is_hide_set() && flag.get_id() != "help").collect();
    if !flags.is_empty() {
        page.push_str("| flag | default | meaning |\n|---|---|---|\n");
        flags.into_iter().for_each(|flag| writeln!(page, "{}", row(flag)).expect("a String"));
        page.push('\n');
    }
    let rights = RIGHTS.iter().find(|rights| rights.verb == name);
    if let Some(rights) = rights {
        let needs = if rights.needs.is_empty() { "none".to_owned() } else { listed(rights.needs) };
        write!(page, "Rights that it needs: {needs}.").expect("a String");
        if !rights.helps.is_empty() {
            write!(page, " It shows more with: {}.", listed(rights.helps)).expect("a String");
        }
        page.push_str("\n\n");
    }
}

fn listed(rights: &[Right]) -> String {
    let each = rights.iter().map(|(verbs, resource)| format!("{} `{resource}`", verbs.replace(',', ", ")));
    each.collect::<Vec<_>>().join("; ")
}

fn row(flag: &Arg) -> String {
    let value = flag.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default();
    let name = match (flag.get_short(), flag.get_long()) {
        (_, None) => format!("`{value}`"),
        (short, Some(long)) => {
            let value = if flag.get_action().takes_values() { format!(" {value}") } else { String::new() };
            let short = short.map(|short| format!("`-{short}`, ")).unwrap_or_default();
            format!("{short}`--{long}{value}`")
        }
    };
    let defaults: Vec<_> = flag.get_default_values().iter().filter_map(|value| value.to_str()).collect();
    let takes = flag.get_action().takes_values();
    let default = if defaults.is_empty() || !takes { String::new() } else { format!("`{}`", defaults.join(",")) };
    let mut help = flag.get_help().map(ToString::to_string).unwrap_or_default();
    let values: Vec<_> = flag.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    if takes && !values.is_empty() {
        write!(help, ": {}", values.join(", ")).expect("a String");
    }
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    format!("| {name} | {default} | {help} |")
}
