//! Starts a control plane, prints the path of its kubeconfig, and keeps it up until standard input closes.

use std::{error::Error, io, process::ExitCode};

use control_plane::ControlPlane;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    eprintln!("starting etcd, kube-apiserver and kube-controller-manager…");
    let cluster = ControlPlane::start()?;
    for (name, process_id) in cluster.process_ids() {
        eprintln!(
            "{name} is process {process_id}, log {}",
            cluster.data_dir().join(name).with_extension("log").display()
        );
    }
    eprintln!("export KUBECONFIG={}", cluster.kubeconfig().display());
    eprintln!("runs until Ctrl-D or Ctrl-C…");
    // Printed last: whoever reads the path knows that all servers are up.
    println!("{}", cluster.kubeconfig().display());
    // Ctrl-C needs no handler: the servers' supervisors notice the end of this process.
    io::copy(&mut io::stdin(), &mut io::sink())?;
    cluster.stop();
    Ok(())
}
