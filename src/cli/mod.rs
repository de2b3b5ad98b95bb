//! The command line. Every flag of `run` can also be set in the environment.

mod check;
mod common;
mod credentials;
mod endpoint;
mod graph;
mod inspect;
mod numbers;
mod ping;
mod ready;
mod token;
pub mod verbs;
mod words;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};
use clap_complete::Shell;

pub use check::{CheckArgs, CheckFormat};
use common::KUBERNETES;
pub use common::{LogFormat, OutputFormat};
pub use credentials::CredentialArgs;
pub use endpoint::EndpointArgs;
pub use graph::GraphArgs;
pub use inspect::InspectArgs;
pub use numbers::{NumbersArgs, NumbersFormat};
pub use ping::PingArgs;
pub use ready::ReadyArgs;
pub use token::TokenArgs;
pub use verbs::{
    ChangeArgs, ClusterArgs, Color, CompletionShell, CrdArgs, CrdFormat, ListFormat, LookArgs, OneArgs, ReportArgs,
    RotateArgs, SelectArgs, StatusArgs, SteerArgs, SyncArgs, VersionArgs, WaitArgs,
};
use words::{duration, log_level, name, namespace, selector};

/// Keeps the encryption key of WhatsApp Flows on every phone number.
///
/// Declare in a FlowsEncryptionKey which key belongs on which phone numbers. `run` is the operator: it uploads the key
/// through Meta's Graph API and keeps it on the numbers. `status`, `sync`, `wait`, `suspend` and `resume` are for every
/// day. `check` says what the operator would do, `inspect` what a key file holds, `ping` whether an endpoint has the
/// private half of a key; these three change nothing. As `kubectl-waflows` on the PATH, the same program is `kubectl
/// waflows`.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_long_help = EXAMPLES)]
pub struct Cli {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  waflows-operator crd | kubectl apply --server-side -f -
  waflows-operator run --http-address 127.0.0.1:8080
  waflows-operator status -A --only-bad
  waflows-operator sync storefront --wait
  waflows-operator check -f storefront.yaml -f secrets.yaml
  waflows-operator inspect private.pem
  waflows-operator ping https://flows.example.com/flows --key private.pem
  waflows-operator token storefront
  source <(waflows-operator completion bash)

`waflows-operator COMMAND --help` explains each command.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator against the cluster of the current kubeconfig, or the cluster that it runs in.
    ///
    /// Runs until SIGTERM or Ctrl-C. Every flag can also be set in the environment, under the name shown beside it. If
    /// a flag is given twice, the last one counts; --namespaces add up.
    #[command(
        args_override_self = true,
        after_long_help = "\
Examples:
  waflows-operator run --http-address 127.0.0.1:8080
  waflows-operator run --namespaces shop,support --default-check-interval 30m
  waflows-operator run --leader-election --lease-namespace waflows --log-format json"
    )]
    Run(Box<RunArgs>),
    /// Say what the operator would do, and what is wrong, without changing anything.
    ///
    /// Reads FlowsEncryptionKeys from manifests or from the cluster, validates them against the definition, reads their
    /// keys, and asks Meta what each number holds. Never uploads.
    ///
    /// Exit code: 0 if nothing is wrong, or the operator's uploads will correct it; 1 if a person must act; 2 if there
    /// is no verdict, for example because Meta does not answer. --detailed-exitcode has others.
    #[command(after_long_help = check::EXAMPLES)]
    Check(Box<CheckArgs>),
    /// Say what a key file holds, with its fingerprint, or what is wrong with the file.
    ///
    /// Accepts the same formats as a Secret for `privateKeySecretRef` or `certificateSecretRef`, and as the field
    /// `publicKey`. Never prints a private key.
    ///
    /// Exit code: 0 if the operator can use the key, 1 if not, 2 if a file cannot be read. The field `publicKey`
    /// accepts only a public key in PEM: --public-key prints it for any format.
    #[command(after_long_help = inspect::EXAMPLES)]
    Inspect(InspectArgs),
    /// Ask a Flow endpoint whether it has the private half of a key.
    ///
    /// Sends the health check that Meta sends, encrypted with the key, and says what the answer means. Needs no cluster
    /// and no token, and changes nothing. The key does not have to be on any number yet. Shows nothing of the answer
    /// except its HTTP status.
    ///
    /// Exit code: 0 if the endpoint answers correctly; 1 if a person must act; 2 if there is no verdict, because the
    /// endpoint cannot be reached or takes more than 10 seconds, or because the command line or a file is wrong.
    #[command(after_long_help = ping::EXAMPLES)]
    Ping(PingArgs),
    /// List the numbers of a WhatsApp Business Account, and what each holds.
    ///
    /// Asks Meta with a token from a file or of a resource in the cluster, and changes nothing. Prints a table, JSON, or a
    /// FlowsEncryptionKey for the account.
    ///
    /// Exit code: 0 if all numbers were read; 1 if a person must correct the ID, the token or a permission; 2 if Meta does
    /// not answer, or the command line, a file or a Secret is wrong.
    #[command(after_long_help = numbers::EXAMPLES)]
    Numbers(Box<NumbersArgs>),
    /// Say what an access token may do, and until when.
    ///
    /// Asks Meta about a token from a file or of a resource in the cluster, with the token itself or with the app's own
    /// token, and changes nothing. Never prints the token.
    ///
    /// Exit code: 0 if the token can upload keys for more than two weeks; 1 if a person must act; 2 if Meta tells nothing,
    /// or the command line, a file or a Secret is wrong.
    #[command(after_long_help = token::EXAMPLES)]
    Token(Box<TokenArgs>),
    /// Ask a running operator whether it is ready.
    ///
    /// Prints what `/readyz` says. For `helm test` and for health checks of containers: the image has no other program.
    ///
    /// Exit code: 0 if the operator is ready, 1 if not, 2 if nobody answers.
    #[command(after_long_help = "\
Examples:
  waflows-operator ready
  waflows-operator ready http://waflows-operator-metrics.waflows.svc:8080/readyz --wait 30s")]
    Ready(ReadyArgs),
    /// Show which resources and numbers need a person, and what to do.
    ///
    /// One line for each resource. Below it: what to do, and each number that needs a person, with Meta's trace id. Then
    /// the operator, where you may see it. Needs no token, asks only the API server, and changes nothing.
    ///
    /// Exit code: 0 if nobody has to act, 1 if a person must act, 2 if the resources cannot be read.
    #[command(after_long_help = verbs::STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Ask the operator to check resources now.
    ///
    /// The operator asks Meta about every number, and forgets its backoffs. With --wait, prints how the check ended.
    ///
    /// Exit code: 0 if the request was made, and with --wait if every resource is Ready; 1 if a person must act; 2 if
    /// there is no verdict within --timeout, or a resource cannot be changed.
    #[command(after_long_help = verbs::SYNC_EXAMPLES)]
    Sync(SyncArgs),
    /// Wait until resources are Ready, and end at once if a person must act.
    ///
    /// Exit code: 0 if every resource is Ready, 1 if a person must act, 2 if there is no verdict within --timeout.
    #[command(after_long_help = verbs::WAIT_EXAMPLES)]
    Wait(WaitArgs),
    /// Stop all work on resources. Their last status stays.
    ///
    /// A suspended resource owns no number. Exit code: 0 if all are suspended, 2 if one cannot be changed.
    #[command(after_long_help = verbs::SUSPEND_EXAMPLES)]
    Suspend(ChangeArgs),
    /// Let the operator work on suspended resources again. It reads every number at once.
    ///
    /// Exit code: 0 if none is suspended any more, 2 if one cannot be changed.
    #[command(after_long_help = verbs::RESUME_EXAMPLES)]
    Resume(ChangeArgs),
    /// Give the numbers of a resource another key, and follow the rotation.
    ///
    /// Shows the old and the new fingerprint, and asks before it writes. With --key-file, writes the key into the Secret that
    /// the resource refers to; with --to, changes the reference. Then shows the phases until every number has the new key.
    /// Give the key to your endpoint, too: see docs/rotation.md.
    ///
    /// Exit code: 0 if every number has the new key, or nothing had to be written; 1 if a person must act, or the operator
    /// went back to the old key; 2 if nothing could be written, or the rotation is not over within --timeout.
    #[command(after_long_help = verbs::ROTATE_EXAMPLES)]
    Rotate(Box<RotateArgs>),
    /// End the present wait of a rotation: the soak, the overlap, or the stop after a rollback.
    ///
    /// Sets the annotation `waflows.dev/proceed-requested-at`, and waits until the operator has seen it. Exit code: 0, or 1 if
    /// no rotation is going on, or 2 if the operator does not react.
    #[command(after_long_help = verbs::PROCEED_EXAMPLES)]
    Proceed(SteerArgs),
    /// Make a rotation go back to the old key.
    ///
    /// Sets the annotation `waflows.dev/abort-requested-at`, and waits until the operator has seen it. Exit code: 0 if the
    /// numbers get the old key back; 1 if no rotation is going on, or the operator cannot go back; 2 if the operator does not
    /// react.
    #[command(after_long_help = verbs::ABORT_EXAMPLES)]
    Abort(SteerArgs),
    /// Print the CustomResourceDefinition, or a JSON schema for editors.
    #[command(after_long_help = verbs::CRD_EXAMPLES)]
    Crd(CrdArgs),
    /// Print the versions of this program, the operators and the definition in the cluster.
    ///
    /// Exit code: 0, or 2 if the cluster does not answer.
    #[command(after_long_help = verbs::VERSION_EXAMPLES)]
    Version(VersionArgs),
    /// Write an archive for a bug report, without credentials.
    ///
    /// Holds the resources with their status and events, and the operator's Deployment, pods and log, as far as you may
    /// read them. Reads no value of a Secret, and replaces what looks like a credential.
    ///
    /// Exit code: 0 if the archive was written, 2 if not.
    #[command(after_long_help = verbs::REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Print a script that completes commands, flags, and the names of resources in a shell.
    #[command(after_long_help = verbs::COMPLETION_EXAMPLES)]
    Completion {
        /// The shell.
        shell: CompletionShell,
    },
    /// Print a script that completes commands and flags, but no names of resources.
    #[command(
        hide = true,
        after_long_help = "\
Example:
  source <(waflows-operator completions bash)"
    )]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the manual pages into a folder.
    #[command(after_long_help = verbs::MAN_EXAMPLES)]
    Man {
        /// The folder, which must exist.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
}

/// Flags of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Flags for calls to Meta.
    #[command(flatten)]
    pub graph: GraphArgs,

    // A reconcile waits most of its time: for Secrets, for Meta, for status writes. Most resources have few numbers. 16 at a
    // time hide these waits, and bound the credentials in memory.
    /// Resources that are reconciled at the same time.
    #[arg(long, env = "WAFLOWS_CONCURRENCY", default_value = "16", value_name = "N", help_heading = WORK)]
    pub concurrency: NonZeroU32,

    /// How often the operator checks a number, if the resource does not set an interval; at least 1m, at most 720h.
    #[arg(long, env = "WAFLOWS_DEFAULT_CHECK_INTERVAL", default_value = "1h", value_parser = duration, value_name = "DURATION", help_heading = WORK)]
    pub default_check_interval: Duration,

    /// Whether the operator asks Meta once a day when each access token expires, and what it lacks.
    #[arg(long, env = "WAFLOWS_TOKEN_INSPECTION", default_value_t = true, action = ArgAction::Set, value_name = "BOOL", help_heading = WORK)]
    pub token_inspection: bool,

    /// Namespaces to watch, separated by commas. Default: all.
    #[arg(long, env = "WAFLOWS_NAMESPACES", value_delimiter = ',', value_parser = namespace, value_name = "NAMES", help_heading = KUBERNETES)]
    pub namespaces: Vec<String>,

    /// Label selector of namespaces: reconcile only the resources in namespaces with these labels, now and later. Needs
    /// permission to list and watch namespaces. Cannot be used with --namespaces.
    #[arg(long, env = "WAFLOWS_NAMESPACE_SELECTOR", value_parser = selector, value_name = "LABELS", help_heading = KUBERNETES)]
    pub namespace_selector: Option<String>,

    /// Label selector: reconcile only resources with these labels, so that several deployments can share a cluster.
    #[arg(long, env = "WAFLOWS_SELECTOR", value_parser = selector, value_name = "LABELS", help_heading = KUBERNETES)]
    pub selector: Option<String>,

    /// Flags for requests to Flow endpoints.
    #[command(flatten)]
    pub endpoint: EndpointArgs,

    /// Elect a leader on a Lease, so that several replicas can run and one works.
    #[arg(long, env = "WAFLOWS_LEADER_ELECTION", help_heading = ELECTION)]
    pub leader_election: bool,

    /// Namespace of the Lease. Default: the operator's own namespace.
    #[arg(long, env = "WAFLOWS_LEASE_NAMESPACE", value_parser = namespace, value_name = "NAME", help_heading = ELECTION)]
    pub lease_namespace: Option<String>,

    /// Name of the Lease. Deployments that share a namespace need different names.
    #[arg(long, env = "WAFLOWS_LEASE_NAME", default_value = "waflows-operator", value_parser = name, value_name = "NAME", help_heading = ELECTION)]
    pub lease_name: String,

    /// How long the Lease is valid after its last renewal.
    #[arg(long, env = "WAFLOWS_LEASE_DURATION", default_value = "15s", value_parser = duration, value_name = "DURATION", help_heading = ELECTION)]
    pub lease_duration: Duration,

    /// How long a leader that cannot renew the Lease continues to work.
    #[arg(long, env = "WAFLOWS_RENEW_DEADLINE", default_value = "10s", value_parser = duration, value_name = "DURATION", help_heading = ELECTION)]
    pub renew_deadline: Duration,

    /// Address of /healthz and /readyz, and of /metrics if it has no address of its own.
    #[arg(long, env = "WAFLOWS_HTTP_ADDRESS", default_value = "0.0.0.0:8080", value_name = "ADDRESS", help_heading = OBSERVABILITY)]
    pub http_address: SocketAddr,

    /// Address of /metrics, if it should not be beside the probes. Default: --http-address serves it.
    #[arg(long, env = "WAFLOWS_METRICS_ADDRESS", value_name = "ADDRESS", help_heading = OBSERVABILITY)]
    pub metrics_address: Option<SocketAddr>,

    /// Serve /metrics only to those who may get it: the API server decides by the bearer token of the request. Needs
    /// permission to create TokenReviews and SubjectAccessReviews.
    #[arg(long, env = "WAFLOWS_METRICS_AUTHORIZATION", help_heading = OBSERVABILITY)]
    pub metrics_authorization: bool,

    /// Whether each resource has its own series in /metrics. If false, series are added up over all resources.
    #[arg(long, env = "WAFLOWS_METRICS_PER_RESOURCE", default_value_t = true, action = ArgAction::Set, value_name = "BOOL", help_heading = OBSERVABILITY)]
    pub metrics_per_resource: bool,

    /// Format of the log.
    #[arg(long, env = "WAFLOWS_LOG_FORMAT", default_value = "text", help_heading = OBSERVABILITY)]
    pub log_format: LogFormat,

    /// Level of the log: error, warn, info, debug or trace, or levels by target such as `info,kube=debug`. If every
    /// level has a target, all other targets have level info.
    #[arg(long, env = "WAFLOWS_LOG_LEVEL", default_value = "info", value_parser = log_level, value_name = "LEVEL", help_heading = OBSERVABILITY)]
    pub log_level: String,

    /// Factor for every wait of the operator; for tests.
    #[arg(long, env = "WAFLOWS_WAIT_SCALE", default_value_t = 1.0, hide = true)]
    pub wait_scale: f64,
}

/// Group headings in `--help`.
const WORK: &str = "Work";
const ELECTION: &str = "Leader election";
const OBSERVABILITY: &str = "Observability";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_flag_of_run_is_in_the_environment_under_its_own_name() {
        let command = Cli::command();
        let run = command.find_subcommand("run").unwrap();
        for flag in run.get_arguments().filter(|flag| !flag.is_hide_set() && flag.get_id() != "help") {
            let expected = format!("WAFLOWS_{}", flag.get_id().as_str().to_uppercase());
            assert_eq!(flag.get_env().and_then(|name| name.to_str()), Some(expected.as_str()));
        }
    }
}
