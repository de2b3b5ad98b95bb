//! The names under which this program is called: as itself, and as a plugin of kubectl.

use std::ffi::OsStr;
use std::path::Path;

use clap::{Command, CommandFactory as _};

use crate::cli::Cli;

const PROGRAM: &str = "waflows-operator";
const PLUGIN: &str = "kubectl-waflows";
const PLUGIN_COMPLETION: &str = "kubectl_complete-waflows";
/// How a user calls the plugin.
const AS_PLUGIN: &str = "kubectl waflows";

/// How this program was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalledAs {
    /// By its own name, or by an unknown one.
    Program,
    /// By kubectl, for `kubectl waflows`.
    Plugin,
    /// By kubectl, to complete words after `kubectl waflows`.
    PluginCompletion,
}

impl CalledAs {
    /// Reads the first word of the process.
    pub fn of(word: Option<&OsStr>) -> Self {
        let name = word.and_then(|word| Path::new(word).file_stem()).and_then(OsStr::to_str).unwrap_or_default();
        match name {
            PLUGIN => Self::Plugin,
            PLUGIN_COMPLETION => Self::PluginCompletion,
            _ => Self::Program,
        }
    }

    /// The command line, with help that names the program as the user does.
    pub fn command(self) -> Command {
        match self {
            Self::Program => Cli::command(),
            Self::Plugin | Self::PluginCompletion => renamed(Cli::command()).name(PLUGIN).bin_name(AS_PLUGIN),
        }
    }
}

/// The command with examples for the plugin.
fn renamed(mut command: Command) -> Command {
    let help = command.get_after_long_help().map(|help| help.to_string());
    if let Some(help) = help {
        command = command.after_long_help(help.replace(&format!("{PROGRAM} "), &format!("{AS_PLUGIN} ")));
    }
    command.mut_subcommands(renamed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_file_says_who_calls() {
        let of = |word: &str| CalledAs::of(Some(OsStr::new(word)));
        assert_eq!(of("/usr/local/bin/kubectl-waflows"), CalledAs::Plugin);
        assert_eq!(of("kubectl-waflows.exe"), CalledAs::Plugin);
        assert_eq!(of("kubectl_complete-waflows"), CalledAs::PluginCompletion);
        assert_eq!(of("/waflows-operator"), CalledAs::Program);
        assert_eq!(CalledAs::of(None), CalledAs::Program);
    }

    #[test]
    fn the_help_of_the_plugin_names_the_plugin() {
        let mut command = CalledAs::Plugin.command();
        let status = command.find_subcommand_mut("status").unwrap().render_long_help().to_string();
        assert!(
            status.contains("kubectl waflows status -A") && !status.contains("waflows-operator status"),
            "{status}"
        );
    }
}
