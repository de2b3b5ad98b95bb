use std::{
    env,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use rustix::process::Signal;

use crate::{
    Error,
    credentials::write_kubeconfig,
    etcd,
    server::Server,
    settings::{Flags, Programs, Settings, accepts_connections, succeeds},
    tool,
};

/// How often a start is tried when someone takes a port between its choice and its use.
const PORT_ATTEMPTS: usize = 5;

/// A running control plane with RBAC. Several can run side by side.
#[derive(Debug)]
pub struct ControlPlane {
    // Fields drop in this order: a server goes before what it talks to, the folder last.
    controller_manager: Server,
    api_server: Mutex<Option<Server>>,
    etcd: Server,
    further_kubeconfigs: AtomicU32,
    settings: Settings,
}

impl ControlPlane {
    /// Starts the servers and waits until the API server is ready and the namespace `default` has its ServiceAccount.
    ///
    /// # Errors
    /// [`Error::ToolMissing`] where a program was not built; [`Error::Exited`] and [`Error::NotReady`] hold the end
    /// of the log of the server at fault.
    pub fn start() -> Result<Self, Error> {
        Self::start_with(&Flags::default())
    }

    /// The same, with further flags for the servers.
    ///
    /// # Errors
    /// As [`start`](Self::start). An [`Error::Exited`] names a flag that a server does not know.
    pub fn start_with(flags: &Flags) -> Result<Self, Error> {
        let programs = Programs::find()?;
        with_free_port(|| Self::start_once(programs.clone(), flags.clone()))
    }

    fn start_once(programs: Programs, flags: Flags) -> Result<Self, Error> {
        // Both at once, so that they differ; each stays reserved until its server is about to take it.
        let etcd_listener = reserve_port()?;
        let api_listener = reserve_port()?;
        let settings = Settings::write(programs, flags, port_of(&etcd_listener)?, port_of(&api_listener)?)?;

        drop(etcd_listener);
        let mut etcd = settings.spawn_etcd()?;
        etcd.wait_until("etcd did not listen", || accepts_connections(settings.etcd_port))?;

        drop(api_listener);
        let mut api_server = settings.spawn_api_server()?;
        settings.wait_for_api_server(&mut api_server)?;

        let mut controller_manager = settings.spawn_controller_manager()?;
        controller_manager.wait_until("the default ServiceAccount did not appear", || {
            succeeds(settings.kubectl().args(["--namespace=default", "get", "serviceaccount", "default"]))
        })?;

        // If someone else's etcd had taken the port, ours would have ended by now.
        etcd.check_running()?;
        Ok(Self {
            controller_manager,
            api_server: Mutex::new(Some(api_server)),
            etcd,
            further_kubeconfigs: AtomicU32::new(0),
            settings,
        })
    }

    /// Stops the servers and removes the folder, like a drop.
    pub fn stop(self) {
        drop(self);
    }

    /// Path of a kubeconfig with all rights.
    pub fn kubeconfig(&self) -> &Path {
        &self.settings.kubeconfig
    }

    /// Writes a kubeconfig that uses `token`, for example the token of a ServiceAccount
    /// (`kubectl create token`), and returns its path.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn kubeconfig_for_token(&self, token: &str) -> Result<PathBuf, Error> {
        let number = self.further_kubeconfigs.fetch_add(1, Ordering::Relaxed) + 1;
        let path = self.data_dir().join(format!("kubeconfig-{number}"));
        write_kubeconfig(&path, self.server_url(), self.ca_certificate(), token)?;
        Ok(path)
    }

    /// URL of the API server, such as `https://127.0.0.1:34567`.
    pub fn server_url(&self) -> &str {
        &self.settings.server_url
    }

    /// Path of the PEM file with the certificate authority of the API server.
    pub fn ca_certificate(&self) -> &Path {
        &self.settings.ca_certificate
    }

    /// Bearer token of a user in the group `system:masters`.
    pub fn admin_token(&self) -> &str {
        &self.settings.admin_token
    }

    /// The temporary folder: data, credentials and the log of each server (`kube-apiserver.log` and so on).
    pub fn data_dir(&self) -> &Path {
        self.settings.folder.path()
    }

    /// `kubectl` with all rights, free of the user's own settings. Add arguments and run it.
    pub fn kubectl(&self) -> Command {
        self.settings.kubectl()
    }

    /// `helm` with all rights, free of the user's own settings. Add arguments and run it.
    ///
    /// # Errors
    /// [`Error::ToolMissing`] where it was not built: a control plane starts without it.
    pub fn helm(&self) -> Result<Command, Error> {
        let mut helm = Command::new(tool("helm")?);
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HELM_")) {
            helm.env_remove(name);
        }
        for kind in ["CACHE", "CONFIG", "DATA"] {
            helm.env(format!("HELM_{kind}_HOME"), self.data_dir().join("helm").join(kind.to_lowercase()));
        }
        helm.arg("--kubeconfig").arg(self.kubeconfig());
        Ok(helm)
    }

    /// Name and process ID of each server that runs.
    pub fn process_ids(&self) -> Vec<(&'static str, u32)> {
        let api_server = self.api_server();
        let servers = [Some(&self.etcd), api_server.as_ref(), Some(&self.controller_manager)];
        servers.into_iter().flatten().map(|server| (server.name, server.process_id())).collect()
    }

    /// Kills the API server, as in a crash. Everything it stored stays in etcd.
    ///
    /// # Errors
    /// [`Error::ApiServerStopped`] where it does not run.
    pub fn stop_api_server(&self) -> Result<(), Error> {
        self.api_server().take().ok_or(Error::ApiServerStopped)?.kill()
    }

    /// Starts the API server again after [`stop_api_server`](Self::stop_api_server), with the same port, certificate
    /// and data, and waits until it is ready.
    ///
    /// # Errors
    /// [`Error::ApiServerRunning`] where it was not stopped, else as [`start`](Self::start).
    pub fn start_api_server(&self) -> Result<(), Error> {
        let mut slot = self.api_server();
        if slot.is_some() {
            return Err(Error::ApiServerRunning);
        }
        // The kernel may have given the port to someone's outgoing connection; that passes.
        with_free_port(|| {
            // Kept even if it does not become ready, because dropping a server that runs removes the folder.
            let api_server = slot.insert(self.settings.spawn_api_server()?);
            self.settings.wait_for_api_server(api_server)
        })
    }

    /// Freezes the API server: connections stay open, the kernel accepts new ones, and nothing is answered.
    ///
    /// # Errors
    /// [`Error::ApiServerStopped`], [`Error::Exited`] or [`Error::Signal`].
    pub fn pause_api_server(&self) -> Result<(), Error> {
        self.signal_api_server(Signal::STOP)
    }

    /// Lets a frozen API server go on.
    ///
    /// # Errors
    /// As [`pause_api_server`](Self::pause_api_server).
    pub fn resume_api_server(&self) -> Result<(), Error> {
        self.signal_api_server(Signal::CONT)
    }

    /// Makes etcd forget all revisions before the current one, and returns that. A watch from an older
    /// `resourceVersion` then ends with 410 Gone, once the API server's own watch cache does not cover it either:
    /// restart the API server to empty that.
    ///
    /// # Errors
    /// [`Error::EtcdUnreachable`] or [`Error::EtcdRefused`].
    pub fn compact_etcd(&self) -> Result<i64, Error> {
        let revision = etcd::current_revision(self.settings.etcd_port)?;
        etcd::compact(self.settings.etcd_port, revision)?;
        Ok(revision)
    }

    fn signal_api_server(&self, signal: Signal) -> Result<(), Error> {
        self.api_server().as_mut().ok_or(Error::ApiServerStopped)?.signal(signal)
    }

    fn api_server(&self) -> MutexGuard<'_, Option<Server>> {
        self.api_server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn with_free_port<T>(mut start: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 1..PORT_ATTEMPTS {
        match start() {
            Err(error) if error.is_port_taken() => {}
            result => return result,
        }
    }
    start()
}

fn reserve_port() -> Result<TcpListener, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::Port)
}

fn port_of(listener: &TcpListener) -> Result<u16, Error> {
    Ok(listener.local_addr().map_err(Error::Port)?.port())
}
