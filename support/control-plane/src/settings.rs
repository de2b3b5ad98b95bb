//! The programs, files and flags of one control plane.

use std::{
    fs::Permissions,
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    Error,
    credentials::{random_token, write, write_kubeconfig},
    server::Server,
    tool,
};

/// What stays the same over restarts of a server.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) folder: TempDir,
    programs: Programs,
    flags: Flags,
    pub(crate) etcd_port: u16,
    pub(crate) api_port: u16,
    pub(crate) server_url: String,
    pub(crate) ca_certificate: PathBuf,
    pub(crate) admin_token: String,
    pub(crate) kubeconfig: PathBuf,
}

/// Flags beyond those that every control plane has, such as `--audit-log-path=/tmp/audit.log`.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// Of etcd.
    pub etcd: Vec<String>,
    /// Of kube-apiserver.
    pub api_server: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Programs {
    etcd: PathBuf,
    api_server: PathBuf,
    controller_manager: PathBuf,
    kubectl: PathBuf,
}

impl Programs {
    pub(crate) fn find() -> Result<Self, Error> {
        Ok(Self {
            etcd: tool("etcd")?,
            api_server: tool("kube-apiserver")?,
            controller_manager: tool("kube-controller-manager")?,
            kubectl: tool("kubectl")?,
        })
    }
}

impl Settings {
    pub(crate) fn write(programs: Programs, flags: Flags, etcd_port: u16, api_port: u16) -> Result<Self, Error> {
        // The folder holds the administrator's token.
        let private = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new()
            .prefix("control-plane-")
            .permissions(private)
            .tempdir()
            .map_err(Error::DataFolder)?;
        let settings = Self {
            programs,
            flags,
            etcd_port,
            api_port,
            server_url: format!("https://127.0.0.1:{api_port}"),
            ca_certificate: folder.path().join("certificates/apiserver.crt"),
            admin_token: random_token()?,
            kubeconfig: folder.path().join("kubeconfig"),
            folder,
        };
        let Self { server_url, ca_certificate, admin_token, kubeconfig, .. } = &settings;
        write(&settings.path("tokens.csv"), &format!("{admin_token},admin,admin,\"system:masters\"\n"))?;
        write_kubeconfig(kubeconfig, server_url, ca_certificate, admin_token)?;
        Ok(settings)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn kubectl(&self) -> Command {
        let mut kubectl = Command::new(&self.programs.kubectl);
        kubectl.env("KUBECACHEDIR", self.path("kubectl-cache")).env("KUBERC", "off");
        kubectl.arg("--kubeconfig").arg(&self.kubeconfig);
        kubectl
    }

    pub(crate) fn spawn_etcd(&self) -> Result<Server, Error> {
        let client_url = format!("http://127.0.0.1:{}", self.etcd_port);
        // A single member never talks to its peer port, so the system may choose that.
        let peer_url = "http://127.0.0.1:0";
        let mut arguments = vec![
            format!("--data-dir={}", self.path("etcd").display()),
            format!("--listen-client-urls={client_url}"),
            format!("--advertise-client-urls={client_url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster=default={peer_url}"),
            "--unsafe-no-fsync".to_owned(),
        ];
        arguments.extend_from_slice(&self.flags.etcd);
        Server::spawn("etcd", &self.programs.etcd, &arguments, self.folder.path())
    }

    pub(crate) fn spawn_api_server(&self) -> Result<Server, Error> {
        // The server makes its certificate and key at its first start, before it reads the files of the other flags;
        // the same key then serves for the tokens of ServiceAccounts.
        let key = self.path("certificates/apiserver.key").display().to_string();
        let mut arguments = vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            format!("--secure-port={}", self.api_port),
            format!("--cert-dir={}", self.path("certificates").display()),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={key}"),
            format!("--service-account-signing-key-file={key}"),
            "--authorization-mode=RBAC".to_owned(),
            format!("--token-auth-file={}", self.path("tokens.csv").display()),
        ];
        arguments.extend_from_slice(&self.flags.api_server);
        Server::spawn("kube-apiserver", &self.programs.api_server, &arguments, self.folder.path())
    }

    pub(crate) fn wait_for_api_server(&self, api_server: &mut Server) -> Result<(), Error> {
        // Trying the port first is cheap; each kubectl costs a process.
        api_server.wait_until("the API server did not listen", || accepts_connections(self.api_port))?;
        api_server.wait_until("the API server did not become ready", || {
            succeeds(self.kubectl().args(["get", "--raw=/readyz"]))
        })
    }

    pub(crate) fn spawn_controller_manager(&self) -> Result<Server, Error> {
        let arguments = [
            format!("--kubeconfig={}", self.kubeconfig.display()),
            format!("--service-account-private-key-file={}", self.path("certificates/apiserver.key").display()),
            format!("--root-ca-file={}", self.ca_certificate.display()),
            "--use-service-account-credentials=false".to_owned(),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
        ];
        let program = &self.programs.controller_manager;
        Server::spawn("kube-controller-manager", program, &arguments, self.folder.path())
    }
}

pub(crate) fn accepts_connections(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
