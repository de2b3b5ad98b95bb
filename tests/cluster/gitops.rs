//! GitOps: what Flux and Argo CD make of a resource in every situation, and that applying it again is no change.
//!
//! `tests/gitops` holds the program that judges a resource as these tools do. The resources it judges are those of the
//! real operator; Argo CD's script for them, and recordings of them as its tests want them, are in `docs/argocd`.

mod actions;
mod docs;
mod reapply;
mod recordings;
mod situations;
mod verdict;
