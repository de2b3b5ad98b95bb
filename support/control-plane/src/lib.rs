//! The real Kubernetes control plane for tests: etcd, kube-apiserver and kube-controller-manager on free loopback
//! ports, with all their data in a temporary folder of their own. There is no kubelet and no scheduler, so pods
//! stay `Pending`.
//!
//! ```no_run
//! let cluster = control_plane::ControlPlane::start()?;
//! cluster.kubectl().args(["get", "namespaces"]).status().expect("kubectl runs");
//! # Ok::<(), control_plane::Error>(())
//! ```
//!
//! The servers stop and the folder goes when the [`ControlPlane`] is dropped, and also when the process that started
//! it ends in any other way, so one may live in a `static` that is never dropped.
//!
//! The programs come from the `build` script beside this crate; see its README. Runs on Linux and macOS.

mod control_plane;
mod credentials;
mod error;
mod etcd;
mod server;
mod settings;
mod tools;

pub use crate::{control_plane::ControlPlane, error::Error, settings::Flags, tools::tool};
