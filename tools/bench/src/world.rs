//! What a scenario runs in: a control plane and an emulator of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use control_plane::ControlPlane;
use harness::cluster::{config, install_definition};
use harness::{TestKey, process};
use kube::Client;
use tempfile::TempDir;

use crate::audit::{Audit, SERVICE_ACCOUNT};
use crate::error::Error;
use crate::graph::{Graph, Link};
use crate::usage;

/// The programs under measurement.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) operator: PathBuf,
    pub(crate) emulator: PathBuf,
    /// An operator to compare with.
    pub(crate) peer: PathBuf,
}

/// A running control plane and a running emulator; both stop when this is dropped.
pub(crate) struct World {
    /// With all rights, and without the limits that the API server sets other clients.
    pub(crate) client: Client,
    pub(crate) graph: Graph,
    pub(crate) audit: Audit,
    pub(crate) key: TestKey,
    pub(crate) operator: PathBuf,
    /// Of a ServiceAccount, as the operator has one in a cluster.
    pub(crate) kubeconfig: PathBuf,
    pub(crate) cluster: ControlPlane,
    _folder: TempDir,
}

/// CPU time of the other processes that take part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings {
    pub(crate) api_server: Duration,
    pub(crate) etcd: Duration,
    pub(crate) emulator: Duration,
}

impl World {
    /// Starts them.
    pub(crate) async fn set_up(programs: &Programs, link: Link) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::io("making a temporary folder"))?;
        let (audit, mut flags) = Audit::flags(folder.path())?;
        // The largest scenarios outgrow the usual 2 GiB with their history.
        flags.etcd.push(format!("--quota-backend-bytes={}", 8_u64 << 30));
        let cluster = tokio::task::spawn_blocking(move || ControlPlane::start_with(&flags)).await??;
        for arguments in install_definition() {
            run(cluster.kubectl().args(arguments), "")?;
        }
        run(cluster.kubectl().args(["create", "serviceaccount", SERVICE_ACCOUNT]), "")?;
        let user = format!("--serviceaccount=default:{SERVICE_ACCOUNT}");
        let role = ["create", "clusterrolebinding", SERVICE_ACCOUNT, "--clusterrole=cluster-admin", &user];
        run(cluster.kubectl().args(role), "")?;
        let token = run(cluster.kubectl().args(["create", "token", SERVICE_ACCOUNT, "--duration=24h"]), "")?;
        Ok(Self {
            client: client(cluster.kubeconfig()).await?,
            graph: Graph::start(&programs.emulator, link, folder.path()).await?,
            audit,
            key: TestKey::generate(),
            operator: programs.operator.clone(),
            kubeconfig: cluster.kubeconfig_for_token(token.trim())?,
            cluster,
            _folder: folder,
        })
    }

    /// What the others have used so far.
    pub(crate) fn surroundings(&self) -> Result<Surroundings, Error> {
        let cpu_of = |server: &str| {
            let servers = self.cluster.process_ids();
            let found = servers.iter().find(|(name, _)| *name == server);
            found.map_or(Ok(Duration::ZERO), |(_, process_id)| usage::cpu(*process_id))
        };
        Ok(Surroundings {
            api_server: cpu_of("kube-apiserver")?,
            etcd: cpu_of("etcd")?,
            emulator: usage::cpu(self.graph.process_id())?,
        })
    }
}

impl Surroundings {
    /// What was used since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            api_server: self.api_server.saturating_sub(before.api_server),
            etcd: self.etcd.saturating_sub(before.etcd),
            emulator: self.emulator.saturating_sub(before.emulator),
        }
    }
}

async fn client(kubeconfig: &Path) -> Result<Client, Error> {
    Client::try_from(config(kubeconfig).await?).map_err(Error::kubernetes("setting up the Kubernetes client"))
}

/// Runs a program on some input. Returns what it prints.
pub(crate) fn run(command: &mut Command, input: &str) -> Result<String, Error> {
    let printed = process::try_run(command, input).map_err(Error::io(format!("{command:?}")))?;
    if printed.is_success() {
        Ok(printed.stdout)
    } else {
        Err(Error::Command { line: format!("{command:?}"), complaint: printed.stderr.trim().to_owned() })
    }
}
