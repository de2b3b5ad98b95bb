//! Flags of the verbs that read and change resources in the cluster.

mod about;
pub mod rights;
mod rotate;
mod scope;
mod status;
mod work;

pub use about::{CompletionShell, CrdArgs, CrdFormat, ReportArgs, VersionArgs};
pub use rotate::{OneArgs, RotateArgs, SteerArgs};
pub use scope::{ClusterArgs, Color, ListFormat, LookArgs, SelectArgs};
pub use status::StatusArgs;
pub use work::{ChangeArgs, SyncArgs, WaitArgs};

pub(super) use about::{COMPLETION_EXAMPLES, CRD_EXAMPLES, MAN_EXAMPLES, REPORT_EXAMPLES, VERSION_EXAMPLES};
pub(super) use rotate::{ABORT_EXAMPLES, PROCEED_EXAMPLES, ROTATE_EXAMPLES};
pub(super) use status::EXAMPLES as STATUS_EXAMPLES;
pub(super) use work::{RESUME_EXAMPLES, SUSPEND_EXAMPLES, SYNC_EXAMPLES, WAIT_EXAMPLES};
