//! `version`: of this client, of the operators, and of the definition in the cluster.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client};
use serde::Serialize;
use waflows_core::api::crd::definition;

use super::connection::Connection;
use super::error::VerbError;
use super::operator::{OperatorReport, operators};
use crate::apiserver::describe;
use crate::cli::{OutputFormat, VersionArgs};
use crate::command_output::{CommandOutput, NO_VERDICT};

const DEFINITION: &str = "flowsencryptionkeys.waflows.dev";
const CLIENT: &str = env!("CARGO_PKG_VERSION");

/// What runs where.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Versions {
    /// Version of this program.
    client: &'static str,
    /// Version of the API server. Absent without a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    kubernetes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<Definition>,
    /// The operators that the chart installed. Absent if the user may not see them.
    #[serde(skip_serializing_if = "Option::is_none")]
    operators: Option<Vec<OperatorReport>>,
    /// Why there is no answer from the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// The definition in the cluster, compared with the definition of this client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Definition {
    Same,
    Different,
    Missing,
    /// The user may not read it.
    Hidden,
}

impl Versions {
    /// Asks the cluster.
    pub(super) async fn of(client: &Client) -> Self {
        let kubernetes = client.apiserver_version().await;
        let problem = kubernetes.as_ref().err().map(describe);
        let is_there = kubernetes.is_ok();
        Self {
            client: CLIENT,
            kubernetes: kubernetes.ok().map(|version| version.git_version),
            definition: if is_there { Some(installed(client).await) } else { None },
            operators: if is_there { operators(client).await } else { None },
            problem,
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("client      {}", self.client)];
        if let Some(version) = &self.kubernetes {
            lines.push(format!("kubernetes  {version}"));
        }
        if let Some(definition) = self.definition {
            lines.push(format!("definition  {}", definition.words()));
        }
        match self.operators.as_deref() {
            Some([]) => lines.push(
                "operator    none: no Deployment has the label app.kubernetes.io/name=waflows-operator".to_owned(),
            ),
            Some(operators) => {
                let now = jiff::Timestamp::now();
                lines.extend(operators.iter().map(|it| format!("operator    {}", it.sentence(now))));
            }
            None if self.kubernetes.is_some() => {
                lines.push("operator    not visible: you may not list Deployments in all namespaces".to_owned());
            }
            None => {}
        }
        lines.extend(self.problem.as_ref().map(|problem| format!("cluster     {problem}")));
        lines
    }
}

impl Definition {
    fn words(self) -> &'static str {
        match self {
            Self::Same => "the one of this client",
            Self::Different => {
                "not the one of this client: compare with `waflows-operator crd | kubectl diff --server-side -f -`"
            }
            Self::Missing => "not installed: waflows-operator crd | kubectl apply --server-side -f -",
            Self::Hidden => "installed, but you may not read it",
        }
    }
}

async fn installed(client: &Client) -> Definition {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    match api.get(DEFINITION).await {
        Ok(found) if found.spec.versions == definition().spec.versions => Definition::Same,
        Ok(_) => Definition::Different,
        Err(kube::Error::Api(status)) if status.code == 404 => Definition::Missing,
        // Everybody may discover which kinds there are.
        Err(_) => match client.list_api_group_resources("waflows.dev/v1alpha1").await {
            Ok(_) => Definition::Hidden,
            Err(_) => Definition::Missing,
        },
    }
}

/// Prints the versions. The exit code is 2 if the cluster does not answer.
///
/// # Errors
/// If a flag names a cluster that is not configured.
pub async fn version(args: &VersionArgs) -> Result<CommandOutput, VerbError> {
    let versions = if args.client {
        Versions { client: CLIENT, kubernetes: None, definition: None, operators: None, problem: None }
    } else {
        Versions::of(&Connection::open(&args.cluster).await?.client).await
    };
    let text = match args.output {
        OutputFormat::Table => versions.lines().join("\n") + "\n",
        OutputFormat::Json => serde_json::to_string_pretty(&versions)? + "\n",
    };
    Ok(CommandOutput { text, exit_code: if versions.problem.is_some() { NO_VERDICT } else { 0 } })
}
