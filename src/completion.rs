//! Completion in shells: commands, flags, and the names of resources, namespaces and contexts.
//!
//! The script of `completion` calls this program for each word ([`run_from_env`]). `kubectl waflows` completes through a
//! file `kubectl_complete-waflows` on the PATH, which is a link to this program ([`for_kubectl`]).

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Command, CommandFactory as _};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};
use clap_complete::env::Shells;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;

use crate::cli::{Cli, ClusterArgs, CompletionShell, SelectArgs};
use crate::verbs::connection::{Connection, contexts};
use crate::verbs::selection::Selection;

/// The variable with which the script calls this program.
const VARIABLE: &str = "WAFLOWS_COMPLETE";
/// The first word of a request for [`for_kubectl`], where the name of the program does not say so.
pub const REQUEST: &str = "__complete";
/// Whoever presses the tab key does not wait longer.
const PATIENCE: Duration = Duration::from_secs(2);
/// cobra's directive for "offer no files".
const NO_FILES: &str = ":4";

/// Answers the shell, if the script called this program. Ends the process then.
pub fn run_from_env() {
    if std::env::var_os(VARIABLE).is_some() {
        CompleteEnv::with_factory(command).var(VARIABLE).complete();
    }
}

/// The script for a shell.
///
/// # Errors
/// Never in practice: the script is written into memory.
pub fn script(shell: CompletionShell, program: &str) -> io::Result<String> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let shell = shells.completer(shell.as_str()).ok_or(io::ErrorKind::Unsupported)?;
    shell.write_registration(VARIABLE, program, program, program, &mut script)?;
    String::from_utf8(script).map_err(io::Error::other)
}

/// The candidates for the last of these words, as kubectl asks for them.
///
/// # Errors
/// If the words are no text.
pub fn for_kubectl(words: impl Iterator<Item = OsString>) -> io::Result<String> {
    let words: Vec<_> = std::iter::once(OsString::from("kubectl-waflows")).chain(words).collect();
    let last = words.len() - 1;
    let mut text = String::new();
    for candidate in complete(&mut command(), words, last, None)? {
        let help = candidate.get_help().map(|help| format!("\t{help}").lines().next().unwrap_or_default().to_owned());
        text += &format!("{}{}\n", candidate.get_value().to_string_lossy(), help.unwrap_or_default());
    }
    Ok(text + NO_FILES + "\n")
}

/// The command line with completers for names.
fn command() -> Command {
    let verbs: Vec<_> = Cli::command().get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    verbs.into_iter().fold(Cli::command(), |cli, verb| cli.mut_subcommand(verb, |verb| verb.mut_args(with_completer)))
}

fn with_completer(arg: clap::Arg) -> clap::Arg {
    let takes_values = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let completer: fn(&OsStr) -> Vec<CompletionCandidate> = match arg.get_id().as_str() {
        "names" | "name" => names,
        "namespace" => namespaces,
        "context" => context_names,
        _ => return arg,
    };
    if takes_values { arg.add(ArgValueCompleter::new(completer)) } else { arg }
}

fn names(word: &OsStr) -> Vec<CompletionCandidate> {
    let select = SelectArgs { cluster: cluster(), namespace: typed(&["-n", "--namespace"]), ..SelectArgs::default() };
    let found = blocking(async {
        let connection = Connection::open(&select.cluster).await.ok()?;
        let selection = Selection::of(&select, &connection).ok()?;
        selection.read(|resource| Some(resource.key.name.to_string())).await.ok()
    });
    candidates(found, word)
}

fn namespaces(word: &OsStr) -> Vec<CompletionCandidate> {
    let found = blocking(async {
        let connection = Connection::open(&cluster()).await.ok()?;
        let all = Api::<Namespace>::all(connection.client).list_metadata(&ListParams::default()).await.ok()?;
        Some(all.items.into_iter().filter_map(|it| it.metadata.name).collect())
    });
    candidates(found, word)
}

fn context_names(word: &OsStr) -> Vec<CompletionCandidate> {
    candidates(Some(contexts(&cluster())), word)
}

fn candidates(found: Option<Vec<String>>, word: &OsStr) -> Vec<CompletionCandidate> {
    let word = word.to_string_lossy();
    let fitting = found.into_iter().flatten().filter(|name| name.starts_with(&*word));
    fitting.map(CompletionCandidate::new).collect()
}

/// The cluster that the typed words name.
fn cluster() -> ClusterArgs {
    ClusterArgs { context: typed(&["--context"]), kubeconfig: typed(&["--kubeconfig"]).map(PathBuf::from) }
}

/// The value of a flag among the typed words. A completer sees only its own word.
fn typed(flags: &[&str]) -> Option<String> {
    let words: Vec<_> = std::env::args().collect();
    let behind = words.windows(2).find(|pair| flags.contains(&pair[0].as_str())).map(|pair| pair[1].clone());
    let joined = || {
        let long = flags.iter().map(|flag| format!("{flag}="));
        long.into_iter().find_map(|flag| words.iter().find_map(|word| word.strip_prefix(&flag).map(str::to_owned)))
    };
    behind.or_else(joined).filter(|value| !value.is_empty())
}

/// Runs to the end, or gives up: an error would appear in the middle of the user's command line.
fn blocking<T>(work: impl Future<Output = Option<T>>) -> Option<T> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async { tokio::time::timeout(PATIENCE, work).await.ok().flatten() })
}
